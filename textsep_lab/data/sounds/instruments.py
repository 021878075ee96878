"""Musical instruments: modal, plucked-string, additive and drum models. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    Numbers,
    add,
    band,
    burst,
    contour,
    fade,
    formants,
    impulse,
    log_uniform,
    modes,
    noise,
    onsets,
    samples,
    smooth,
    sound,
    tone,
    unit,
)

SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 5, 7), (0, 3, 7, 12))


def hertz(semitones: Numbers | float) -> np.ndarray:
    """Frequency in Hz of a note counted in semitones from middle C."""
    return 261.63 * 2 ** (np.asarray(semitones) / 12)


def melody(rng: np.random.Generator, count: int, low: int, high: int) -> np.ndarray:
    """Notes in semitones from middle C: a random walk on a major scale between low and high."""
    steps = np.cumsum(rng.integers(-3, 4, count)) + rng.integers(0, 7)
    notes = rng.integers(0, 12) + SCALE[steps % 7] + 12 * (steps // 7)
    return low + (notes - low) % (high - low)


@sound
def piano(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Struck strings: stretched partials f k sqrt(1 + B k^2), hammer comb, decay by pitch.

    Inharmonicity after Fletcher 1964; notes of a random tune, some of them chords.
    """
    bright, chordal = rng.uniform(1.2, 2.4), rng.uniform(0, 0.7)
    starts = onsets(rng, n, rate, log_uniform(rng, 0.2, 0.9), rng.choice([0.03, 0.4]))
    out, k = np.zeros(n), np.arange(1, 15)
    for at, note in zip(starts, melody(rng, len(starts), -20, 22), strict=True):
        chord = CHORDS[rng.integers(len(CHORDS))] if rng.uniform() < chordal else (0,)
        for f0 in hertz(note + np.array(chord)):
            freqs = f0 * k * np.sqrt(1 + 4e-4 * k**2)
            amps = np.abs(np.sin(np.pi * k / 7.3)) / k**bright
            t60 = 4.0 * (220 / f0) ** 0.4 / (1 + 0.25 * k)
            string = modes(impulse(samples(rate, rng.uniform(0.5, 2.0))), rate, freqs, t60, amps)
            string *= contour(len(string), [1, 1, 0], [0, 0.85, 1])
            add(out, string, at, rng.uniform(0.5, 1) / len(chord) ** 0.5)
        hammer = smooth(noise(rng, samples(rate, 0.03)), rate, 400)
        add(out, hammer * np.hanning(len(hammer)), at, 0.15)
    return out


def pluck(
    rng: np.random.Generator, n: int, rate: int, f0: float, damping: float, bright: float
) -> np.ndarray:
    """Plucked string [n] of Karplus & Strong 1983, one period of the loop at a time.

    The loop averages two neighbours; a linear fractional delay keeps it in tune (Jaffe & Smith).
    """
    delay = rate / f0 - 0.5
    period, part = int(delay), delay % 1
    taps = damping * np.array([0.5 * (1 - part), 0.5, 0.5 * part])
    out = np.zeros(n + 2 * period + 4)
    pick = smooth(noise(rng, period), rate, bright)
    out[2 : period + 2] = pick - np.roll(pick, max(1, int(period * rng.uniform(0.1, 0.4))))
    for at in range(period + 2, n + 2, period):
        last = out[at - period - 2 : at]
        out[at : at + period] = np.convolve(last, taps, "valid")
    return out[2 : n + 2]


@sound
def guitar(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Plucked strings in arpeggios or strummed chords (Karplus & Strong 1983) on a wooden body."""
    strum, root = rng.uniform() < 0.4, int(rng.integers(-20, -6))
    gap = log_uniform(rng, 0.35, 1.2) if strum else log_uniform(rng, 0.12, 0.5)
    damping, bright = 1 - log_uniform(rng, 0.001, 0.01), log_uniform(rng, 1500, 6000)
    starts = onsets(rng, n, rate, gap, rng.choice([0.03, 0.25]))
    out = np.zeros(n)
    for at, note in zip(starts, melody(rng, len(starts), root, root + 26), strict=True):
        chord = (0, 7, 12, 16, 19) if strum else (0,)
        for k, f0 in enumerate(hertz(note + np.array(chord))):
            string = pluck(rng, samples(rate, rng.uniform(0.6, 1.6)), rate, f0, damping, bright)
            start = at + int(k * 0.018 * rate)
            if start < n:
                add(out, string * fade(len(string), rate, 0.002), start, rng.uniform(0.6, 1))
    body = np.array([105, 210, 410]) * rng.uniform(0.85, 1.2)
    return out + 2 * formants(out, rate, body, [40, 60, 120], [1, 0.8, 0.5])


@sound
def organ(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Pipes: chords of additive drawbar ranks that hold and change, with a tremulant in some."""
    ranks = rng.permutation([0.5, 1, 2, 3, 4, 6, 8])[: rng.integers(3, 7)]
    ranks = np.unique(np.append(ranks, 1))
    amps, root = rng.uniform(0.2, 1, len(ranks)) / ranks**0.5, rng.integers(-14, 6)
    out, step = np.zeros(n), rng.uniform(0.5, 2.5)
    for at in onsets(rng, n, rate, step, 0.05, start=rng.uniform(0, 0.2)):
        m = samples(rate, step * rng.uniform(0.9, 1.05))
        for f0 in hertz(root + rng.choice(SCALE) + np.array(CHORDS[rng.integers(len(CHORDS))])):
            for ratio, amp in zip(ranks, amps, strict=True):
                detune = 1 + rng.normal(0, 5e-4)
                add(
                    out,
                    tone(rng, np.full(m, f0 * ratio * detune), rate) * fade(m, rate, 0.03),
                    at,
                    amp,
                )
    shake = np.sin(2 * np.pi * rng.uniform(4, 7) * np.arange(n) / rate)
    return out * (1 + rng.uniform(0, 0.25) * rng.integers(0, 2) * shake)


@sound
def flute(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A blown pipe: few harmonics, vibrato that grows in each note, and breath around the pitch."""
    length, vibrato, depth = (
        log_uniform(rng, 0.18, 1.1),
        rng.uniform(4, 6.5),
        rng.uniform(0.002, 0.012),
    )
    breath, overtones = rng.uniform(0.05, 0.4), rng.uniform(0.05, 0.6, 3) * [1, 0.6, 0.3]
    starts = onsets(rng, n, rate, length, 0.25)
    out = np.zeros(n)
    for at, note in zip(starts, melody(rng, len(starts), 2, 29), strict=True):
        m, f0 = samples(rate, length * rng.uniform(0.75, 1.05)), float(hertz(note))
        wave = np.sin(2 * np.pi * vibrato * np.arange(m) / rate) * contour(m, [0, 1, 1])
        pitch = f0 * (1 + depth * wave) * contour(m, [0.985, 1, 1, 1], [0, 0.08, 0.5, 1])
        blown = tone(rng, pitch, rate) * (1 + 0.15 * wave)
        for k, amp in zip((2, 3, 4), overtones, strict=True):
            blown = blown + amp * tone(rng, k * pitch, rate)
        air = unit(
            formants(noise(rng, m), rate, [f0, 2 * f0, 3 * f0], [0.2 * f0] * 3, [1, 0.6, 0.4])
        )
        air = air + 0.3 * unit(band(noise(rng, m), rate, 1500, 6000, 1))
        add(out, (blown + breath * 0.3 * air) * contour(m, [0, 1, 0.9, 0], [0, 0.12, 0.8, 1]), at)
    return out


def kit(
    rng: np.random.Generator, rate: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One drum kit: kick (falling sine), snare (modes and wires), hat (bright noise), tom."""
    m = samples(rate, 0.45)
    fall = log_uniform(rng, 45, 70) * (1 + rng.uniform(1.5, 4) * burst(m, rate, 0.001, 0.025))
    kick = tone(rng, fall, rate) * burst(m, rate, 0.002, rng.uniform(0.06, 0.18))
    shell = log_uniform(rng, 160, 240) * np.array([1, 1.6, 2.2])
    wires = unit(band(noise(rng, m), rate, 1200, 8000, 1)) * burst(
        m, rate, 0.001, rng.uniform(0.03, 0.1)
    )
    snare = 0.5 * modes(impulse(m), rate, shell, 0.2, [1, 0.7, 0.4]) + rng.uniform(0.2, 0.5) * wires
    hat = unit(band(noise(rng, m), rate, 5000, 12000, 2)) * burst(
        m, rate, 0.0005, log_uniform(rng, 0.01, 0.1)
    )
    skin = log_uniform(rng, 80, 180) * (1 + 0.3 * burst(m, rate, 0.001, 0.05))
    tom = tone(rng, skin, rate) * burst(m, rate, 0.002, 0.12)
    return kick, snare, 0.2 * hat, tom


@sound
def drums(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A beat on a grid of sixteenths: kick, snare, hat and tom in a pattern drawn for the clip."""
    pieces = kit(rng, rate)
    sixteenth = 15 / rng.uniform(75, 160)
    chances = np.array(
        [[0.9, 0.1, 0.4, 0.1], [0.05, 0.9, 0.05, 0.1], [0.9, 0.3, 0.8, 0.3], [0.1] * 4]
    )
    beat = rng.uniform(size=(4, 16)) < np.tile(chances, 4) * rng.uniform(0.4, 1.1, (4, 1))
    beat[1, [0, 8]] = False
    beat[0, 0] = True
    out = np.zeros(n)
    for step, at in enumerate(onsets(rng, n, rate, sixteenth, 0.01, start=rng.uniform(0, 0.3))):
        for drum, plays in zip(pieces, beat[:, step % 16], strict=True):
            if plays:
                add(out, drum, at, rng.uniform(0.7, 1))
    return out


@sound
def church_bells(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Bells: hum, prime, minor third, fifth and nominal, each with its own long decay.

    Partial ratios of a tuned bell after Rossing & Perrin 1987; one to four bells ring in turn.
    """
    ratios = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3.0, 4.1, 5.4])
    root, count = log_uniform(rng, 180, 620), rng.integers(1, 5)
    bells = root * hertz(rng.choice(SCALE, count, replace=False)) / hertz(0)
    amps = rng.uniform(0.3, 1, 10) / ratios**0.4
    t60 = rng.uniform(3, 9) / ratios ** rng.uniform(0.5, 0.9)
    out = np.zeros(n)
    for k, at in enumerate(onsets(rng, n, rate, log_uniform(rng, 0.35, 2.2), 0.06)):
        m = min(n - at, samples(rate, 2.5))
        freqs = bells[k % count] * ratios * np.exp(rng.normal(0, 0.002, 10))
        ring = modes(impulse(m), rate, freqs, t60, amps) + 0.05 * modes(
            impulse(m), rate, freqs[5:] * 2.3, 0.15, amps[5:]
        )
        add(out, ring * contour(m, [1, 1, 0], [0, 0.8, 1]), at, rng.uniform(0.7, 1))
    return out
