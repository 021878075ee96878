"""Pictures: drawn for every kind of result, on axes that tell the truth."""

import numpy as np
import pandas as pd
import pytest

from textsep_lab import plots
from textsep_lab.separation import Separator


@pytest.fixture
def separator(network, fake_encoder):
    return Separator(network, fake_encoder)


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
    figure = plots.Figure()
    axis = figure.subplots()
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[None].astype(np.float32)
    plots.spectrogram(axis, tone, 16000)
    picture = np.asarray(axis.images[0].get_array())
    row = picture.mean(1).argmax() / (len(picture) - 1)
    tick = dict(zip((t.get_text() for t in axis.get_yticklabels()), axis.get_yticks(), strict=True))
    assert row == pytest.approx(tick["1 k"], abs=0.02)


def test_a_mask_on_bands_lies_on_the_same_axis():
    figure = plots.Figure()
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
    lines = plots.learning_curve(log).axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[1.0, 2.0], [0.5, 1.5]]


@pytest.mark.parametrize("query", ["🐕 dog", "犬の声", "costs $5 or $^_{", "a\\b"])
def test_any_query_can_be_written_over_the_picture(separator, query, tmp_path):
    noise = np.random.default_rng(0).standard_normal((1, 4000))
    separator.separate(noise, query, sample_rate=8000).save(tmp_path / "out")
    assert (tmp_path / "out" / "separation.png").stat().st_size > 10_000
