"""Animals of the farm and the house: source-filter voices. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    Formants,
    Numbers,
    add,
    contour,
    formants,
    log_uniform,
    morph,
    noise,
    onsets,
    samples,
    slow,
    sound,
    voice,
)


def tract(
    rng: np.random.Generator, centres: Numbers, spread: float = 0.08, width: float = 0.14
) -> Formants:
    """One animal's resonances around `centres` in Hz: (centres, widths, falling gains)."""
    centres = np.asarray(centres) * np.exp(spread * rng.normal(size=len(centres)))
    gains = rng.uniform(0.45, 0.9) ** np.arange(len(centres))
    return centres, width * centres + 40, gains


@sound
def dog(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Barks: a pitch that rises and falls under a sharp onset, hoarse source, four formants.

    Source-filter voice (Klatt 1980); small dogs bark higher, shorter and through a smaller head.
    """
    size = rng.uniform()
    f0 = log_uniform(rng, 280, 420) * (1 + 1.1 * size)
    mouth = tract(rng, np.array([650, 1250, 2400, 3600]) * (0.85 + 0.5 * size))
    length, hoarse = rng.uniform(0.11, 0.25), rng.uniform(0.15, 0.7)
    rise, tail = rng.uniform(0.6, 0.85), rng.uniform(0.35, 0.6)
    starts = onsets(rng, n, rate, log_uniform(rng, 0.28, 1.2), 0.35)[: rng.integers(1, 9)]
    out = np.zeros(n)
    for at in starts:
        m = samples(rate, length * rng.uniform(0.8, 1.2))
        pitch = f0 * rng.uniform(0.9, 1.1) * contour(m, [rise, 1, 0.93, tail], [0, 0.25, 0.5, 1])
        bark = formants(voice(rng, pitch, rate, hoarse, 0.03, 900), rate, *mouth)
        add(out, bark * contour(m, [0, 1, 0.7, 0], [0, 0.1, 0.5, 1]), at, rng.uniform(0.6, 1))
    return out


@sound
def cat(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Meows: a mouth that opens and closes, morphing three formant sets over a long glide."""
    f0 = log_uniform(rng, 380, 850)
    mouths = [
        tract(rng, c, 0.1) for c in ([420, 2100, 3300], [1000, 1800, 3600], [650, 1200, 3000])
    ]
    starts = onsets(rng, n, rate, rng.uniform(1.2, 2.6), 0.25)[: rng.integers(1, 5)]
    out = np.zeros(n)
    for at in starts:
        m = samples(rate, rng.uniform(0.45, 1.2))
        shape = [rng.uniform(0.7, 0.9), 1, rng.uniform(0.95, 1.15), rng.uniform(0.6, 0.8)]
        pitch = f0 * rng.uniform(0.9, 1.1) * contour(m, shape, [0, 0.25, 0.55, 1])
        pitch *= 1 + 0.01 * slow(rng, m, rate, 12)
        weights = [contour(m, w) for w in ([1, 0.2, 0, 0], [0, 0.8, 0.8, 0.1], [0, 0, 0.3, 0.9])]
        meow = morph(voice(rng, pitch, rate, rng.uniform(0.03, 0.15), 0.008), rate, mouths, weights)
        add(out, meow * contour(m, [0, 0.8, 1, 0.5, 0], [0, 0.15, 0.5, 0.8, 1]), at)
    return out


@sound
def rooster(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Cock-a-doodle-doo: four bright syllables, the last long and falling."""
    f0 = log_uniform(rng, 480, 800)
    mouth = tract(rng, [1100, 2000, 3100, 4800], 0.12)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, rng.uniform(2.6, 4.0))[: rng.integers(1, 3)]:
        pace = rng.uniform(0.85, 1.3)
        for length, low, high, rest in (
            (0.14, 0.75, 0.95, 0.06),
            (0.16, 0.85, 1.0, 0.04),
            (0.32, 1.0, 1.25, 0.03),
            (rng.uniform(0.5, 1.1), 1.1, 0.65, 0.1),
        ):
            m = samples(rate, length * pace)
            pitch = f0 * contour(m, [low, max(low, high) * 1.03, (low + high) / 2, high])
            crow = formants(voice(rng, pitch, rate, 0.12, 0.015, 1500), rate, *mouth)
            if at < n:
                add(out, crow * contour(m, [0, 1, 0.9, 0], [0, 0.12, 0.7, 1]), at)
            at += m + int(rest * pace * rate)
    return out


@sound
def hen(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Clucks: short rising chirps of a small throat, now and then one long cackle."""
    f0, mouth = log_uniform(rng, 350, 620), tract(rng, [900, 1700, 2800], 0.12)
    cackle = rng.uniform(0.05, 0.25)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, log_uniform(rng, 0.22, 0.6), 0.4):
        long = rng.uniform() < cackle
        m = samples(rate, rng.uniform(0.3, 0.55) if long else rng.uniform(0.05, 0.11))
        top = rng.uniform(1.3, 1.7) if long else rng.uniform(0.95, 1.2)
        pitch = f0 * contour(m, [0.8, top, 0.75 * top])
        cluck = formants(voice(rng, pitch, rate, 0.3, 0.03, 1200), rate, *mouth)
        add(out, cluck * contour(m, [0, 1, 0.6, 0], [0, 0.15, 0.6, 1]), at, rng.uniform(0.4, 1))
    return out


@sound
def crow(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Caws: a rough voice, half noise, under two strong resonances."""
    f0, mouth = log_uniform(rng, 320, 520), tract(rng, [1150, 1750, 2900], 0.12)
    length, rough = rng.uniform(0.2, 0.45), rng.uniform(0.3, 0.9)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, length + rng.uniform(0.15, 0.8), 0.15)[: rng.integers(2, 9)]:
        m = samples(rate, length * rng.uniform(0.85, 1.15))
        pitch = f0 * contour(m, [0.85, 1.05, 1, 0.8]) * (1 + 0.04 * slow(rng, m, rate, 70))
        caw = formants(voice(rng, pitch, rate, rough, 0.05, 1800), rate, *mouth)
        add(out, caw * contour(m, [0, 1, 0.8, 0], [0, 0.15, 0.7, 1]), at, rng.uniform(0.7, 1))
    return out


@sound
def cow(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Moos: a low voice that opens slowly from a hum to a bright vowel."""
    f0 = log_uniform(rng, 85, 190)
    mouths = [tract(rng, c, 0.12) for c in ([260, 750, 2000], [600, 1150, 2300])]
    out = np.zeros(n)
    for at in onsets(rng, n, rate, rng.uniform(2.2, 4.5))[: rng.integers(1, 3)]:
        m = samples(rate, rng.uniform(1.0, 2.2))
        shape = [0.8, 1, rng.uniform(1.0, 1.5), rng.uniform(0.8, 1.2)]
        pitch = f0 * contour(m, shape, [0, 0.2, 0.7, 1])
        weights = [contour(m, [1, 0.5, 0.2, 0.6]), contour(m, [0, 0.4, 0.9, 0.3])]
        moo = morph(voice(rng, pitch, rate, 0.1, 0.02, 500), rate, mouths, weights)
        add(out, moo * contour(m, [0, 0.7, 1, 0], [0, 0.15, 0.75, 1]), at)
    return out


@sound
def sheep(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Bleats: a nasal voice shaken 7 to 13 times a second in pitch and loudness."""
    f0, mouth = log_uniform(rng, 180, 430), tract(rng, [650, 1500, 2500, 3600], 0.12)
    shake, depth = rng.uniform(7, 13), rng.uniform(0.3, 0.7)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, rng.uniform(1.0, 2.4), 0.3)[: rng.integers(1, 5)]:
        m = samples(rate, rng.uniform(0.5, 1.1))
        tremor = np.sin(2 * np.pi * shake * np.arange(m) / rate + rng.uniform(0, 6))
        pitch = f0 * rng.uniform(0.93, 1.07) * contour(m, [0.9, 1.05, 0.85]) * (1 + 0.04 * tremor)
        bleat = formants(voice(rng, pitch, rate, 0.2, 0.02, 1500), rate, *mouth)
        bleat *= contour(m, [0, 1, 0.8, 0], [0, 0.1, 0.6, 1]) * (1 - depth * (0.5 + 0.5 * tremor))
        add(out, bleat, at)
    return out


@sound
def pig(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Grunts: short noisy low pulses through a long snout, and now and then a squeal."""
    f0, mouth = log_uniform(rng, 55, 120), tract(rng, [380, 850, 1700, 2600], 0.15)
    squeal = rng.uniform(0, 0.3)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, log_uniform(rng, 0.3, 0.9), 0.4):
        m, base, rough = samples(rate, rng.uniform(0.1, 0.35)), f0, rng.uniform(0.5, 1.2)
        if rng.uniform() < squeal:
            m, base, rough = 2 * m, f0 * rng.uniform(7, 11), 0.3
        pitch = base * rng.uniform(0.85, 1.15) * contour(m, [0.9, 1.1, 0.8])
        grunt = formants(voice(rng, pitch, rate, rough, 0.08, 900), rate, *mouth)
        grunt *= 1 + 0.3 * np.abs(noise(rng, 1)[0])
        add(out, grunt * contour(m, [0, 1, 0.7, 0], [0, 0.2, 0.6, 1]), at, rng.uniform(0.5, 1))
    return out
