"""What hands and feet do: claps, steps and brushing. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.people import VOWELS, vowel
from textsep_lab.data.sounds.primitives import (
    add,
    band,
    burst,
    contour,
    formants,
    log_uniform,
    modes,
    noise,
    onsets,
    samples,
    slow,
    sound,
    sparse,
    unit,
)


@sound
def clapping(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Claps of one to forty pairs of hands: noise bursts around 1 kHz (PhISEM, Cook 1997)."""
    out = np.zeros(n)
    people = int(log_uniform(rng, 1, 40))
    for _ in range(people):
        centre, decay = log_uniform(rng, 700, 2200), log_uniform(rng, 0.004, 0.016)
        m = samples(rate, 8 * decay)
        near = rng.uniform(0.2, 1) if people > 1 else 1.0
        for at in onsets(rng, n, rate, rng.uniform(0.18, 0.5), 0.08):
            clap = noise(rng, m) * burst(m, rate, 0.0008, decay)
            shaped = formants(clap, rate, [centre, 2.3 * centre], [0.6 * centre, centre], [1, 0.4])
            add(out, shaped + 0.15 * clap, at, near * rng.uniform(0.6, 1))
    return out


@sound
def footsteps(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Steps: a heel thud, then a toe, on floor, wood or gravel (PhISEM, Cook 1997)."""
    gap, ground = rng.uniform(0.35, 0.85), rng.integers(3)
    freqs = log_uniform(rng, 70, (900, 500, 300)[ground], 5)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, gap, 0.06):
        loud, m = rng.uniform(0.5, 1), samples(rate, 0.3)
        hit = noise(rng, m) * burst(m, rate, 0.001, rng.uniform(0.003, 0.012))
        hit = hit + rng.uniform(0.2, 0.6) * np.roll(
            hit, samples(rate, gap * rng.uniform(0.12, 0.25))
        )
        step = unit(modes(hit, rate, freqs, 0.08, 1 / np.arange(1, 6)))
        step = step + (0.5, 0.15, 0.3)[ground] * unit(band(hit, rate, 800, 5000, 1))
        if ground == 2:
            grit = sparse(rng, m, rate, 900, 0.8) * contour(m, [0.2, 1, 0.4, 0])
            step = 0.5 * step + 1.5 * unit(band(grit, rate, 900, 6000, 1))
        add(out, step, at, loud)
    return out


@sound
def brushing_teeth(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Strokes of a brush: bright noise, three to six strokes a second, in bouts with rests."""
    pace = rng.uniform(2.8, 6) * (1 + 0.06 * slow(rng, n, rate, 2))
    swing = np.sin(np.pi * np.cumsum(pace) / rate)
    centre = min(log_uniform(rng, 1800, 5000), 0.35 * rate)
    push = unit(band(noise(rng, n), rate, 0.6 * centre, 1.8 * centre, 1))
    pull = unit(band(noise(rng, n), rate, 0.4 * centre, 1.3 * centre, 1))
    stroke = (
        np.maximum(swing, 0) ** 1.5 * push
        + rng.uniform(0.4, 1) * np.maximum(-swing, 0) ** 1.5 * pull
    )
    mouth = formants(stroke, rate, *vowel(VOWELS[rng.integers(5)], 1.0))
    bouts = np.clip(4 * slow(rng, n, rate, 1.2) + 5, 0.01, 1)
    return (stroke + rng.uniform(0, 1.5) * mouth) * bouts
