"""Signals made to be heard: sirens, horns, alarms, telephones. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    add,
    contour,
    fade,
    formants,
    log_uniform,
    modes,
    onsets,
    pulses,
    samples,
    slow,
    sound,
    tone,
    unit,
)


@sound
def siren(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Wail, yelp or two-tone: a horn whose pitch sweeps between 450 and 1600 Hz (Farnell 2010)."""
    low = log_uniform(rng, 430, 750)
    high = low * (
        rng.uniform(1.25, 1.42) if (kind := rng.integers(3)) == 2 else rng.uniform(1.7, 2.4)
    )
    period = (rng.uniform(2.5, 7), rng.uniform(0.22, 0.6), rng.uniform(0.8, 1.6))[kind]
    phase = np.arange(n) / rate / period + rng.uniform()
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    if kind == 2:
        wave = np.clip(0.5 + 20 * (wave - 0.5), 0, 1)
    pitch = low * (high / low) ** wave * contour(n, [1.02, 1, 0.97])
    buzz = sum(rng.uniform(0.3, 1) / k**1.2 * tone(rng, k * pitch, rate) for k in range(2, 6))
    buzz = buzz + rng.uniform(0, 0.8) * pulses(rng, pitch, rate)
    horn = np.array([900, 1500, 2300]) * rng.uniform(0.8, 1.2)
    out = formants(tone(rng, pitch, rate) + buzz, rate, horn, [700, 700, 900], [1, 0.7, 0.5])
    return out * contour(n, rng.uniform(0.35, 1, 4)) * fade(n, rate)


@sound
def car_horn(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Two reeds a third apart, rich in harmonics, held for one to five blasts."""
    f0 = log_uniform(rng, 300, 480)
    ratios = (1,) if rng.uniform() < 0.25 else (1, rng.uniform(1.18, 1.28))
    bell = np.array([1000, 2100, 3300]) * rng.uniform(0.75, 1.25)
    length = log_uniform(rng, 0.15, 1.8)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, length + rng.uniform(0.12, 0.9), 0.25)[: rng.integers(1, 6)]:
        m = samples(rate, length * rng.uniform(0.7, 1.3))
        bend = contour(m, [0.97, 1, 1, 0.985], [0, 0.08, 0.95, 1])
        reeds = sum((pulses(rng, f0 * r * bend, rate) for r in ratios), np.zeros(m))
        blast = formants(reeds, rate, bell, [900, 700, 900], [1, 0.8, 0.5])
        add(out, unit(blast) * fade(m, rate, 0.015), at, rng.uniform(0.8, 1))
    return out


def ringer(rng: np.random.Generator, n: int, rate: int, strikes: float) -> np.ndarray:
    """A small bell that a clapper strikes evenly `strikes` times a second."""
    base = log_uniform(rng, 1100, 2600)
    freqs = base * np.array([1, 1.52, 2.02, 2.7, 3.4]) * np.exp(rng.normal(0, 0.03, 5))
    hits = np.zeros(n)
    at = onsets(rng, n, rate, 1 / strikes, 0.02, start=0.0)
    hits[at] = rng.uniform(0.6, 1, len(at))
    return modes(hits, rate, freqs, log_uniform(rng, 0.2, 0.9), rng.uniform(0.3, 1, 5))


@sound
def clock_alarm(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """An electronic alarm's groups of beeps, or the clatter of a wind-up clock's bell."""
    out = np.zeros(n)
    if rng.uniform() < 0.3:
        at = int(rng.uniform(0, 0.2) * n)
        add(out, ringer(rng, n - at, rate, rng.uniform(12, 24)), at)
        return out * (np.arange(n) < rng.uniform(0.7, 1.3) * n)
    pitch = min(log_uniform(rng, 800, 3600), 0.4 * rate)
    length, count = rng.uniform(0.05, 0.22), rng.integers(1, 5)
    step = length * rng.uniform(1.4, 2.2)
    overtones = rng.uniform(0, 0.6, 3)
    m = samples(rate, length)
    for start in onsets(rng, n, rate, count * step + rng.uniform(0.1, 0.7), 0.005):
        beep = tone(rng, np.full(m, pitch), rate)
        for k, amp in zip((2, 3, 5), overtones, strict=True):
            beep = beep + amp * tone(rng, np.full(m, k * pitch), rate)
        for k in range(count):
            if (at := start + int(k * step * rate)) < n:
                add(out, beep * fade(m, rate, 0.003), at)
    return out


@sound
def telephone(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A ringing phone: a bell struck 20 times a second, or an electronic warble of two tones."""
    out = np.zeros(n)
    ring, pause = rng.uniform(0.4, 2.0), rng.uniform(0.3, 2.0)
    mechanical, strikes = rng.uniform() < 0.5, rng.uniform(17, 27)
    low, step = min(log_uniform(rng, 500, 2000), 0.3 * rate), rng.uniform(1.1, 1.4)
    warble = rng.uniform(8, 26)
    bell = ringer(rng, samples(rate, ring), rate, strikes)
    for at in onsets(rng, n, rate, ring + pause, 0.01):
        m = len(bell)
        if mechanical:
            add(out, bell * fade(m, rate, 0.02), at)
            continue
        swap = np.sin(2 * np.pi * warble * np.arange(m) / rate) > 0
        pitch = np.where(swap, low, low * step)
        trill = sum(tone(rng, k * pitch, rate) / k**1.5 for k in (1, 2, 3))
        add(out, trill * fade(m, rate, 0.01), at)
    return out * (1 + 0.01 * slow(rng, n, rate, 3))
