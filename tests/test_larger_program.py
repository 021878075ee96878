"""As a part of a larger program: it travels to other processes, and neither reads nor changes
what the program has set for itself."""

import contextlib
import copy
import locale
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from textsep_lab import load_separator
from textsep_lab.detection import detector as detector_module
from textsep_lab.detection.detector import load_detector
from textsep_lab.encoders import registry
from textsep_lab.encoders.minilm import MiniLMEncoder
from textsep_lab.models import build, checkpoints
from textsep_lab.models.masking import in_chunks
from textsep_lab.signal import stft

RATE = 16000
WAVEFORM = (np.random.default_rng(0).standard_normal((2, RATE)) / 10).astype(np.float32)


def forget():
    """Let the next separator be read anew, as in a fresh process."""
    for cached in (registry._make, detector_module._load, stft._window, stft.band_matrix):
        cached.cache_clear()


@pytest.fixture(scope="module")
def separator():
    return load_separator()


def separate(separator):
    return separator.separate(WAVEFORM, "dog barking", windows=[(0.2, 0.7)], sample_rate=RATE)


@pytest.fixture(scope="module")
def expected(separator):
    return separate(separator)


def assert_same(found, expected):
    assert found.output.dtype == np.float32
    assert np.array_equal(found.output, expected.output)
    assert np.array_equal(found.residual, expected.residual)
    assert found.confidence == expected.confidence


# Other processes


def test_a_separator_is_pickled_and_copied(separator, expected):
    assert_same(separate(pickle.loads(pickle.dumps(separator))), expected)
    assert_same(separate(copy.deepcopy(separator)), expected)
    again = pickle.loads(pickle.dumps(expected))
    assert np.array_equal(again.output, expected.output)


def test_a_separator_survives_being_sent_to_a_fresh_process(separator, expected):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert_same(pool.apply(separate, (separator,)), expected)


def test_encoders_and_a_detector_are_pickled_without_their_caches(tmp_path):
    detector = load_detector()
    probability = detector.presence(WAVEFORM, RATE, "rain")
    for other in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
        assert other.presence(WAVEFORM, RATE, "rain") == probability
    encoder = detector.encoder
    known = encoder.embed_text(["rain"])
    for other in (pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        assert not other._remembered
        assert np.array_equal(other.embed_text(["rain"]), known)
        assert other.network is not encoder.network


def test_a_text_encoder_is_read_anew_once_where_it_is_unpickled():
    encoder = MiniLMEncoder()
    sent = pickle.dumps(encoder)
    assert len(sent) < 1000
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second is not encoder
    assert np.array_equal(first.embed_text(["rain"]), encoder.embed_text(["rain"]))


def test_a_text_encoder_with_other_weights_there_is_refused():
    encoder = copy.copy(MiniLMEncoder())
    encoder.weights_sha256 = "f00d"
    sent = pickle.dumps(encoder)
    with pytest.raises(ValueError, match=r"^The encoder minilm-l6-int8 has other weights here"):
        pickle.loads(sent)


@pytest.mark.parametrize("name", ["compact", "guided", "reference"])
def test_networks_are_pickled_and_copied(name):
    network = build(name, text_dim=8).eval()
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert other.config == network.config
        for (key, value), (name_, copied) in zip(
            network.state_dict().items(), other.state_dict().items(), strict=True
        ):
            assert key == name_ and torch.equal(value, copied)
        other.load_state_dict(network.state_dict())  # its hook came along


# What a program has set


@contextlib.contextmanager
def default_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def no_gradients():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


# `separation` and `detection` have products of their own outside `isolated`.
bfloat16 = pytest.param(lambda: torch.autocast("cpu", torch.bfloat16), id="autocast")
SETTINGS = [
    pytest.param(default_float64, id="float64"),
    pytest.param(lambda: np.errstate(all="raise"), id="errstate"),
    pytest.param(torch.inference_mode, id="inference mode"),
    pytest.param(no_gradients, id="no gradients"),
]


@pytest.mark.parametrize("setting", [*SETTINGS, bfloat16])
@pytest.mark.parametrize("fresh", [False, True])
def test_what_a_program_has_set_changes_nothing(separator, expected, setting, fresh):
    forget()
    with setting():
        used = load_separator() if fresh else separator
        assert_same(separate(used), expected)
    assert_same(separate(used), expected)  # nor does what was cached then
    forget()


@pytest.mark.parametrize(
    "setting",
    [*SETTINGS, pytest.param(lambda: torch.autocast("cpu", torch.bfloat16), id="autocast")],
)
def test_encoders_and_networks_do_not_depend_on_it(setting):
    encoder, (network, _) = registry.load_joint_encoder(), checkpoints.load()
    magnitude, query = torch.rand(1, 64, 32), torch.randn(1, 384)

    def results(encoder, network):
        with torch.no_grad():
            mask = in_chunks(network, magnitude, query)
        return [
            encoder.embed_audio(WAVEFORM, RATE), encoder.embed_frames(WAVEFORM, RATE),
            encoder.embed_text(["a heavy downpour"]), mask.numpy(),
        ]  # fmt: skip

    known = results(encoder, network)
    forget()
    with setting():
        found = results(registry.load_joint_encoder(), checkpoints.load()[0])
    forget()
    for a, b in zip(found, known, strict=True):
        assert a.dtype == b.dtype == np.float32
        assert np.array_equal(a, b)


def test_a_network_loaded_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        network, _ = checkpoints.load()
    network.train()(torch.rand(2, 64, 32), torch.randn(2, 384)).mean().backward()
    assert network.head.weight.grad.any()
    assert not any(p.requires_grad for p in network.text_agnostic.parameters())


# What it must not change


def surroundings():
    return {
        "torch's random numbers": torch.get_rng_state().tolist(),
        "NumPy's random numbers": str(np.random.get_state()),  # noqa: NPY002
        "Python's random numbers": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "threads between operations": torch.get_num_interop_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "warnings": [str(each) for each in warnings.filters],
        "NumPy's errors": np.geterr(),
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),  # noqa: PTH109
        "environment": dict(os.environ),
    }


def test_separating_changes_nothing_around_it():
    forget()
    before = surroundings()
    result = separate(load_separator())
    load_detector().detect(WAVEFORM, sample_rate=RATE)
    assert result.output.any()
    after = surroundings()
    for name, value in before.items():
        assert after[name] == value, name


def test_importing_changes_nothing_around_it():
    """What the libraries below change is theirs: they are imported before."""
    script = """
import locale, os, random, warnings
import numpy as np, torch
import pandas, onnxruntime, soundfile, soxr, scipy.signal, tokenizers, msgspec
import importlib, pkgutil
before = {surroundings}
import textsep_lab
for module in pkgutil.walk_packages(textsep_lab.__path__, "textsep_lab."):
    if module.name.split(".")[1] in {rooms}:
        importlib.import_module(module.name)
after = {surroundings}
changed = [name for name, (a, b) in enumerate(zip(before, after)) if a != b]
raise SystemExit(str(changed) if changed else 0)
"""
    now = (
        "[torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate(), "
        "torch.get_default_dtype(), torch.get_num_threads(), [str(f) for f in warnings.filters], "
        "np.geterr(), locale.setlocale(locale.LC_ALL), os.getcwd(), dict(os.environ)]"
    )
    rooms = "('utils', 'signal', 'data', 'models', 'encoders', 'detection', 'separation')"
    done = subprocess.run(
        [sys.executable, "-c", script.format(surroundings=now, rooms=rooms)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
