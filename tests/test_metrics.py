"""Scores against formulas written out here, and the cases that have no score."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.signal import metrics

QUICK = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)


def pair(seed, shape=(400,), closeness=0.5):
    """An estimate and its reference, both with a mean far from zero."""
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(shape) + 0.5
    return reference + closeness * rng.standard_normal(shape) - 0.2, reference


def si_sdr_by_formula(estimate, reference):
    """Le Roux et al. 2019, eq. 3, for one pair."""
    scaled = (estimate @ reference) / (reference @ reference) * reference
    return 10 * np.log10((scaled @ scaled) / ((estimate - scaled) @ (estimate - scaled)))


def snr_by_formula(estimate, reference):
    error = estimate - reference
    return 10 * np.log10((reference @ reference) / (error @ error))


FORMULAS = [(metrics.si_sdr, si_sdr_by_formula), (metrics.snr, snr_by_formula)]


@pytest.mark.parametrize(("metric", "formula"), FORMULAS)
@QUICK
@given(seed=seeds, closeness=st.floats(1e-3, 1e3))
def test_agrees_with_the_formula_without_removing_the_mean(metric, formula, seed, closeness):
    estimate, reference = pair(seed, closeness=closeness)
    assert float(metric(estimate, reference)) == pytest.approx(formula(estimate, reference))
    centred = formula(estimate - estimate.mean(), reference - reference.mean())
    assert abs(float(metric(estimate, reference)) - centred) > 1e-6


@pytest.mark.parametrize("metric", [metrics.si_sdr, metrics.snr])
@pytest.mark.parametrize("shape", [(50,), (3, 50), (2, 3, 50), (0, 50)])
def test_shapes(metric, shape):
    estimate, reference = pair(1, shape)
    scores = metric(estimate, reference)
    assert isinstance(scores, np.ndarray)
    assert scores.shape == shape[:-1]
    for index in np.ndindex(shape[:-1]):
        assert scores[index] == pytest.approx(float(metric(estimate[index], reference[index])))


@QUICK
@given(seed=seeds, by=st.floats(1e-4, 1e4), sign=st.sampled_from([-1, 1]))
def test_si_sdr_ignores_scale_and_snr_does_not(seed, by, sign):
    estimate, reference = pair(seed)
    score = float(metrics.si_sdr(estimate, reference))
    assert float(metrics.si_sdr(sign * by * estimate, reference)) == pytest.approx(score, abs=1e-4)
    assert float(metrics.si_sdr(estimate, sign * by * reference)) == pytest.approx(score, abs=1e-4)
    both = float(metrics.snr(by * estimate, by * reference))
    assert both == pytest.approx(float(metrics.snr(estimate, reference)), abs=1e-4)
    assert float(metrics.snr(-estimate, reference)) < float(metrics.snr(estimate, reference))


def test_float32_is_scored_in_double_precision():
    _, reference = pair(0)
    reference = reference.astype(np.float32)
    estimate = (reference * np.float32(1.5)).astype(np.float32)
    estimate[0] += np.float32(1e-5)
    expected = si_sdr_by_formula(estimate.astype(np.float64), reference.astype(np.float64))
    assert expected > 100
    assert float(metrics.si_sdr(estimate, reference)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_a_silent_reference_has_no_score(dtype):
    estimate = np.array([[1, 2, 3], [1, 2, 3], [0, 0, 0]], dtype)
    reference = np.array([[0, 0, 0], [3, 2, 1], [0, 0, 0]], dtype)
    for metric in (metrics.si_sdr, metrics.snr):
        scores = metric(estimate, reference)
        assert np.isnan(scores).tolist() == [True, False, True]
        assert scores[1] == pytest.approx(float(metric(estimate[1], reference[1])))


def test_a_silent_estimate_is_the_worst_si_sdr_and_0_db_of_snr():
    _, reference = pair(0, (2, 50))
    assert metrics.si_sdr(0 * reference, reference).tolist() == [-np.inf, -np.inf]
    assert metrics.snr(0 * reference, reference) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("level", [1e-3, 1e-5])
def test_a_quiet_pair_is_scored_like_a_loud_one(level):
    estimate, reference = pair(0)
    for metric in (metrics.si_sdr, metrics.snr):
        quiet = float(metric(level * estimate, level * reference))
        assert quiet == pytest.approx(float(metric(estimate, reference)), abs=1e-3)


def test_different_shapes_are_refused():
    for metric in (metrics.si_sdr, metrics.snr):
        with pytest.raises(ValueError, match=r"Estimate \(3,\) and reference \(4,\) differ"):
            metric(np.ones(3), np.ones(4))


def test_lists_views_and_read_only_arrays_are_taken():
    estimate, reference = pair(0)
    backwards = [float(m(estimate[::-1], reference[::-1])) for m in (metrics.si_sdr, metrics.snr)]
    forwards = [float(m(estimate, reference)) for m in (metrics.si_sdr, metrics.snr)]
    assert backwards == pytest.approx(forwards)
    reference.flags.writeable = False
    assert float(metrics.si_sdr(estimate.tolist(), reference)) == pytest.approx(forwards[0])


@QUICK
@given(seed=seeds, gain_db=st.floats(-100, 20))
def test_level_is_the_root_mean_square(seed, gain_db):
    waveform = pair(seed)[1]
    louder = waveform * 10 ** (gain_db / 20)
    expected = 20 * np.log10(np.sqrt(np.mean(waveform**2))) + gain_db
    assert metrics.level_db(louder) == pytest.approx(expected)


def test_silence_has_no_level_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.level_db(np.zeros((2, 10), np.float32)) == -np.inf
    assert metrics.level_db(np.full(10, 1000, np.int16)) == pytest.approx(60.0)


def test_interval_covers_the_mean_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        values = np.random.default_rng(seed).standard_normal(50)
        low, high = metrics.mean_interval(values, seed=seed, draws=500)
        assert low < values.mean() < high
        hits += low < 0.0 < high
    assert 0.88 <= hits / 200 <= 0.99


def test_interval_is_seeded_and_narrows_with_more_values():
    values = np.random.default_rng(0).standard_normal(400)
    first = metrics.mean_interval(values, seed=3)
    assert first == metrics.mean_interval(values, seed=3)
    assert first != metrics.mean_interval(values, seed=4)
    low, high = metrics.mean_interval(values[:50])
    assert high - low > 2 * (first[1] - first[0])
    assert metrics.mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
