"""Pictures: drawn for every kind of result, on axes that tell the truth."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from textsep_lab import plots
from textsep_lab.separation.nmf import NMFEstimate
from textsep_lab.separation.nmf_decomposition import Decomposition
from textsep_lab.separation.separator import Separator


@pytest.fixture
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("windows", [None, [(0.1, 0.2), (0.3, 0.4)]])
def test_a_separation_is_drawn(separator, rate, windows, tmp_path):
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((2, rate // 2)).astype(np.float32)
    result = separator.separate(noise, "rain", windows=windows, sample_rate=rate)
    figure = result.plot()
    figure.savefig(tmp_path / "figure.png")
    axes = figure.axes[:4]
    assert all(axis.get_xlim() == (0, 0.5) for axis in axes)
    boxes = [p.get_x() for p in axes[1].patches]
    assert boxes == [start for start, _ in windows or ()]


def test_silence_is_drawn(separator, tmp_path):
    result = separator.separate(np.zeros((1, 800)), "rain", sample_rate=8000)
    result.plot().savefig(tmp_path / "figure.png")


def test_a_tone_is_drawn_at_its_frequency():
    figure = Figure()
    axis = figure.subplots()
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[None].astype(np.float32)
    plots.spectrogram(axis, tone, 16000)
    picture = np.asarray(axis.images[0].get_array())
    row = picture.mean(1).argmax() / (len(picture) - 1)
    tick = dict(zip((t.get_text() for t in axis.get_yticklabels()), axis.get_yticks(), strict=True))
    assert row == pytest.approx(tick["1 k"], abs=0.02)


def test_a_mask_on_bands_lies_on_the_same_axis():
    figure = Figure()
    axis = figure.subplots()
    values = np.zeros((64, 10))
    values[-1] = 1  # the band at 8 kHz: above it, at 44.1 kHz, the mask is held
    plots.mask(axis, values, 44100, 1.0)
    picture = np.asarray(axis.images[0].get_array())
    edge = (picture[:, 0] > 0.5).argmax() / (len(picture) - 1)
    tick = dict(zip((t.get_text() for t in axis.get_yticklabels()), axis.get_yticks(), strict=True))
    assert edge == pytest.approx(tick["8 k"], abs=0.02)
    assert (picture[-20:, 0] == 1).all()


def test_a_learning_curve_is_drawn():
    log = pd.DataFrame({"step": [1, 2], "loss": [-1.0, -2.0], "val_si_sdri_db": [0.5, 1.5]})
    axes = plots.learning_curve(log).axes
    drawn = [[line.get_ydata().tolist() for line in axis.lines] for axis in axes]
    assert drawn == [[[-1.0, -2.0]], [[0.5, 1.5]]]
    assert axes[1].get_title(loc="left") == "validation: si sdri db"


@pytest.mark.parametrize("query", ["🐕 dog", "犬の声", "costs $5 $^_{", "a\\b"])
def test_any_query_can_be_written_over_the_picture(separator, query, tmp_path):
    noise = np.random.default_rng(0).standard_normal((1, 4000))
    separator.separate(noise, query, sample_rate=8000).save(tmp_path / "out")
    assert (tmp_path / "out" / "separation.png").stat().st_size > 10_000


@pytest.mark.parametrize("k", [1, 8, 24, 30])
@pytest.mark.parametrize("frames", [2, 40])
def test_nmf_components_are_drawn_the_best_first(k, frames, tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.uniform(-1, 1, k)
    scores[1:2] = np.nan  # a silent one
    parts = Decomposition(rng.random((513, k)), rng.random((k, frames)))
    names = tuple(f"class {i}" for i in range(k))
    mask, weights = torch.ones(1, 513, frames), np.linspace(0, 1, k)
    figure = plots.nmf_components(NMFEstimate("costs $5", mask, parts, scores, weights, names))
    plots.write(figure, tmp_path / "figure.png")
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(labels) == min(k, 24) and labels[0] == names[np.nanargmax(scores)]
    assert [axis.get_xlim() for axis in figure.axes[:2]] == [(0, 1), (0, (frames - 1) * 0.032)]


def test_silence_has_no_components_to_draw_but_is_drawn(tmp_path):
    parts = Decomposition(np.zeros((513, 2)), np.zeros((2, 3)))
    scores, mask = np.full(2, np.nan), torch.zeros(1, 513, 3)
    estimate = NMFEstimate("rain", mask, parts, scores, np.zeros(2), ("1", "2"))
    figure = plots.nmf_components(estimate)
    plots.write(figure, tmp_path / "figure.png")
    assert [text.get_text() for text in figure.axes[2].texts] == ["silent", "silent"]
