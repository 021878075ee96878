"""People: voices and breath. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    Formants,
    Numbers,
    add,
    band,
    burst,
    contour,
    formants,
    log_uniform,
    morph,
    noise,
    onsets,
    samples,
    slow,
    sound,
    tone,
    unit,
    voice,
)

# First three formants in Hz of an adult's vowels (Peterson & Barney 1952, men).
VOWELS = (
    (270, 2290, 3010),
    (530, 1840, 2480),
    (730, 1090, 2440),
    (570, 840, 2410),
    (300, 870, 2240),
)


def vowel(centres: Numbers, size: float = 1.0) -> Formants:
    """Formant set of a vowel in a head `size` times smaller: (centres, widths, gains)."""
    centres = np.append(centres, 3500) * size
    return centres, 60 + 0.04 * centres, [1, 0.6, 0.35, 0.2]


def syllable(
    rng: np.random.Generator, rate: int, f0: float, size: float, seconds: float
) -> np.ndarray:
    """One consonant, a stop or a fricative, that runs into a vowel gliding to another."""
    m = samples(rate, seconds)
    shapes = [vowel(VOWELS[k], size) for k in rng.choice(len(VOWELS), 2, replace=False)]
    pitch = f0 * contour(m, rng.uniform(0.9, 1.15, 3))
    weights = [contour(m, [1, 0.8, 0]), contour(m, [0, 0.2, 1])]
    vowels = unit(morph(voice(rng, pitch, rate, 0.04), rate, shapes, weights))
    vowels *= contour(m, [0, 1, 0.8, 0.05], [0, 0.25, 0.7, 1])
    k = samples(rate, rng.choice([0.02, 0.09]))
    hiss = unit(band(noise(rng, k), rate, rng.choice([900, 2500, 3500]), 7500)) * np.hanning(k)
    out = np.zeros(m + k)
    add(out, hiss, 0, rng.uniform(0, 0.4))
    add(out, vowels, k // 2)
    return out


@sound
def speech(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Babble of one talker: phrases of syllables, pitch falling through each (Klatt 1980)."""
    high = rng.uniform() < 0.5
    f0 = rng.uniform(165, 260) if high else rng.uniform(85, 150)
    size = (1.16 if high else 1.0) * rng.uniform(0.94, 1.06)
    pace = rng.uniform(0.14, 0.26)
    out, at, left = np.zeros(n), int(rng.uniform(0, 0.4) * rate), 0
    while at < n:
        if left == 0:
            left, phrase = int(rng.integers(3, 12)), rng.uniform(1.0, 1.25)
            at = min(n - 1, at + int(rng.uniform(0.05, 0.5) * rate))
        spoken = syllable(rng, rate, f0 * phrase, size, pace * rng.uniform(0.7, 1.5))
        add(out, spoken, at, rng.uniform(0.5, 1))
        at, left, phrase = at + int(0.95 * len(spoken)), left - 1, 0.97 * phrase
    return out


@sound
def crying_baby(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Cries: a rising and falling wail of 350 to 600 Hz from a small head, then a gasp."""
    f0, size = log_uniform(rng, 350, 580), rng.uniform(1.5, 1.9)
    length, hoarse = rng.uniform(0.5, 1.3), rng.uniform(0.03, 0.3)
    shapes = [vowel(VOWELS[2], size), vowel(VOWELS[1], size)]
    out = np.zeros(n)
    for at in onsets(rng, n, rate, length + rng.uniform(0.25, 0.7), 0.15):
        m = samples(rate, length * rng.uniform(0.75, 1.2))
        arc = contour(m, [0.75, 1.05, rng.uniform(0.95, 1.1), 0.7], [0, 0.15, 0.6, 1])
        pitch = f0 * rng.uniform(0.93, 1.08) * arc * (1 + 0.015 * slow(rng, m, rate, 14))
        weights = [contour(m, [0.3, 1, 0.4]), contour(m, [0.7, 0.2, 0.6])]
        cry = morph(voice(rng, pitch, rate, hoarse, 0.012, 2200), rate, shapes, weights)
        add(out, cry * contour(m, [0, 1, 0.85, 0], [0, 0.12, 0.7, 1]), at, rng.uniform(0.6, 1))
        gasp = band(noise(rng, samples(rate, 0.2)), rate, 1200, 5000, 1)
        if at + m < n:
            add(out, gasp * np.hanning(len(gasp)), at + m, rng.uniform(0, 0.15))
    return out


@sound
def laughing(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Ha-ha-ha: bouts of short vowels with a breath before each, falling in pitch and level."""
    f0, size = log_uniform(rng, 140, 420), rng.uniform(0.95, 1.3)
    step, mouth = rng.uniform(0.15, 0.26), vowel(VOWELS[rng.integers(1, 4)], size)
    out = np.zeros(n)
    for start in onsets(rng, n, rate, rng.uniform(1.5, 3.0)):
        count = rng.integers(3, 12)
        for k, at in enumerate(onsets(rng, n, rate, step, 0.15, start=start / rate)[:count]):
            m = samples(rate, 0.85 * step)
            pitch = (
                f0
                * (1.2 - 0.4 * k / count)
                * rng.uniform(0.92, 1.08)
                * contour(m, [0.95, 1.1, 0.85])
            )
            voiced = contour(m, [0, 0.1, 1, 0.6, 0], [0, 0.25, 0.5, 0.8, 1])
            breath = 0.4 * contour(m, [0, 1, 0.2, 0], [0, 0.2, 0.5, 1]) * noise(rng, m)
            ha = formants(voice(rng, pitch, rate, 0.15) * voiced + breath, rate, *mouth)
            add(out, ha, at, rng.uniform(0.7, 1) * (1 - 0.5 * k / count))
    return out


@sound
def coughing(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Coughs: an explosive burst of throat noise, then a shorter voiced tail."""
    throat = vowel(VOWELS[rng.integers(2, 4)], rng.uniform(0.9, 1.35))
    f0 = log_uniform(rng, 100, 320)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, log_uniform(rng, 0.35, 0.9), 0.4)[: rng.integers(1, 8)]:
        m = samples(rate, rng.uniform(0.25, 0.45))
        source = voice(rng, f0 * contour(m, [1.1, 1, 0.7]), rate, 0.5, 0.06) * rng.uniform(0.1, 0.6)
        source = source * contour(m, [0, 0.3, 1, 0]) + noise(rng, m) * burst(m, rate, 0.004, 0.06)
        cough = formants(source, rate, *throat) + 0.1 * band(source, rate, 2500, 7000, 1)
        add(out, cough * contour(m, [1, 0.7, 0]), at, rng.uniform(0.5, 1))
    return out


@sound
def sneezing(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Ah-choo: a drawn breath, a short cry and a wide burst of hiss."""
    size, f0 = rng.uniform(0.95, 1.3), log_uniform(rng, 140, 380)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, rng.uniform(1.8, 3.5))[: rng.integers(1, 3)]:
        m = samples(rate, rng.uniform(0.3, 0.7))
        draw = formants(noise(rng, m), rate, *vowel(VOWELS[2], size)) * contour(m, [0, 0.3, 0.8, 0])
        add(out, draw, at, rng.uniform(0.1, 0.6))
        k = samples(rate, rng.uniform(0.25, 0.5))
        cry = voice(rng, f0 * contour(k, [1, 1.4, 0.8]), rate, 0.3) * contour(k, [0, 1, 0, 0])
        hiss = unit(band(noise(rng, k), rate, rng.uniform(900, 2500), 7500, 1))
        choo = 0.7 * formants(cry, rate, *vowel(VOWELS[1], size)) + hiss * burst(k, rate, 0.02, 0.1)
        if at + m < n:
            add(out, choo * contour(k, [1, 0.8, 0]), at + m)
    return out


@sound
def breathing(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Breaths in and out: noise through one mouth shape for the one, another for the other."""
    size, cycle = rng.uniform(0.9, 1.4), log_uniform(rng, 1.0, 3.2)
    shapes = [vowel(VOWELS[k], size) for k in rng.choice(len(VOWELS), 2, replace=False)]
    ratio = rng.uniform(0.35, 0.5)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, cycle, 0.08, start=0.05):
        for part, shape, loud in (
            (ratio, shapes[0], rng.uniform(0.4, 0.8)),
            (1 - ratio, shapes[1], 1),
        ):
            m = samples(rate, 0.85 * cycle * part)
            air = noise(rng, m)
            breath = unit(formants(air, rate, *shape)) + 0.4 * unit(band(air, rate, 1500, 6000, 1))
            if at < n:
                add(out, breath * contour(m, [0, 1, 0.6, 0], [0, 0.3, 0.7, 1]) ** 1.5, at, loud)
            at += int(cycle * part * rate)
    return out


@sound
def snoring(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Snores: a flapping palate, 25 to 90 rough pulses a second, then a softer breath out."""
    flap, cycle = log_uniform(rng, 25, 90), rng.uniform(1.8, 3.5)
    nose = (log_uniform(rng, 180, 1600, 4), [90, 120, 160, 250], [1, 0.8, 0.5, 0.3])
    out = np.zeros(n)
    for at in onsets(rng, n, rate, cycle, 0.06, start=rng.uniform(0, 0.6)):
        m = samples(rate, rng.uniform(0.4, 0.55) * cycle)
        source = voice(rng, flap * contour(m, [0.8, 1, 1.1, 0.9]), rate, 0.9, 0.12, 600)
        add(out, unit(formants(source, rate, *nose)) * contour(m, [0, 0.6, 1, 0]), at)
        k = samples(rate, 0.35 * cycle)
        sigh = unit(band(noise(rng, k), rate, 400, 3500, 1)) * np.hanning(k)
        if at + m < n:
            add(out, sigh, at + m, rng.uniform(0.02, 0.25))
    return out


@sound
def whistle(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A whistled tune or calls of a pea whistle: one sine, breath noise, and vibrato or trill."""
    pea = rng.uniform() < 0.4
    base = min(log_uniform(rng, 1900, 3600) if pea else log_uniform(rng, 750, 1900), 0.35 * rate)
    trill, depth = rng.uniform(18, 40) if pea else rng.uniform(4, 7), rng.uniform(0.3, 0.8)
    out = np.zeros(n)
    length = log_uniform(rng, 0.2, 1.0)
    for at in onsets(rng, n, rate, length * rng.uniform(1.05, 1.8), 0.2):
        m = samples(rate, length * rng.uniform(0.7, 1.2))
        wave = np.sin(2 * np.pi * trill * np.arange(m) / rate)
        step = 1.0 if pea else 2 ** (rng.integers(-5, 8) / 12)
        pitch = base * step * (contour(m, [rng.uniform(0.85, 1.05), 1, 1, 0.97]) + 0.008 * wave)
        blown = tone(rng, pitch, rate) + 0.05 * tone(rng, 2 * pitch, rate)
        blown *= 1 - (0.5 * depth * (1 + wave) if pea else 0.1 * wave)
        air = band(noise(rng, m), rate, 0.7 * base * step, 1.5 * base * step, 1)
        add(out, (blown + 0.08 * air) * contour(m, [0, 1, 0.8, 0], [0, 0.1, 0.8, 1]), at)
    return out
