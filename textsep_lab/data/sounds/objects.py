"""Things that are hit, clicked, broken, opened or sawn: modal synthesis. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    add,
    band,
    burst,
    contour,
    formants,
    impulse,
    log_uniform,
    modes,
    noise,
    onsets,
    pulses,
    samples,
    slow,
    smooth,
    sound,
    sparse,
    tone,
    unit,
)


@sound
def door_wood_knock(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Knocks: groups of two to five hits on the damped modes of a wooden panel."""
    freqs = log_uniform(rng, 90, 1600, 10)
    t60 = log_uniform(rng, 0.04, 0.16) * (freqs[0] / freqs) ** 0.3
    amps, gap = rng.uniform(0.3, 1, 10) * (200 / freqs) ** 0.5, rng.uniform(0.1, 0.32)
    m = samples(rate, 0.4)
    out = np.zeros(n)
    for start in onsets(rng, n, rate, rng.uniform(1.3, 3.0)):
        for at in onsets(rng, n, rate, gap, 0.08, start=start / rate)[: rng.integers(2, 6)]:
            knuckle = noise(rng, m) * burst(m, rate, 0.0003, rng.uniform(0.001, 0.003))
            knock = modes(knuckle, rate, freqs, t60, amps) + 0.2 * knuckle
            add(out, knock, at, rng.uniform(0.6, 1))
    return out


def click(
    rng: np.random.Generator, rate: int, freqs: np.ndarray, t60: float, thump: float
) -> np.ndarray:
    """A switch or a key: a millisecond of noise that rings small plastic modes and a thump."""
    m = samples(rate, 0.12)
    hit = noise(rng, m) * burst(m, rate, 0.0002, rng.uniform(0.0006, 0.002))
    ring = unit(modes(hit, rate, freqs, t60, np.ones(len(freqs))))
    low = modes(hit, rate, [thump, 2.2 * thump], 0.06, [1, 0.5])
    return ring + 0.5 * unit(low) + 0.4 * unit(hit)


@sound
def mouse_click(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Clicks in pairs, press and release 60 to 160 ms apart, one to six pairs."""
    freqs, thump = log_uniform(rng, 1500, 6500, 5), log_uniform(rng, 200, 600)
    t60, hold = log_uniform(rng, 0.006, 0.025), rng.uniform(0.06, 0.16)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, log_uniform(rng, 0.3, 1.6), 0.5)[: rng.integers(1, 9)]:
        add(out, click(rng, rate, freqs, t60, thump), at, rng.uniform(0.7, 1))
        up = at + int(hold * rng.uniform(0.8, 1.2) * rate)
        if up < n:
            add(out, click(rng, rate, 1.15 * freqs, t60, thump), up, rng.uniform(0.3, 0.7))
    return out


@sound
def keyboard_typing(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Runs of key strokes: each key slightly different, down and softly up again."""
    freqs, thump = log_uniform(rng, 900, 5000, 5), log_uniform(rng, 120, 350)
    t60, gap = log_uniform(rng, 0.01, 0.04), log_uniform(rng, 0.09, 0.26)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, gap, rng.uniform(0.25, 0.6)):
        key = np.exp(rng.normal(0, 0.08, len(freqs)))
        add(out, click(rng, rate, key * freqs, t60, thump), at, rng.uniform(0.4, 1))
        up = at + int(rng.uniform(0.06, 0.11) * rate)
        if up < n:
            add(
                out,
                click(rng, rate, 1.2 * key * freqs, t60, 1.5 * thump),
                up,
                rng.uniform(0.1, 0.4),
            )
    return out


@sound
def clock_tick(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Ticks at an even beat, tick and tock on slightly different damped metal modes."""
    beat, uneven = (
        rng.choice([0.2, 0.25, 0.4, 0.5, 1.0]) * rng.uniform(0.95, 1.05),
        rng.uniform(-0.1, 0.1),
    )
    freqs, t60 = log_uniform(rng, 1200, 7000, 6), log_uniform(rng, 0.008, 0.06)
    body, tock = log_uniform(rng, 250, 900), rng.uniform(0.8, 1.2)
    out = np.zeros(n)
    for k, at in enumerate(onsets(rng, n, rate, beat, 0.004)):
        odd = k % 2
        tick = click(rng, rate, freqs * (tock if odd else 1), t60, body)
        at += int(odd * uneven * beat * rate)
        if at < n:
            add(out, tick, at, 0.75 if odd else 1.0)
    return out


@sound
def glass_breaking(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A crash of noise, then shards: high lightly damped modes at thinning random times."""
    at, spread = int(rng.uniform(0.02, 0.35) * n), rng.uniform(0.1, 0.5)
    m = samples(rate, 0.5)
    crash = band(noise(rng, m), rate, rng.uniform(800, 2500), 9000, 1)
    out = np.zeros(n)
    add(out, unit(crash) * burst(m, rate, 0.0005, rng.uniform(0.02, 0.08)), at, rng.uniform(0.5, 2))
    low, ring = log_uniform(rng, 1200, 2600), log_uniform(rng, 0.08, 0.4)
    delays = np.append(0.0, rng.exponential(spread, rng.integers(15, 60)))
    for delay in delays:
        start = at + int(delay * rate)
        if start < n:
            freqs = np.minimum(log_uniform(rng, low, 9000, 4), rng.uniform(0.3, 0.45, 4) * rate)
            t60 = ring * rng.uniform(0.4, 1.2, 4)
            shard = modes(
                impulse(samples(rate, 1.2 * ring)), rate, freqs, t60, rng.uniform(0.2, 1, 4)
            )
            add(out, shard, start, np.exp(-0.6 * delay / spread) * rng.uniform(0.2, 1))
    return out


@sound
def can_opening(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A tab's click, the hiss of gas and a metal crack."""
    at = int(rng.uniform(0.05, 0.3) * n)
    freqs = log_uniform(rng, 900, 6500, 8)
    out = np.zeros(n)
    m = samples(rate, 0.25)
    hit = noise(rng, m) * burst(m, rate, 0.0003, 0.003)
    can = unit(modes(hit, rate, freqs, log_uniform(rng, 0.03, 0.15), np.ones(8)))
    k = samples(rate, rng.uniform(0.25, 1.2))
    hiss = unit(band(noise(rng, k), rate, rng.uniform(1500, 3000), 9000, 1))
    hiss *= burst(k, rate, 0.006, rng.uniform(0.05, 0.3)) * contour(k, [1, 0.8, 0])
    for sound_part, delay, loud in (
        (can, 0, 0.6),
        (hiss, 0.03, 1),
        (can, rng.uniform(0.1, 0.5), 1.2),
    ):
        start = at + int(delay * rate)
        if start < n:
            add(out, sound_part, start, loud * rng.uniform(0.6, 1.2))
    return out


@sound
def door_wood_creaks(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Stick and slip: pulses of a wandering rate ring the modes of wood (Farnell 2010)."""
    freqs = log_uniform(rng, 250, 3200, 8)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, rng.uniform(1.2, 2.8), 0.3):
        m = samples(rate, rng.uniform(0.5, 1.8))
        slip = log_uniform(rng, 15, 220) * contour(m, np.exp(rng.normal(0, 0.5, 5)))
        slip *= np.exp(0.12 * slow(rng, m, rate, 40))
        hits = pulses(rng, slip, rate) * (1 + 0.5 * slow(rng, m, rate, 25))
        creak = formants(hits, rate, freqs, 0.06 * freqs + 20, rng.uniform(0.3, 1, 8))
        add(out, unit(creak) * contour(m, [0, 1, 0.5, 0.9, 0]), at, rng.uniform(0.5, 1))
    return out


@sound
def hand_saw(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Strokes of a saw: tooth-rate pulses and noise through wood, loud push and softer pull."""
    pace = rng.uniform(0.9, 2.8) * (1 + 0.06 * slow(rng, n, rate, 1.5))
    swing = np.sin(2 * np.pi * np.cumsum(pace) / rate)
    speed = np.maximum(swing, 0) + rng.uniform(0.2, 0.8) * np.maximum(-swing, 0)
    teeth = pulses(rng, rng.uniform(80, 260) * (0.4 + speed), rate)
    source = rng.uniform(0.1, 0.5) * teeth + noise(rng, n)
    wood = log_uniform(rng, 700, 5500, 5)
    rasp = unit(formants(source, rate, wood, 0.3 * wood, rng.uniform(0.4, 1, 5)))
    rasp = rasp + 0.4 * unit(band(source, rate, 1500, 7000, 1))
    return rasp * speed**1.3 * np.clip(4 * slow(rng, n, rate, 0.7) + 7, 0.01, 1)


@sound
def fireworks(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Shells: sometimes a rising whistle, a boom of low noise, then a crackle of sparks."""
    out = np.zeros(n)
    for at in onsets(rng, n, rate, log_uniform(rng, 0.5, 2.2), 0.5)[: rng.integers(1, 9)]:
        m = samples(rate, rng.uniform(0.8, 1.6))
        far = log_uniform(rng, 500, 4000)
        boom = unit(smooth(noise(rng, m), rate, far / 6)) * burst(
            m, rate, 0.002, rng.uniform(0.06, 0.25)
        )
        boom = boom + 0.5 * unit(band(noise(rng, m), rate, 200, far, 1)) * burst(
            m, rate, 0.001, 0.04
        )
        loud = rng.uniform(0.4, 1)
        add(out, boom, at, loud)
        if rng.uniform() < 0.4:
            sparks = sparse(rng, m, rate, log_uniform(rng, 40, 300), 0.8) * contour(
                m, [0, 0.3, 1, 0]
            )
            ring = formants(sparks, rate, [1800, 3200], [900, 1500], [1, 1])
            add(out, unit(ring), at, 0.3 * loud)
        if rng.uniform() < 0.35 and at > m:
            rise = contour(m, [0.6, 1.0]) * min(log_uniform(rng, 1800, 3500), 0.4 * rate)
            add(out, tone(rng, rise, rate) * contour(m, [0, 1, 0.4, 0]), at - m, 0.3 * loud)
    return out
