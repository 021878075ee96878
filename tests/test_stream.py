"""Separation as a stream: stretches, what is far away, blocks, and what an analysis looks at."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.separation.separator import Separator
from textsep_lab.signal.conditioning import highest_peak, limit_peaks, remove_rumble
from textsep_lab.signal.stretches import CONTEXT, HOP, LENGTH, Buffer, stretches

RATE = 4000
QUICK = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


def noise(seconds, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return 0.1 * rng.standard_normal((channels, round(seconds * RATE)), dtype=np.float32)


def plan(samples, first, last, rate, grid=1.0):
    return list(stretches(Buffer([np.zeros((1, samples))]), first, last, rate, grid))


# Stretches


@QUICK
@given(st.integers(1, 400), st.data())
def test_stretches_cover_their_part_and_overlap(samples, data):
    rate = data.draw(st.sampled_from([7, 10, 16]))
    first = data.draw(st.integers(0, samples - 1))
    last = data.draw(st.none() | st.integers(first + 1, samples))
    found = plan(samples, first, last, rate)
    assert found[0][0] <= first and found[-1][1] >= (samples if last is None else last)
    assert all(0 <= a < b <= samples and b - a <= round(LENGTH * rate) for a, b in found)
    for (start, stop), (after, end) in pairwise(found):
        assert start < after <= start + np.ceil(HOP * rate) < stop < end
    if samples >= LENGTH * rate and len(found) == 1:
        assert found[0][1] - found[0][0] == round(LENGTH * rate)
    if last is not None and last - first >= LENGTH * rate:
        assert found[0][0] == first and found[-1][1] == last  # nothing beyond is looked at


@QUICK
@given(st.integers(1, 300), st.floats(1, 9))
def test_starts_lie_on_the_grid(samples, grid):
    for start, _ in plan(samples, 0, None, 10, grid):
        assert min(abs(start - k * grid) for k in range(300)) <= 0.5 + 1e-9


def test_a_buffer_lets_go_of_what_is_behind():
    buffer = Buffer(np.full((2, 10), k) for k in range(1000))
    for position in range(0, 9000, 30):
        assert buffer.reach(position + 100)
        assert buffer.read(position + 60, position + 61)[0, 0] == (position + 60) // 10
        buffer.forget(position)
    assert sum(x.shape[1] for x in buffer._held) < 200
    assert not buffer.reach(10**6) and buffer.end == 10000


# What is far away


FAR = {
    "click": lambda n, rng: np.eye(1, n, n // 2, dtype=np.float32) * 1.0,
    "tone": lambda n, rng: np.sin(np.arange(n, dtype=np.float32))[None],
    "noise": lambda n, rng: rng.standard_normal((1, n), dtype=np.float32),
    "silence": lambda n, rng: np.zeros((1, n), np.float32),
    "offset": lambda n, rng: np.ones((1, n), np.float32),
}


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(sorted(FAR)),
    level=st.sampled_from([1e-4, 1.0, 100.0]),
    before=st.booleans(),
    windows=st.sampled_from([None, [(15.0, 16.0)], [(14.0, 22.5)], [(1.0, 2.0), (15.0, 17.0)]]),
    mode=st.sampled_from(["keep", "remove"]),
)  # fmt: skip
def test_what_is_far_away_changes_nothing(separator, kind, level, before, windows, mode):
    samples, near = 30 * RATE, slice(14 * RATE, 17 * RATE)
    wave = noise(30)
    far = np.r_[: near.start - round(CONTEXT * RATE)] if before else (
        np.r_[near.stop + round(CONTEXT * RATE) : samples]
    )  # fmt: skip
    other = wave.copy()
    other[:, far] = level * FAR[kind](len(far), np.random.default_rng(1))
    ask = {"query": "dog", "mode": mode, "windows": windows, "sample_rate": RATE}
    one, two = (separator.separate(x, **ask).output[:, near] for x in (wave, other))
    error = np.square(one - two, dtype=np.float64).sum() / np.square(one, dtype=np.float64).sum()
    assert error < 1e-6


@pytest.mark.parametrize("gain", [0.01, 100.0])
def test_a_window_is_what_it_is_alone_whatever_surrounds_it(separator, gain):
    wave, other = noise(5), gain * noise(6, seed=1)
    alone = separator.separate(wave, "dog", sample_rate=RATE)
    whole = np.concatenate([other, wave, other], axis=1)
    there = separator.separate(whole, "dog", windows=[(6, 11)], fade=0, sample_rate=RATE)
    inside = there.output[:, 6 * RATE : 11 * RATE]
    np.testing.assert_allclose(inside, alone.output, atol=1e-7)
    assert there.confidence == pytest.approx(alone.confidence)
    assert there.energy_share == pytest.approx(alone.energy_share, rel=1e-5)


def test_work_is_in_proportion_to_the_windows(separator, monkeypatch):
    seen = []
    mask = separator.mask
    monkeypatch.setattr(separator, "mask", lambda x, *a: seen.append(x.shape[1]) or mask(x, *a))
    separator.separate(noise(120), "dog", windows=[(3, 4), (60, 61), (62, 63)], sample_rate=RATE)
    assert seen == [round(LENGTH * RATE)] * 2


# Blocks


@settings(max_examples=12, deadline=None)
@given(
    seconds=st.floats(0.1, 14),
    blocks=st.integers(1, 40),
    windows=st.sampled_from([None, [(0.02, 0.09)], [(0.0, 0.05), (0.06, 0.1)]]),
    channels=st.integers(1, 2),
    mode=st.sampled_from(["keep", "remove"]),
    stretch=st.booleans(),
)
def test_a_stream_gives_the_samples_of_the_whole(
    separator, seconds, blocks, windows, channels, mode, stretch
):
    wave = noise(seconds, channels)
    if windows and stretch:  # windows in proportion to the length, up to the very end
        windows = [(10 * a * seconds, 10 * b * wave.shape[1] / RATE) for a, b in windows]
    whole = separator.separate(wave, "dog", mode, windows, sample_rate=RATE)
    pieces = separator.pieces(np.array_split(wave, blocks, 1), RATE, "dog", windows, mode=mode)
    parts = list(pieces)
    np.testing.assert_array_equal(np.concatenate([x.output for x in parts], 1), whole.output)
    assert [x.start for x in parts] == [0, *np.cumsum([x.input.shape[1] for x in parts])[:-1]]
    assert pieces.confidence == whole.confidence
    np.testing.assert_equal(pieces.energy_share, whole.energy_share)


def test_a_stream_lags_by_its_context_and_no_more(separator):
    came = 0

    def blocks():
        nonlocal came
        for block in np.array_split(noise(20), 400, axis=1):
            came += block.shape[1]
            yield block

    left = 0
    for out in separator.stream(blocks(), RATE, "dog"):
        assert came - left <= round(CONTEXT * RATE) + 2 * RATE * 20 / 400
        left += out.shape[1]
    assert left == came == 20 * RATE


def test_a_window_beyond_the_end_of_a_stream_is_said_when_it_ends(separator):
    with pytest.raises(ValueError, match=r"^The window 5 to 9 s is outside the recording, which"):
        list(separator.stream(iter([noise(6)]), RATE, "dog", [(1, 2), (5, 9)]))


# What is looked at


@QUICK
@given(st.floats(0.6, 100), st.sampled_from(["offset", "rumble"]))
def test_what_nobody_hears_is_not_looked_at_if_it_is_loud(level, kind):
    wave = noise(5)
    time = np.arange(wave.shape[1]) / RATE
    below = {"offset": np.ones_like(time), "rumble": np.sin(2 * np.pi * 5 * time)}[kind]
    inner = slice(RATE, -RATE)
    found = remove_rumble(wave + level * below, RATE)[:, inner]
    assert np.square(found - wave[:, inner]).mean() < 0.1 * np.square(wave).mean()


@QUICK
@given(st.integers(1, 10), st.floats(1, 1e4))
def test_single_clicks_change_the_level_of_nothing(clicks, level):
    wave = noise(5)
    clicked = wave.copy()
    clicked[0, np.random.default_rng(0).choice(wave.shape[1], clicks)] = level
    assert highest_peak(clicked, RATE) == pytest.approx(highest_peak(wave, RATE), rel=0.02)
    power = np.square(limit_peaks(clicked, RATE)).mean() / np.square(wave).mean()
    assert power < 1 + clicks * 3600 / wave.shape[1] + 0.01


def test_samples_outside_keep_their_rumble_and_their_clicks(separator):
    wave = noise(6, 2) + np.float32(0.5)
    wave[:, ::5000] = 3.0
    result = separator.separate(wave, "dog", windows=[(1, 2)], sample_rate=RATE)
    outside = result.gate == 0
    assert np.array_equal(result.output[:, outside], wave[:, outside])
