"""Shared by the tests: encoders that need no weights, a tiny network, a tiny dataset."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
import torch

from textsep_lab.data import esc50
from textsep_lab.data.sounds import write_dataset
from textsep_lab.detection.calibration import Calibration, Logistic
from textsep_lab.detection.detector import Detector
from textsep_lab.models.config import UNetConfig
from textsep_lab.models.registry import build

TINY = UNetConfig(channels=(4, 8), n_bands=16, text_dim=8)

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell's background jobs inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class FakeEncoder:
    """Sends every text to its own fixed, random point of the unit sphere."""

    name, dim = "fake", 8

    def embed_text(self, texts: list[str]) -> np.ndarray:
        seeds = (int.from_bytes(hashlib.sha256(t.encode()).digest()[:8], "big") for t in texts)
        points = np.stack([np.random.default_rng(s).standard_normal(self.dim) for s in seeds])
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


class ToneEncoder:
    """Knows which of three tones sounds, and their names; all else is the fourth thing."""

    name, dim = "tones", 4
    words, hertz = ("low", "middle", "high"), (300, 1000, 3000)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        named = np.array([[word in text.split() for word in self.words] for text in texts])
        rows = np.column_stack([named, ~named.any(1)]).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_audio(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        if not waveform.any():
            raise ValueError("The recording is silent: it sounds like nothing.")
        spectrum = np.abs(np.fft.rfft(waveform / np.abs(waveform).max())) ** 2
        bins = np.fft.rfftfreq(waveform.shape[1], 1 / sample_rate)
        near = [np.abs(np.log(np.maximum(bins, 1e-9) / hertz)) < 0.15 for hertz in self.hertz]
        energy = [spectrum[:, band].sum() for band in [*near, ~np.any(near, axis=0)]]
        return np.sqrt(energy / np.sum(energy)).astype(np.float32)


class FrameEncoder(ToneEncoder):
    """The same, with frames; like any network, it finds something in silent ones, too."""

    name, frame_hop = "tone-frames", 0.1

    def embed_frames(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        step = round(self.frame_hop * sample_rate)
        frames = (waveform[:, k : k + step] for k in range(0, waveform.shape[1], step))
        return np.stack([
            self.embed_audio(x, sample_rate) if x.any() else np.eye(4, dtype=np.float32)[0]
            for x in frames
        ])  # fmt: skip


def tone_calibration(encoder: ToneEncoder, **changes) -> Calibration:
    """Return curves for a `ToneEncoder`: a cosine of 1 is as good as certain, one of 0 is none."""
    fields = {
        "encoder": encoder.name,
        "weights_sha256": None,
        "detection": Logistic((5.0, 5.0), -6.0),
        "presence": Logistic((5.0, 5.0), -5.0),
        "activity": Logistic((20.0, 0.0, 0.0, 0.0, 0.0), -12.0),
        "confidence": None,
        "separator_sha256": None,
        "protocol": "made by hand",
    }
    return Calibration(**{**fields, **changes})


def tone_detector(frames: bool = True, **changes) -> Detector:
    """Return a detector of tones, whose encoder has frames of 0.1 s or none of its own."""
    encoder = FrameEncoder() if frames else ToneEncoder()
    return Detector(encoder, tone_calibration(encoder, **changes))


def tone_signal(seconds: float, *events: tuple, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """Return tones, each (word, start, end) in seconds, in silence: ``[channels, samples]``."""
    time = np.arange(round(seconds * rate)) / rate
    out = np.zeros(len(time))
    for word, start, end in events:
        hertz = ToneEncoder.hertz[ToneEncoder.words.index(word)]
        out += 0.3 * np.sin(2 * np.pi * hertz * time) * ((time >= start) & (time < end))
    return np.repeat(out[None], channels, axis=0).astype(np.float32)


def shaken(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Move every weight (FiLM starts at zero) and norm statistic; return it in evaluation mode."""
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


@contextmanager
def loopback(handler: type) -> Iterator[ThreadingHTTPServer]:
    """Answer on a free port of this machine while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="session")
def detector() -> Detector:
    return tone_detector()


@pytest.fixture(scope="session")
def make_detector():
    """`tone_detector(frames=True, **changes)`, for tests that need another."""
    return tone_detector


@pytest.fixture(scope="session")
def tones():
    """`tone_signal(seconds, *events, rate=16000, channels=1)`."""
    return tone_signal


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
    folder = tmp_path_factory.mktemp("data") / "sounds"
    return write_dataset(folder, clips_per_label=5, duration=1.0, labels=labels)


@pytest.fixture(scope="session")
def table(dataset):
    return esc50.read_table(dataset)


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium or Chrome, headless, with a microphone that plays beeps."""
    missing = pytest.fail if os.environ.get("TEXTSEP_BROWSER") == "required" else pytest.skip
    try:
        import playwright.sync_api as api
    except ImportError:
        missing("needs pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        missing("There is no chromium and no google-chrome on the PATH: apt install chromium.")
    given = ["--headless=new", "--no-sandbox", "--disable-gpu"]
    given += [f"--use-fake-{what}-for-media-stream" for what in ("device", "ui")]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=given)
        yield browser
        browser.close()
