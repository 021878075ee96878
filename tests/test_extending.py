"""A network, a method, a loss and encoders of one's own: one file, one line in a registry."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile as sf
import torch
from click.testing import CliRunner
from torch import nn

from textsep_lab.cli import main
from textsep_lab.encoders import registry as encoders
from textsep_lab.models import NETWORKS, Mask, UNetConfig, build, checkpoints
from textsep_lab.models.config import CONFIGS
from textsep_lab.separation.registry import METHODS
from textsep_lab.training.config import ClapSettings, SeparatorSettings
from textsep_lab.training.registry import LOSSES
from textsep_lab.utils.registry import Registry


class ToyNetwork(nn.Module):
    """Lets through as much of each band as one linear layer reads off the query."""

    stride, context_frames = 1, 0

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.gains = nn.Linear(config.text_dim, config.n_freq)

    def forward(self, magnitude, query):
        query = query[:, 0] if query.ndim == 3 else query  # of what is wanted alone
        return self.gains(query).sigmoid().unsqueeze(-1).expand_as(magnitude)


def half_mask(separator, waveform, sample_rate, query, components, unwanted):
    config = separator.network.config
    frames = 1 + round(waveform.shape[1] * config.sample_rate / sample_rate) // config.hop_length
    return Mask(torch.full((1, config.n_freq, frames), 0.5), config)


def toy_loss(mask, mixture, target, config):
    return (mask - 0.5).square().mean((-1, -2))


@pytest.fixture
def toys(monkeypatch):
    for registry, name, what in (
        (NETWORKS, "toy", "ToyNetwork"), (METHODS, "half", "half_mask"),
        (LOSSES, "toy", "toy_loss"),
    ):  # fmt: skip
        monkeypatch.setitem(registry, name, f"{__name__}:{what}")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(x) for x in arguments])


@pytest.fixture
def noise(tmp_path):
    samples = 0.1 * np.random.default_rng(0).standard_normal(8000)
    sf.write(tmp_path / "noise.wav", samples, 16000, subtype="FLOAT")
    return tmp_path / "noise.wav"


def test_a_toy_network_is_trained_and_separates_from_the_command_line(toys, run, dataset, noise):
    done = run(
        "train", "separator", "--configuration", "toy", "--loss", "toy", "--esc50-path", dataset,
        "--output-dir", "run", "--steps", 2, "--batch-size", 2, "--seconds", 0.3,
        "--val-every", 2, "--val-mixtures", 2,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    network, info = checkpoints.load("run/best.safetensors")
    assert isinstance(network, ToyNetwork) and info["settings"]["loss"] == "toy"
    assert info["query_classifier"] is None  # it cannot be told what is unwanted
    done = run("separate", noise, "--query", "rain", "--checkpoint", "run/best.safetensors",
               "--out", "out", "--no-figure")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert sf.info("out/output.wav").frames == 8000


def test_a_toy_method_separates_from_the_command_line(toys, run, noise):
    done = run("separate", noise, "--query", "rain", "--method", "half", "--out", "out")
    assert done.exit_code == 0, done.output
    output, before = sf.read("out/output.wav")[0], sf.read(noise)[0]
    np.testing.assert_allclose(output, before / 2, atol=1e-6)
    assert json.loads((noise.parent / "out" / "result.json").read_text())["method"] == "half"


def test_what_is_added_is_offered_and_what_is_not_there_is_named(toys, run, noise):
    assert "half" in run("separate", "--help").output
    done = run("separate", noise, "--query", "rain", "--method", "third")
    assert done.exit_code == 2
    *others, last = METHODS
    assert f"There is no method 'third': use {', '.join(others)} or {last}." in done.output


@pytest.mark.parametrize(
    "registry",
    [NETWORKS, METHODS, LOSSES, encoders.TEXT_ENCODERS, encoders.JOINT_ENCODERS],
    ids=lambda registry: registry.kind,
)
def test_every_line_of_a_registry_leads_somewhere(registry: Registry):
    assert registry
    for name in registry:
        assert callable(registry.load(name))


def test_every_configuration_builds_its_network():
    for name, config in CONFIGS.items():
        assert NETWORKS.check(config.name)
        assert build(dataclasses.replace(config, channels=(4, 8), text_dim=6)).config.name == name


def test_every_shipped_sidecar_loads_back_into_valid_settings():
    names = []
    for path in checkpoints.checkpoints_dir().glob("*/*.safetensors"):
        info = checkpoints.describe(path)
        kind = {"separator": SeparatorSettings, "clap": ClapSettings}[info["kind"]]
        settings = kind.from_sidecar(info)
        assert settings.encoder == info["encoder"]["name"]
        assert checkpoints.needed_file(path, info, "query_classifier") is not None
        names.append(path.stem)
    assert {"guided-esc50", "compact-esc50", "mini-clap"} <= set(names)
