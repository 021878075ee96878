"""The time gate: 0 outside, 1 inside, soft in between, and windows that make no sense say so."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.signal.timegate import check_windows, gate

QUICK = settings(max_examples=60, deadline=None)


@st.composite
def situations(draw):
    """Sample rate, length, windows as pairs of sample numbers, and a fade in seconds."""
    rate = draw(st.sampled_from([100, 8000, 44100]))
    samples = draw(st.integers(2, 2000))
    position = st.integers(0, samples)
    pair = st.tuples(position, position).map(sorted).filter(lambda p: p[0] < p[1])
    windows = draw(st.lists(pair, min_size=1, max_size=5))
    if draw(st.booleans()):  # apart from each other, which few of the above are
        edges = sorted({edge for window in windows for edge in window})
        windows = list(zip(edges[::2], edges[1::2], strict=False))
    fade = draw(st.sampled_from([0.0, 0.01, 0.1, 2.0])) * samples / rate
    return rate, samples, windows, fade


def seconds(windows, rate):
    return [(start / rate, end / rate) for start, end in windows]


def runs(windows, samples):
    """The union of windows as runs of samples, found without sorting or merging."""
    inside = np.zeros(samples + 2, bool)
    for start, end in windows:
        inside[start + 1 : end + 1] = True
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return list(zip(edges[::2], edges[1::2], strict=True))


@QUICK
@given(situations())
def test_zero_outside_one_inside_and_monotone_edges(situation):
    rate, samples, windows, fade = situation
    out = gate(seconds(windows, rate), samples, rate, fade)
    assert (out.shape, out.dtype) == ((samples,), np.float32)
    outside = np.ones(samples, bool)
    for first, last in runs(windows, samples):
        outside[first:last] = False
        window, edge = out[first:last], min(round(fade * rate), (last - first) // 2)
        rise, fall = edge * (first > 0), edge * (last < samples)
        assert np.all(window[rise : last - first - fall] == 1)
        assert np.all(np.diff(window[: rise + 1]) >= 0)
        assert np.all(np.diff(window[last - first - fall - 1 :]) <= 0)
        assert np.all((window > 0) & (window <= 1))
    assert np.all(out[outside] == 0)


@QUICK
@given(situations())
def test_windows_gate_like_their_union(situation):
    rate, samples, windows, fade = situation
    whole = gate(seconds(windows, rate), samples, rate, fade)
    union = gate(seconds(runs(windows, samples), rate), samples, rate, fade)
    assert np.array_equal(whole, union)
    assert np.array_equal(whole, gate(seconds(windows[::-1], rate), samples, rate, fade))


@QUICK
@given(situations())
def test_reversed_recording_reversed_gate(situation):
    rate, samples, windows, fade = situation
    mirrored = [(samples - end, samples - start) for start, end in windows]
    out = gate(seconds(windows, rate), samples, rate, fade)
    assert np.array_equal(out, gate(seconds(mirrored, rate), samples, rate, fade)[::-1])


@QUICK
@given(situations())
def test_checked_windows_are_sorted_apart_and_checked_again_the_same(situation):
    rate, samples, windows, _ = situation
    checked = check_windows(seconds(windows, rate), samples / rate)
    assert all(a[1] < b[0] for a, b in pairwise(checked))
    assert check_windows(checked, samples / rate) == checked
    assert len(checked) == len(runs(windows, samples))


def test_windows_that_touch_are_one():
    assert check_windows([(2, 3), (1, 2)], 5) == [(1.0, 3.0)]
    assert np.all(gate([(2, 3), (1, 2)], 50, 10, fade=0.5)[15:25] == 1)


def test_the_edge_is_a_raised_cosine_inside_the_window():
    out = gate([(0.25, 0.75)], 1000, 1000, fade=0.1)
    expected = 0.5 - 0.5 * np.cos(np.pi * (np.arange(100) + 0.5) / 100)
    assert out[250:350] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(out[650:750], out[250:350][::-1])
    assert out[249] == out[750] == 0
    # An edge and its mirror image add up to one.
    assert out[250:350] + out[250:350][::-1] == pytest.approx(np.ones(100), abs=1e-6)


def test_fade_zero_switches():
    out = gate([(0.1, 0.2)], 100, 100, fade=0)
    assert np.flatnonzero(out).tolist() == list(range(10, 20))
    assert set(out.tolist()) == {0.0, 1.0}


def test_no_windows_is_everything():
    assert np.array_equal(gate(None, 50, 10), np.ones(50, np.float32))


def test_nothing_fades_at_the_ends_of_the_recording():
    assert np.array_equal(gate([(0, 5)], 50, 10, fade=1), np.ones(50, np.float32))
    out = gate([(0, 2), (3, 5)], 50, 10, fade=0.5)
    assert np.all(out[:15] == 1)
    assert np.all(out[-15:] == 1)
    assert np.all(out[20:30] == 0)


def test_a_window_shorter_than_its_edges_still_opens():
    out = gate([(0.4, 0.6)], 1000, 1000, fade=10)
    assert out.max() > 0.999
    assert np.all(np.diff(out[400:500]) > 0)
    assert np.all(np.diff(out[500:600]) < 0)


def test_one_sample_opens_fully():
    assert gate([(0.5, 0.6)], 10, 10, fade=1).tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_a_duration_read_off_a_screen_is_forgiven_and_cut():
    assert check_windows([(1, 3.1416)], duration=3.14159) == [(1.0, 3.14159)]
    assert gate([(1, 3.1403)], 314, 100)[-1] == 1


@pytest.mark.parametrize("windows", [[[0.1, 0.2]], ((0.1, 0.2),), np.array([[0.1, 0.2]])])
def test_any_list_of_pairs_will_do(windows):
    assert check_windows(windows, 1.0) == [(0.1, 0.2)]


BAD_WINDOWS = {
    "reversed": ([(3, 2)], "The window 3 to 2 s is reversed"),
    "zero long": ([(2, 2)], "The window 2 to 2 s is empty"),
    "before the start": ([(-1, 2)], "is outside the recording, which lasts 5 s"),
    "just before the start": ([(-1e-9, 2)], "is outside the recording"),
    "past the end": ([(4, 5.001)], "is outside the recording"),
    "behind the end": ([(5, 6)], "is outside the recording"),
    "one good, one bad": ([(1, 2), (4, 6)], "The window 4 to 6 s"),
    "NaN": ([(np.nan, 2)], "finite"),
    "NaN end": ([(1, np.nan)], "finite"),
    "endless": ([(1, np.inf)], "finite"),
    "one number": ([(1,)], "is a pair"),
    "three numbers": ([(1, 2, 3)], "is a pair"),
    "no list around the pair": ((1.0, 2.0), "is a pair"),
    "words": ([("a", "b")], "is a pair"),
    "None inside": ([None], "is a pair"),
    "one None": ([(1, None)], "is a pair"),
    "a number": (3.0, "pairs"),
    "empty list": ([], "list of windows is empty"),
    "empty pair": ([()], "is a pair"),
}


@pytest.mark.parametrize(("windows", "words"), BAD_WINDOWS.values(), ids=BAD_WINDOWS)
def test_bad_windows_are_one_sentence(windows, words):
    for call in (lambda: check_windows(windows, 5.0), lambda: gate(windows, 50, 10)):
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")


def test_a_window_between_two_samples():
    with pytest.raises(ValueError, match="shorter than one sample"):
        gate([(0.51, 0.52)], 10, 10)


@pytest.mark.parametrize("fade", [-0.1, np.nan, np.inf, -np.inf])
def test_bad_fades_are_one_sentence(fade):
    for windows in (None, [(1, 2)]):
        with pytest.raises(ValueError, match=r"^The fade is .* s: it must be 0 or more\.$"):
            gate(windows, 50, 10, fade)
