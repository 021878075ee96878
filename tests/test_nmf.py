"""NMF: the textbook's updates, shares that add up, and separation where it is bound to work."""

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from textsep_lab.models.masking import apply_mask
from textsep_lab.separation import nmf, nmf_decomposition, nmf_supervised
from textsep_lab.signal.metrics import si_sdr

RATE = 16000
QUICK = {"iterations": 30}


class BandEncoder:
    """Knows in which of four bands of 2 kHz the energy lies, and the bands' names."""

    name, dim = "bands", 4
    words = ("low", "middle", "high", "top")

    def embed_text(self, texts):
        rows = [[word in text for word in self.words] for text in texts]
        return np.array(rows, np.float32)

    def embed_audio(self, waveform, sample_rate):
        assert waveform.ndim == 2 and sample_rate == RATE
        energy = np.abs(np.fft.rfft(waveform)).sum(0)
        bands = np.array([part.sum() for part in np.array_split(energy, 4)], np.float32)
        if not bands.any():
            raise ValueError("silence")
        return bands / np.linalg.norm(bands)


@cache
def source(kind, seed, seconds=2):
    """Bursts of noise in one band: `low` below 1.5 kHz, `high` between 4.5 and 5.5 kHz."""
    rng = np.random.default_rng([seed, kind == "low"])
    edges = {"low": (200, 1500), "high": (4500, 5500)}[kind]
    samples = seconds * RATE
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum[(hertz < edges[0]) | (hertz > edges[1])] = 0
    wave = np.fft.irfft(spectrum) * np.repeat(rng.random(8) > 0.4, samples // 8)
    return (0.1 * wave / wave.std()).astype(np.float32)


def gain(estimate, low, high):
    """SI-SDR improvement of the low source, in dB."""
    mixture = low + high
    target = apply_mask(estimate.mask, torch.from_numpy(mixture)[None], RATE, nmf.CONFIG)[0].numpy()
    return si_sdr(target, low) - si_sdr(mixture, low)


def spectrogram(seed=0, shape=(40, 30), dtype=np.float64):
    rng = np.random.default_rng(seed)
    rank = rng.gamma(0.3, size=(shape[0], 6)) @ rng.gamma(0.3, size=(6, shape[1]))
    return (rank + 0.01).astype(dtype)


def divergence(v, parts):
    model = parts.bases @ parts.activations
    return (v * np.log(v / model) - v + model).sum()


def test_it_is_the_textbook_algorithm():
    v, k, iterations = spectrogram(), 5, 37
    rng = np.random.default_rng(3)
    w, h = 1 - rng.random((len(v), k)), 1 - rng.random((k, v.shape[1]))
    for _ in range(iterations):
        w *= (v / v.mean() / (w @ h)) @ h.T / h.sum(1)
        h *= w.T @ (v / v.mean() / (w @ h)) / w.sum(0)[:, None]
    ours = nmf.decompose(v, k, seed=3, iterations=iterations)
    np.testing.assert_allclose(ours.bases, w / w.sum(0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(
        ours.activations, h * w.sum(0)[:, None] * v.mean(), rtol=1e-5, atol=1e-6
    )


def test_fixed_bases_are_the_textbook_algorithm_too():
    v, w = spectrogram(), spectrogram(1, (40, 4))
    w /= w.sum(0)
    h = np.ones((4, v.shape[1]))
    for _ in range(20):
        h *= w.T @ (v / (w @ h)) / w.sum(0)[:, None]
    ours = nmf_decomposition.fit_activations(v, w, iterations=20)
    np.testing.assert_allclose(ours.activations, h, rtol=1e-5, atol=1e-6)


def test_chunks_of_frames_do_not_show(monkeypatch):
    v, w = spectrogram(), spectrogram(1, (40, 4))
    whole = nmf_decomposition.fit_activations(v, w, iterations=20)
    monkeypatch.setattr(nmf_decomposition, "CHUNK_FRAMES", 7)
    parts = nmf_decomposition.fit_activations(v, w, iterations=20)
    np.testing.assert_allclose(parts.activations, whole.activations, rtol=1e-5)


@given(seed=st.integers(0, 9), k=st.integers(1, 8))
@settings(max_examples=10, deadline=None)
def test_the_divergence_does_not_rise(seed, k):
    v = spectrogram(seed)
    steps = [divergence(v, nmf.decompose(v, k, seed, n)) for n in (1, 2, 5, 11, 40)]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(steps))


@given(
    seed=st.integers(0, 99),
    k=st.integers(1, 6),
    level=st.sampled_from([0.0, 1e-42, 1e-30, 1e-6, 1.0, 1e30]),
    gap=st.integers(0, 12),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=40, deadline=None)
def test_masks_are_shares(seed, k, level, gap, dtype):
    v = level * spectrogram(seed, (20, 12))
    v[:, :gap], v[:gap] = 0, 0
    parts = nmf.decompose(v.astype(dtype), k, seed, iterations=25)
    masks = parts.component_masks()
    assert masks.shape == (k, 20, 12) and masks.min() >= 0
    np.testing.assert_allclose(masks.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(parts.mask(np.ones(k)), 1)
    sums = parts.bases.sum(0)
    np.testing.assert_allclose(sums[sums > 0], 1, atol=1e-4)


def test_silence_is_shared_equally():
    masks = nmf.decompose(np.zeros((9, 7)), 3).component_masks()
    np.testing.assert_allclose(masks, 1 / 3)


def test_the_seed_decides():
    first, again, other = (nmf.decompose(spectrogram(), 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.activations, again.activations)
    assert not np.allclose(first.activations, other.activations)


def test_whole_numbers_are_a_spectrogram():
    assert nmf.decompose(np.eye(4, dtype=int), 2, iterations=2).bases.dtype == np.float64


def test_the_query_finds_its_sound():
    query = "a low hum"
    low, high = source("low", 0), source("high", 0)
    estimate = nmf.separate_components((low + high)[None], RATE, query, BandEncoder(), components=4)
    assert gain(estimate, low, high) > 10
    assert estimate.weights.max() == 1 and estimate.label is None
    again = nmf.separate_components((low + high)[None], RATE, query, BandEncoder(), components=4)
    assert torch.equal(again.mask, estimate.mask)


@given(
    k=st.integers(1, 5), samples=st.integers(1, 4000), channels=st.integers(1, 3),
    rate=st.sampled_from([8000, 16000, 44100]), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_recording_gets_a_mask_or_a_sentence(k, samples, channels, rate, seed):
    noise = np.random.default_rng(seed).standard_normal((channels, samples)).astype(np.float32)
    frames = nmf.network_stft(nmf.CONFIG).frames(len(nmf.audio.resample(noise, rate, RATE)[0]))
    if k > frames:
        with pytest.raises(ValueError, match=f"at most {frames}"):
            nmf.separate_components(noise, rate, "low", BandEncoder(), k, **QUICK)
        return
    estimate = nmf.separate_components(noise, rate, "low", BandEncoder(), k, **QUICK)
    assert estimate.mask.shape == (1, 513, frames) and estimate.mask.dtype == torch.float32
    assert estimate.mask.min() >= 0 and estimate.mask.max() <= 1
    assert apply_mask(estimate.mask, torch.from_numpy(noise), rate, nmf.CONFIG).shape == noise.shape
    if k == 1:
        assert (estimate.mask == 1).all()


def test_channels_out_of_phase_do_not_cancel():
    low, high = source("low", 0), source("high", 0)
    stereo = np.stack([low + high, -low - high])
    mono = nmf.separate_components(stereo[:1], RATE, "low", BandEncoder(), 3, **QUICK)
    both = nmf.separate_components(stereo, RATE, "low", BandEncoder(), 3, **QUICK)
    np.testing.assert_allclose(both.mask, mono.mask, atol=1e-3)


def test_silence_is_no_sound_at_all():
    estimate = nmf.separate_components(np.zeros((1, 8000)), RATE, "low", BandEncoder(), 3, **QUICK)
    assert np.isnan(estimate.scores).all() and not estimate.weights.any()
    assert not estimate.mask.any()


def test_equal_scores_have_equal_weights():
    np.testing.assert_array_equal(nmf.soft_weights(np.full(5, 0.2)), 1)
    nearly = nmf.soft_weights(np.array([0.2, 0.2 + 1e-6]))
    np.testing.assert_allclose(nearly, 1, atol=1e-4)


@pytest.fixture(scope="module")
def bases():
    clips = {f"{kind}_noise": [source(kind, seed) for seed in (1, 2)] for kind in ("low", "high")}
    return nmf_supervised.learn_bases(clips, 2, **QUICK)


def test_learnt_bases_separate_a_new_mixture(bases):
    low, high = source("low", 7), source("high", 7)
    mixture = (low + high)[None]
    estimate = nmf_supervised.estimate_class_mask(
        mixture, RATE, "something low", BandEncoder(), bases
    )
    assert estimate.label == "low_noise" and gain(estimate, low, high) > 5
    other = nmf_supervised.estimate_class_mask(mixture, RATE, "high", BandEncoder(), bases)
    assert other.label == "high_noise" and other.names == ("low_noise",) * 2 + ("high_noise",) * 2
    np.testing.assert_allclose(estimate.mask + other.mask, 1, atol=1e-5)


def test_bases_can_be_narrowed_to_known_labels(bases):
    only = bases.only(["high_noise"])
    estimate = nmf_supervised.estimate_class_mask(
        source("low", 1)[None], RATE, "low", BandEncoder(), only
    )
    assert estimate.label == "high_noise" and (estimate.mask == 1).all()
    with pytest.raises(ValueError, match="no bases of 'dog'"):
        bases.only(["dog"])
    with pytest.raises(ValueError, match="no labels"):
        bases.only([])


def test_bases_are_learnt_from_a_table_whatever_the_level(table, bases):
    learnt = nmf_supervised.learn_bases(table[table["category"].isin(["dog", "rain"])], 3, **QUICK)
    assert learnt.labels == ("dog", "rain") and learnt.bases.shape == (2, 513, 3)
    np.testing.assert_allclose(learnt.bases.sum(1), 1, atol=1e-4)
    loud = [4 * source("low", 1), source("low", 2), np.zeros(900, np.float32)]
    again = nmf_supervised.learn_bases({"low_noise": loud}, 2, **QUICK)
    np.testing.assert_allclose(again.bases[0], bases.bases[0], atol=1e-4)


def test_bases_survive_the_disk(bases, tmp_path):
    read = nmf_supervised.load_bases(bases.save(tmp_path / "bases.safetensors"))
    assert read.labels == bases.labels
    np.testing.assert_array_equal(read.bases, bases.bases)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "bases.safetensors"
    with pytest.raises(FileNotFoundError):
        nmf_supervised.load_bases(path)
    path.write_bytes(b"not this")
    with pytest.raises(ValueError, match="not a safetensors file"):
        nmf_supervised.load_bases(path)
    right = {"format": nmf_supervised.FORMAT, "labels": json.dumps(["dog"])}
    one = np.ones((1, 513, 2), np.float32)
    wrong = [
        ({"weights": one}, right),
        ({"bases": one}, {}),
        ({"bases": one[:, :9]}, right),
        ({"bases": one[0]}, right),
        ({"bases": one}, {**right, "labels": "[]"}),
        ({"bases": one}, {**right, "labels": "5"}),
        ({"bases": one}, {**right, "labels": '{"dog": 1}'}),
        ({"bases": one}, {**right, "labels": "[5]"}),
    ]
    for tensors, metadata in wrong:
        save_file(tensors, path, metadata)
        with pytest.raises(ValueError, match="class bases of this kit"):
            nmf_supervised.load_bases(path)


@pytest.mark.parametrize("components", [0, -1, 2.0, True, "8", None])
def test_components_are_a_whole_number(components):
    with pytest.raises(ValueError, match="whole number"):
        nmf.decompose(np.ones((9, 9)), components)


@pytest.mark.parametrize(
    ("magnitude", "said"),
    [
        (np.ones(5), "shape"),
        (np.ones((0, 5)), "shape"),
        (np.full((5, 5), -1.0), "not negative"),
        (np.full((5, 5), np.nan), "finite"),
        (np.full((5, 5), np.inf), "finite"),
        (np.full((5, 5), 1j), "not negative"),
        (np.ones((5, 3)), "at most 3"),
    ],
)
def test_a_bad_spectrogram_gets_a_sentence(magnitude, said):
    with pytest.raises(ValueError, match=said):
        nmf.decompose(magnitude, 4)


def test_bad_arguments_get_a_sentence():
    with pytest.raises(ValueError, match="temperature"):
        nmf.soft_weights(np.ones(2), 0)
    with pytest.raises(ValueError, match="iterations"):
        nmf_decomposition.fit_activations(np.ones((5, 5)), np.ones((5, 1)), 0)
    with pytest.raises(ValueError, match="query"):
        nmf.separate_components(np.ones((1, 9)), RATE, " ", BandEncoder())
    with pytest.raises(ValueError, match="no classes"):
        nmf_supervised.learn_bases({})
    with pytest.raises(ValueError, match=r"'dog'.*silent"):
        nmf_supervised.learn_bases({"dog": [np.zeros(5000)]})
    with pytest.raises(ValueError, match=r"'dog'.*at most"):
        nmf_supervised.learn_bases({"dog": [np.ones(500)]})
