"""Shared by the tests: a text encoder that needs no weights, a tiny network, a tiny dataset."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from textsep_lab import esc50
from textsep_lab.film import UNetConfig
from textsep_lab.film_unet import build
from textsep_lab.sounds import write_dataset

TINY = UNetConfig(channels=(4, 8), n_bands=16, text_dim=8)


class FakeEncoder:
    """Sends every text to its own fixed, random point of the unit sphere."""

    name, dim = "fake", 8

    def embed_text(self, texts: list[str]) -> np.ndarray:
        seeds = (int.from_bytes(hashlib.sha256(t.encode()).digest()[:8], "big") for t in texts)
        points = np.stack([np.random.default_rng(s).standard_normal(self.dim) for s in seeds])
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def shaken(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Move every weight (FiLM starts at zero) and norm statistic; return it ready to listen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 25
            parameter += torch.randn(parameter.shape, generator=generator) / (2 * inputs**0.5)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer += 0.2 * torch.randn(buffer.shape, generator=generator)
            elif name.endswith("running_var"):
                buffer *= 0.5 + torch.rand(buffer.shape, generator=generator)
    return network.eval()


def tiny_network(seed: int = 0, **changes) -> torch.nn.Module:
    """Return a network small enough for a test, with reproducible weights that are all alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(UNetConfig(**{**vars(TINY), **changes}))
    return shaken(network, seed)


@pytest.fixture(scope="session")
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="session")
def network() -> torch.nn.Module:
    return tiny_network()


@pytest.fixture(scope="session")
def make_network():
    """`tiny_network(seed=0, **changes)`, for tests that need more than one."""
    return tiny_network


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Folder with 6 classes of 5 clips of 1 s in ESC-50's layout."""
    labels = ["car_horn", "cat", "clock_tick", "dog", "rain", "siren"]
    folder = tmp_path_factory.mktemp("bank") / "bank"
    return write_dataset(folder, clips_per_label=5, duration=1.0, labels=labels)


@pytest.fixture(scope="session")
def table(dataset):
    return esc50.read_table(dataset)
