"""The STFT, its inverse, and bands that mean the same frequencies at every sample rate."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.signal.stft import (
    Stft,
    band_centres,
    band_matrix,
    hz_to_mel,
    mel_to_hz,
    resample_frames,
    to_bands,
    to_bins,
)

RATES = [8000, 16000, 22050, 44100, 96000]
QUICK = settings(max_examples=25, deadline=None)


def white(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# The transform and its inverse


@pytest.mark.parametrize("rate", RATES)
@QUICK
@given(
    batch=st.integers(1, 3),
    samples=st.one_of(st.integers(1, 64), st.integers(1, 20000)),
    seed=st.integers(0, 99),
)
def test_inverse_gives_the_waveform_back(rate, batch, samples, seed):
    stft = Stft.at(rate)
    waveform = white(batch, samples, seed=seed)
    spectrogram = stft(waveform)
    assert spectrogram.shape == (batch, stft.n_fft // 2 + 1, stft.frames(samples))
    back = stft.inverse(spectrogram, samples)
    assert back.shape == waveform.shape
    assert (back - waveform).abs().max() < 1e-5


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 1023, 1024, 1025, 5119, 5120])
def test_half_a_window_is_a_short_enough_hop(samples):
    # The network's own hop: the very last sample may lie where the window is only 0.003.
    stft, waveform = Stft(1024, 512), white(2, samples)
    assert (stft.inverse(stft(waveform), samples) - waveform).abs().max() < 1e-3


@pytest.mark.parametrize("rate", RATES)
def test_window_and_hop_last_the_same_at_every_rate(rate):
    stft = Stft.at(rate, window=0.064, hop=0.016)
    assert stft.n_fft % 2 == 0
    assert stft.n_fft / rate == pytest.approx(0.064, rel=0.002)
    assert stft.hop_length / rate == pytest.approx(0.016, rel=0.002)


def test_the_transform_is_its_formula():
    stft, waveform = Stft(16, 4), white(1, 50).double()
    padded = np.pad(waveform[0].numpy(), (8, 8 + 2))  # half a window, and up to a whole hop
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16))
    frames = np.stack([padded[k : k + 16] * window for k in range(0, 53, 4)], axis=1)
    expected = np.fft.rfft(frames, axis=0)
    assert stft(waveform.float())[0].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_frozen_spectrogram_does_not_drift():
    n = torch.arange(40, dtype=torch.float64)
    waveform = (torch.sin(0.3 * n) + 0.5 * torch.cos(1.1 * n)).float()[None]
    magnitude = Stft(16, 8)(waveform).abs()[0]
    assert magnitude.shape == (9, 6)
    assert magnitude[:, 2].numpy() == pytest.approx(FROZEN, abs=1e-5)


FROZEN = [5.583791, 4.544868, 1.359432, 2.56091, 0.403492, 0.117368, 0.073163, 0.059949, 0.056602]

# Bands


@QUICK
@given(
    n_bands=st.integers(2, 128),
    n_fft=st.integers(1, 1024).map(lambda n: 2 * n),
    rate=st.integers(4000, 192000),
)
def test_every_bin_is_shared_out_once(n_bands, n_fft, rate):
    weights = band_matrix(n_bands, n_fft, rate)
    assert weights.shape == (n_bands, n_fft // 2 + 1)
    assert weights.min() >= 0
    assert (weights.sum(0) - 1).abs().max() < 1e-5


@QUICK
@given(rate=st.sampled_from(RATES), value=st.floats(0, 1), n_bands=st.sampled_from([16, 64]))
def test_a_constant_mask_stays_constant(rate, value, n_bands):
    mask = torch.full((2, n_bands, 3), value)
    bins = to_bins(mask, Stft.at(rate).n_fft, rate)
    assert bins.shape == (2, Stft.at(rate).n_fft // 2 + 1, 3)
    assert (bins - value).abs().max() < 1e-5


@QUICK
@given(rate=st.sampled_from(RATES), seed=st.integers(0, 99))
def test_a_mask_on_bins_stays_between_the_bands_extremes(rate, seed):
    mask = torch.rand(1, 32, 4, generator=torch.Generator().manual_seed(seed))
    bins = to_bins(mask, Stft.at(rate).n_fft, rate)
    assert bins.min() >= mask.min() - 1e-6
    assert bins.max() <= mask.max() + 1e-6


def test_white_noise_is_flat_in_bands():
    magnitude = Stft(1024, 512)(white(1, 160000)).abs() / np.sqrt(1024 / 2)
    level = to_bands(magnitude, 64, 16000).square().mean(-1).sqrt()[0]
    assert level[1:-1].numpy() == pytest.approx(np.ones(62), abs=0.15)
    assert float(level.mean()) == pytest.approx(1.0, abs=0.02)


def test_bands_and_bins_keep_the_number_format():
    magnitude = torch.rand(1, 513, 5, dtype=torch.float64)
    bands = to_bands(magnitude, 8, 16000)
    assert bands.dtype == to_bins(bands, 1024, 16000).dtype == torch.float64
    np.testing.assert_allclose(bands, to_bands(magnitude.float(), 8, 16000), rtol=1e-5)


def test_bands_average_power():
    magnitude = torch.rand(2, 513, 5, generator=torch.Generator().manual_seed(0))
    weights = band_matrix(8, 1024, 16000).numpy().astype(np.float64)
    power = np.einsum("bf,nft->nbt", weights, magnitude.numpy().astype(np.float64) ** 2)
    expected = np.sqrt(power / weights.sum(1)[None, :, None])
    assert to_bands(magnitude, 8, 16000).numpy() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("band", [5, 12, 20, 27])
def test_a_tone_lands_in_the_same_band_at_every_rate(rate, band):
    frequency = float(band_centres(32)[band])
    tone = torch.sin(2 * np.pi * frequency * torch.arange(rate).double() / rate).float()[None]
    bands = to_bands(Stft.at(rate)(tone).abs(), 32, rate).mean(-1)[0]
    assert int(bands.argmax()) == band


@pytest.mark.parametrize("rate", RATES)
def test_a_mask_for_one_band_lets_its_frequency_through(rate):
    centres = band_centres(16)
    for band in (3, 7, 11):
        mask = torch.zeros(1, 16, 1)
        mask[0, band] = 1
        n_fft = Stft.at(rate).n_fft
        bins = to_bins(mask, n_fft, rate)[0, :, 0]
        frequency = torch.arange(n_fft // 2 + 1) * rate / n_fft
        nearest = int((frequency - centres[band]).abs().argmin())
        assert bins[nearest] > 0.8
        elsewhere = (frequency <= centres[band - 1]) | (frequency >= centres[band + 1])
        assert bins[elsewhere].abs().max() < 1e-6


def test_above_the_highest_band_its_mask_is_held():
    mask = torch.rand(1, 64, 3, generator=torch.Generator().manual_seed(0))
    bins = to_bins(mask, 2822, 44100)
    above = torch.arange(2822 // 2 + 1) * 44100 / 2822 >= 8000
    assert torch.allclose(bins[:, above], mask[:, -1:].expand(-1, int(above.sum()), -1))


@QUICK
@given(st.floats(0, 48000))
def test_mel_and_back(frequency):
    assert float(mel_to_hz(hz_to_mel(frequency))) == pytest.approx(frequency, abs=1e-6)


def test_band_centres_are_even_in_mel():
    centres = band_centres(64)
    assert (centres[0], centres[-1]) == pytest.approx((0, 8000))
    steps = np.diff(hz_to_mel(centres))
    assert steps == pytest.approx(np.full(63, steps[0]))


# From one hop to another


@QUICK
@given(frames=st.integers(1, 40), hop=st.floats(0.001, 0.1), seed=st.integers(0, 99))
def test_the_same_hop_changes_nothing(frames, hop, seed):
    mask = torch.rand(2, 3, frames, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(resample_frames(mask, hop, hop, frames), mask)


@QUICK
@given(
    hop_in=st.floats(0.004, 0.064),
    hop_out=st.floats(0.004, 0.064),
    frames=st.integers(1, 60),
    a=st.floats(-2, 2),
    b=st.floats(-2, 2),
)
def test_moving_is_linear(hop_in, hop_out, frames, a, b):
    x, y = white(1, 4, 30, seed=1), white(1, 4, 30, seed=2)
    moved = resample_frames(a * x + b * y, hop_in, hop_out, frames)
    apart = [resample_frames(m, hop_in, hop_out, frames) for m in (x, y)]
    assert moved.shape == (1, 4, frames)
    assert torch.allclose(moved, a * apart[0] + b * apart[1], atol=1e-5)


@QUICK
@given(hop_in=st.floats(0.004, 0.064), hop_out=st.floats(0.004, 0.064))
def test_a_ramp_in_time_stays_that_ramp_and_its_end_is_held(hop_in, hop_out):
    ramp = (torch.arange(20) * hop_in)[None, None]
    out = resample_frames(ramp, hop_in, hop_out, 50)[0, 0]
    expected = (torch.arange(50) * hop_out).clamp_max(19 * hop_in)
    assert torch.allclose(out, expected, atol=1e-5)


def test_what_inference_cached_can_still_be_trained_through():
    band_matrix.cache_clear()
    with torch.inference_mode():
        to_bins(torch.rand(1, 8, 3), 64, 16000)
    mask = torch.rand(1, 8, 3, requires_grad=True)
    to_bins(mask, 64, 16000).sum().backward()
    assert mask.grad is not None


@pytest.mark.parametrize("samples", [63, 64, 65, 95, 127])
def test_the_last_samples_are_not_blown_up_by_a_mask(samples):
    stft, waveform = Stft(64, 32), white(8, samples)
    mask = torch.rand(1, 33, stft.frames(samples), generator=torch.Generator().manual_seed(0))
    out = stft.inverse(mask * stft(waveform), samples)
    assert out.abs().max() < 1.5 * waveform.abs().max()
