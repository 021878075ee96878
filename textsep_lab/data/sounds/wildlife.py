"""Small wild animals: chirps, trills and buzzing. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    add,
    contour,
    fade,
    formants,
    log_uniform,
    onsets,
    pulses,
    samples,
    slow,
    sound,
    tone,
    voice,
)


@sound
def frog(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Croaks: trains of 20 to 90 pulses a second that ring the resonances of a vocal sac."""
    centre, pulse = log_uniform(rng, 350, 1500), log_uniform(rng, 20, 90)
    length, gap = rng.uniform(0.12, 0.6), rng.uniform(0.2, 0.8)
    sac = (centre * np.array([1, 1.9, 2.8]), centre * np.array([0.1, 0.15, 0.2]), [1, 0.5, 0.25])
    out = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        detune = rng.uniform(0.85, 1.2)
        for at in onsets(rng, n, rate, length + gap * rng.uniform(0.8, 2), 0.25):
            m = samples(rate, length * rng.uniform(0.85, 1.15))
            beat = pulses(rng, pulse * detune * contour(m, [0.8, 1, 1.15]), rate)
            croak = formants(beat, rate, sac[0] * detune, sac[1], sac[2])
            add(out, croak * contour(m, [0, 0.7, 1, 0], [0, 0.2, 0.7, 1]), at, rng.uniform(0.6, 1))
    return out


@sound
def crickets(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Chirps of two to six pulses on one pure tone of 3 to 6 kHz, one to four insects."""
    out = np.zeros(n)
    t = np.arange(n) / rate
    for _ in range(rng.integers(1, 5)):
        carrier = min(log_uniform(rng, 3000, 6000), rate * rng.uniform(0.38, 0.45))
        wing, count = rng.uniform(22, 55), rng.integers(2, 7)
        wings = np.sin(np.pi * wing * t) ** 2
        if rng.uniform() < 0.7:
            gate = np.zeros(n)
            m = samples(rate, count / wing)
            for at in onsets(rng, n, rate, count / wing + rng.uniform(0.1, 0.7), 0.06):
                grain = np.sin(np.pi * wing * np.arange(m) / rate) ** 2
                add(gate, grain * contour(m, [0.5, 1, 0.8]), at)
            wings = gate
        pitch = carrier * (1 + 0.002 * slow(rng, n, rate, 5))
        out += rng.uniform(0.2, 1) * wings * tone(rng, pitch, rate)
    return out


@sound
def chirping_birds(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Songs: phrases of frequency-modulated whistles from 1.5 to 7 kHz, one to four birds."""
    out = np.zeros(n)
    for _ in range(rng.integers(1, 5)):
        base = min(log_uniform(rng, 1800, 5500), 0.3 * rate)
        shapes = [base * np.exp(rng.normal(0, 0.22, 4)) for _ in range(rng.integers(1, 4))]
        length, loud = log_uniform(rng, 0.04, 0.2), rng.uniform(0.2, 1)
        trill, depth = rng.uniform(20, 60), rng.uniform(0, 0.06) * rng.integers(0, 2)
        for start in onsets(rng, n, rate, rng.uniform(0.9, 2.2), 0.3):
            shape, at = shapes[rng.integers(len(shapes))], start
            for _ in range(rng.integers(1, 8)):
                m = samples(rate, length * rng.uniform(0.85, 1.15))
                wobble = 1 + depth * np.sin(2 * np.pi * trill * np.arange(m) / rate)
                pitch = np.minimum(contour(m, shape) * wobble, 0.46 * rate)
                chirp = (tone(rng, pitch, rate) + 0.1 * tone(rng, 2 * pitch, rate)) * np.hanning(m)
                if at < n:
                    add(out, chirp, at, loud * rng.uniform(0.6, 1))
                at += m + int(length * rng.uniform(0.2, 1.0) * rate)
    return out


@sound
def insects(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Flying insects: the harmonics of 90 to 600 wing beats a second, passing near and far."""
    out = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        f0 = log_uniform(rng, 90, 600)
        pitch = f0 * (1 + rng.uniform(0.01, 0.06) * np.clip(slow(rng, n, rate, 2.5), -2, 2))
        body = f0 * np.array([1.5, 4, 9])
        buzz = formants(
            voice(rng, pitch, rate, 0.08, 0.01, 2.5 * f0), rate, body, body, [1, 0.6, 0.4]
        )
        near = np.exp(rng.uniform(0.4, 1.3) * slow(rng, n, rate, rng.uniform(0.6, 2.5)))
        out += rng.uniform(0.3, 1) * buzz * near * fade(n, rate, 0.05)
    return out
