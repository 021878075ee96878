"""What comes from outside: whatever is wrong with a file, one sentence names it."""

import json
import random
import struct
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import tone_calibration, tone_detector

from textsep_lab.data import esc50, manifests
from textsep_lab.data.mixtures import Recipe
from textsep_lab.detection import gemini
from textsep_lab.detection.calibration import Calibration
from textsep_lab.encoders import minilm
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.models import checkpoints
from textsep_lab.models.clap import ClapNetwork
from textsep_lab.models.config import ClapConfig, UNetConfig
from textsep_lab.session import exports
from textsep_lab.session.request import Query, Request
from textsep_lab.training import state
from textsep_lab.training.config import ClapSettings, SeparatorSettings
from textsep_lab.utils import paths
from textsep_lab.utils.tensors import LARGEST_HEADER, read_header
from textsep_lab.utils.validation import LARGEST, checked, read_json

COUNT = 40  # damaged variants of each file
HEADROOM = 2**30  # bytes of address space that opening one of them may take
DAMAGES = [
    None, True, False, 0, -1, 2, 1.5, -1e308, 1e308, 10**18, 10**30, float("nan"), float("inf"), "",
    "x", "../x", "/etc/passwd", "\ud800", "\0", "x\n", "x" * 5000, [], {}, [[]],
    {"a": 1}, [None] * 1000,
    [10**6] * 8, json.loads(200 * "[" + 200 * "]"),
]  # fmt: skip


@contextmanager
def limited_memory():
    """Let no more address space be taken than there is, and a little."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + HEADROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def damaged_json(rng: random.Random, valid: bytes) -> bytes:
    """Change one place of a JSON text, or spoil the text itself."""
    kind = rng.randrange(12)
    if kind == 0:
        return spoilt(rng, valid)
    if kind == 1:
        return b"\xef\xbb\xbf" + valid
    if kind == 2:
        return rng.choice(
            [b"[" * 10**5, b'{"a":' * 10**5, b"9" * 10**5, b"", b"null", b"[]", b"{}"]
        )
    data = json.loads(valid)
    places = list(places_in(data))
    holder, key = rng.choice(places)
    if kind < 5:
        del holder[key]
    elif kind < 6 and isinstance(holder, dict):
        holder[rng.choice(["unknown", ""])] = rng.choice(DAMAGES)
    else:
        holder[key] = rng.choice(DAMAGES)
    text = json.dumps(data).encode()
    return text.replace(b"{", b'{"x": 1, "x": 2, ', 1) if kind == 11 else text


def places_in(data):
    """Yield each place of a JSON value as (what holds it, key or index)."""
    keys = list(data) if isinstance(data, dict) else range(len(data))
    for key in keys:
        yield data, key
        if isinstance(data[key], dict | list):
            yield from places_in(data[key])


def spoilt(rng: random.Random, valid: bytes) -> bytes:
    """Cut bytes off, change some, or put others in."""
    data, at = bytearray(valid), rng.randrange(max(1, len(valid)))
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        data[at : at + 1] = rng.randbytes(rng.randrange(1, 20))
    elif kind == 2:
        return rng.randbytes(rng.randrange(200))
    else:
        for _ in range(rng.randrange(1, 9)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def damaged_tensors(rng: random.Random, valid: bytes) -> bytes:
    """Change one place of a safetensors file's header, its length, or any byte."""
    (size,) = struct.unpack("<Q", valid[:8])
    header, rest = valid[8 : 8 + size], valid[8 + size :]
    kind = rng.randrange(4)
    if kind == 0:
        length = rng.choice([0, 1, size - 1, size + 1, LARGEST_HEADER, 2**40, 2**63, 2**64 - 1])
        return struct.pack("<Q", length) + header + rest
    if kind == 1:
        return spoilt(rng, valid)
    if kind == 2:
        header = damaged_json(rng, header)
    else:  # a tensor of another size that fits the file, as far as a header can say
        data = json.loads(header)
        name = rng.choice([key for key in data if key != "__metadata__"])
        data[name]["shape"] = rng.choice([[], [1], [0, 2**62], [2**31, 2**31], [2**40, 0], [3, 5]])
        data[name]["dtype"] = rng.choice(["F64", "F32", "F16", "U8", "BOOL", "F8_E4M3"])
        header = json.dumps(data).encode()
    return struct.pack("<Q", len(header)) + header + rest


def damaged_table(rng: random.Random, valid: bytes) -> bytes:
    """Change one cell of a CSV, or spoil the text."""
    if rng.random() < 0.2:
        return spoilt(rng, valid)
    rows = [line.split(",") for line in valid.decode().splitlines()]
    row = rng.choice(rows)
    values = ["", "-1", "nan", "1e999", "9" * 30, "9" * 5000, "x", "../x.wav", "/etc/x", "a\\b",
              ";", ";;", "\0", '"', "x" * 5000, "True"]  # fmt: skip
    row[rng.randrange(len(row))] = rng.choice(values)
    return "\n".join(map(",".join, rows)).encode()


# One door each: returns the file, and what opens it.


TINY = UNetConfig(channels=(4, 8), n_bands=16, text_dim=8)


def a_sidecar(tmp_path, make_network, config=TINY):
    info = {"encoder": {"name": "fake", "dim": 8}, "step": 3, "metrics": {"val": 1.5}}
    info["query_classifier"] = {"file": "x.classifier", "sha256": "0" * 64}
    clap = isinstance(config, ClapConfig)
    network = ClapNetwork(config) if clap else make_network(**vars(config))
    path = checkpoints.save(tmp_path / "net.safetensors", network, info)
    open_ = checkpoints.load_clap if clap else checkpoints.load
    return path.with_suffix(".json"), lambda: open_(path)


def sidecar(tmp_path, make_network):
    return (*a_sidecar(tmp_path, make_network), damaged_json)


def clap_sidecar(tmp_path, make_network):
    config = ClapConfig(channels=(4, 8), n_bands=16, dim=8, text_dim=8)
    return (*a_sidecar(tmp_path, make_network, config), damaged_json)


def weights(tmp_path, make_network):
    file, open_ = a_sidecar(tmp_path, make_network)
    path = file.with_suffix(".safetensors")

    def with_its_sum():
        info = json.loads(file.read_text())
        file.write_text(json.dumps({**info, "sha256": checkpoints.sha256(path)}))
        open_()

    return path, with_its_sum, damaged_tensors


def a_needed_file(tmp_path, make_network):
    path = checkpoints.save(tmp_path / "net.safetensors", make_network(), {})
    file = tmp_path / "net.json"
    classifier = tmp_path / "x.classifier"
    classifier.write_bytes(b"x")
    named = {"file": classifier.name, "sha256": checkpoints.sha256(classifier)}
    file.write_text(json.dumps({"query_classifier": named}))

    def open_():
        info = checked(dict, read_json(file), file)
        checkpoints.needed_file(path, info, "query_classifier")

    return file, open_, damaged_json


def calibration(tmp_path, make_network):
    detector = tone_detector()
    file = tone_calibration(detector.encoder, confidence=detector.calibration.presence)
    fields = {"format": "textsep_lab-calibration-1", **asdict(file)}
    fields["confidence"]["weights"] = [1.0, 2.0, 3.0]
    (tmp_path / "calibration.json").write_text(json.dumps(fields))
    path = tmp_path / "calibration.json"

    def open_():
        curve = Calibration.load(path).confidence
        if curve is not None:
            assert np.isfinite(curve(np.ones(3)))

    return path, open_, damaged_json


def recipe(tmp_path, make_network):
    path, recording = tmp_path / "recipe.json", SimpleNamespace(sha256="ab", duration=5.0)
    said = {
        "format": exports.FORMAT, "version": "0", "result": {},
        "recording": {"name": "a.wav", "source": "file", "sha256": "ab"},
        "request": asdict(Request((Query("rain"), Query("dog", "remove")), ((0.5, 1.0), (2, 3)))),
    }  # fmt: skip
    path.write_text(json.dumps(said))
    session = SimpleNamespace(recording=recording, open=lambda recording: None)

    def open_():
        asked = exports.open_recipe(session, path.read_bytes(), path.name)
        assert asked == asked.checked()

    return path, open_, damaged_json


def run_settings(tmp_path, make_network):
    settings = SeparatorSettings(steps=3)
    state.claim_folder(tmp_path, settings)
    return tmp_path / state.SETTINGS, lambda: state.claim_folder(tmp_path, settings), damaged_json


def sidecar_settings(tmp_path, make_network):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"settings": asdict(ClapSettings(epochs=1.0))}))

    def open_():
        ClapSettings.from_sidecar(checked(dict, read_json(path), path), path)

    return path, open_, damaged_json


def training_state(tmp_path, make_network):
    path = tmp_path / "state.safetensors"
    said = state.Progress(2, 9, [0.5, float("nan")], [{"step": 2, "a": 0.1}], None, 1.5)
    state.save(path, {"network": make_network().state_dict()}, said)
    return path, lambda: state.load(path), damaged_tensors


def licences(tmp_path, make_network):
    path = tmp_path / "licences.json"
    path.write_bytes((paths.checkpoints_dir() / path.name).read_bytes())

    def open_():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoints, "checkpoints_dir", lambda: tmp_path)
            checkpoints.shipped()

    return path, open_, damaged_json


def encoder_card(tmp_path, make_network):
    path = tmp_path / "encoder.json"
    path.write_bytes((paths.checkpoints_dir() / "text-encoder" / path.name).read_bytes())
    return path, lambda: minilm._read_card(tmp_path), damaged_json


def query_classifier(tmp_path, make_network):
    arrays = [np.eye(k, 4, dtype=np.float32) for k in (3, 5)]
    path = QueryClassifier(("a", "b", "c"), *arrays, np.eye(5, 3, dtype=np.float32)).save(
        tmp_path / "a.classifier"
    )
    return path, lambda: QueryClassifier.load(path, 4), damaged_tensors


def table(tmp_path, make_network):
    path = tmp_path / "meta" / "esc50.csv"
    path.parent.mkdir()
    (tmp_path / "audio").mkdir()
    lines = [",".join(esc50.COLUMNS)]
    for k in range(4):
        (tmp_path / "audio" / f"1-{k}-A-0.wav").touch()
        lines.append(f"1-{k}-A-0.wav,1,0,dog,True,{k},A")
    path.write_text("\n".join(lines))
    return path, lambda: esc50.read_table(tmp_path), damaged_table


def manifest(tmp_path, make_network):
    recipes = [Recipe("dog", ("a.wav", "b.wav"), (0.5,), (0, 7), 100, same_class=("", "c.wav"))]
    path = manifests.write_manifest(3 * recipes, tmp_path / "manifest.csv")
    return path, lambda: manifests.read_manifest(path), damaged_table


DOORS = [
    sidecar, clap_sidecar, weights, a_needed_file, calibration, recipe, run_settings,
    sidecar_settings, training_state, licences, encoder_card, query_classifier, table, manifest,
]  # fmt: skip


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_damaged_file_is_one_sentence_that_names_it(door, tmp_path, make_network):
    file, open_, damage = door(tmp_path, make_network)
    valid = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    open_()
    refused = 0
    with limited_memory():
        for seed in range(COUNT):
            for path, content in valid.items():
                path.write_bytes(content)
            content = damage(random.Random(seed), valid[file])
            file.write_bytes(content)
            try:
                open_()
            except (ValueError, OSError) as error:
                said = str(error)
                assert file.name in said or str(tmp_path) in said, (seed, said)
                assert "\n" not in said and said.endswith("."), (seed, said)
                assert len(said) < 700, (seed, said)
                refused += 1
    assert refused > COUNT / 3


def test_damaged_answers_of_a_hosted_model_are_refused():
    valid = b'{"sounds": [{"label": "rain", "start": 0.5, "end": 2}, {"label": "dog"}]}'
    for seed in range(COUNT):
        text = damaged_json(random.Random(seed), valid).decode("utf-8", "replace")
        try:
            found = gemini.parse_answer(text, 5.0)
        except ValueError as error:
            assert "Gemini" in str(error) and "\n" not in str(error)
        else:
            assert all(x.start is None or 0 <= x.start < x.end <= 5 for x in found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 1}', r"it says 'a' twice\.$"),
        (b"[NaN]", "it holds NaN"),
        (b"[-Infinity]", "it holds -Infinity"),
        (b"[1e999]", "it holds '1e999'"),
        (b"[123456789012345678901]", "it holds '123456789012345678901'"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\xff"', "not text in UTF-8"),
        (b"[" * 100000, "nested too deeply"),
        (b" " * (LARGEST + 1), "more than 1,048,576 bytes"),
        (b"{", "not JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    for source, name in ((path, None), (text, "a.json")):
        with pytest.raises(ValueError, match=reason) as caught:
            read_json(source, name)
        assert "a.json' is damaged: " in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"channels": [4, "a"]}, r"'f' no: channels\[1\] is 'a', expected int\."),
        ({"n_bands": 10**9}, r"'f' no: n_bands is 1000000000: it must be from 2 to 1,024\."),
        ({"n_bands": True}, r"'f' no: n_bands is True, expected int \| null\."),
        ({"dropout": -1}, r"'f' no: dropout is -1\.0: it must be from 0 to 1\."),
        ({"depth": 3}, r"'f' no: it has an unknown field 'depth'\."),
        ([], r"'f' no: it is \[\], expected object\."),
    ],
)
def test_a_field_is_named_with_what_was_found_and_what_would_be_right(data, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        checked(UNetConfig, data, "f", "no")
    assert checked(UNetConfig, {"channels": [4], "dropout": 0}, "f").channels == (4,)


def test_no_memory_is_taken_for_a_network_before_its_sizes_are_compared(tmp_path, make_network):
    file, open_ = a_sidecar(tmp_path, make_network)
    info = json.loads(file.read_text())
    info["config"] |= {"channels": [1024] * 8, "n_bands": 1024, "text_dim": 8192}
    file.write_text(json.dumps(info))
    with limited_memory(), pytest.raises(ValueError, match="does not hold the weights"):
        open_()


def test_weights_that_are_not_finite_are_refused(tmp_path, make_network):
    network = make_network()
    network.head.bias.data[0] = torch.nan
    path = checkpoints.save(tmp_path / "net.safetensors", network, {})
    with pytest.raises(ValueError, match=r"net\.safetensors' is damaged: .* not finite\.$"):
        checkpoints.load(path)
    assert read_header(path).dtypes["head.bias"] == "F32"


def test_what_could_not_be_read_back_is_not_written(tmp_path, make_network):
    with pytest.raises(ValueError, match=r"net\.json' cannot be written: it holds NaN"):
        checkpoints.save(tmp_path / "net.safetensors", make_network(), {"metrics": {"a": np.nan}})
    assert not list(tmp_path.iterdir())
