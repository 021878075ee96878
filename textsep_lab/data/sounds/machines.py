"""Motors, vehicles and signals: harmonic combs with jitter, noise, beeps. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

from textsep_lab.data.sounds.primitives import (
    add,
    band,
    burst,
    contour,
    fade,
    formants,
    log_uniform,
    modes,
    noise,
    onsets,
    pulses,
    samples,
    slow,
    smooth,
    sound,
    tone,
    unit,
    voice,
)


def revs(rng: np.random.Generator, n: int, rate: int, amount: float) -> np.ndarray:
    """Relative speed curve of an engine: a slow wander and a few swells of the throttle."""
    curve = 0.02 * slow(rng, n, rate, 3)
    for at in onsets(rng, n, rate, rng.uniform(1.0, 3.0), 0.4):
        m = samples(rate, rng.uniform(0.6, 2.2))
        add(curve, contour(m, [0, 1, 0.8, 0], [0, 0.25, 0.6, 1]), at, amount * rng.uniform(0.3, 1))
    return np.clip(1 + curve, 0.7, 4)


@sound
def engine(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A car at idle or under throttle: 18 to 75 firings a second through exhaust resonances."""
    speed = revs(rng, n, rate, rng.choice([0.0, 0.3, 1.5]))
    firing = log_uniform(rng, 18, 75) * speed
    pipe = log_uniform(rng, 70, 900, 5)
    source = voice(rng, firing, rate, rng.uniform(0.2, 0.8), 0.04, 300)
    cylinder = 1 + 0.4 * tone(rng, firing / rng.choice([2, 4]), rate)
    out = unit(formants(source * cylinder, rate, pipe, 0.25 * pipe + 30, rng.uniform(0.3, 1, 5)))
    knock = (0.5 + 0.5 * tone(rng, firing, rate)) ** rng.uniform(0, 5)
    hiss = unit(knock * band(noise(rng, n), rate, 800, rng.uniform(2500, 6000), 1))
    return speed**0.7 * (out + rng.uniform(0.05, 0.35) * hiss)


@sound
def chainsaw(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A two-stroke motor: harsh comb of 70 to 220 Hz, idling, revving and biting into wood."""
    speed = revs(rng, n, rate, rng.uniform(0.3, 1.4))
    firing = log_uniform(rng, 70, 140) * speed * (1 + 0.012 * slow(rng, n, rate, 50))
    pipe = log_uniform(rng, 300, 4500, 5)
    source = voice(rng, firing, rate, rng.uniform(0.2, 0.6), 0.02, 1500)
    out = unit(formants(source, rate, pipe, 0.35 * pipe, rng.uniform(0.4, 1, 5))) + 0.3 * source
    chain = unit(band(noise(rng, n), rate, 1500, 7500, 1)) * np.clip(speed - 0.8, 0, 2)
    return speed * out + rng.uniform(0.1, 0.6) * chain


@sound
def helicopter(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Blade slap: low noise and thumps gated 8 to 22 times a second, over a turbine's whine."""
    blade = log_uniform(rng, 8, 22) * (1 + 0.01 * slow(rng, n, rate, 1))
    beat = 0.5 + 0.5 * tone(rng, blade, rate)
    chop = beat ** rng.uniform(2, 7)
    wash = unit(band(noise(rng, n), rate, 60, log_uniform(rng, 300, 1800), 1))
    thump = unit(smooth(pulses(rng, blade * rng.choice([1, 2]), rate), rate, 90))
    whine_hz = min(log_uniform(rng, 400, 2500), 0.3 * rate) * (1 + 0.002 * slow(rng, n, rate, 4))
    whine = tone(rng, whine_hz, rate) + 0.4 * tone(rng, 1.5 * whine_hz, rate)
    hiss = unit(band(noise(rng, n), rate, 1000, 6000, 1))
    near = contour(n, rng.uniform(0.5, 1, 3))
    out = wash * (chop + 0.15) + rng.uniform(0.1, 0.5) * thump
    return near * (
        out + rng.uniform(0, 0.06) * whine + rng.uniform(0.02, 0.2) * hiss * (0.3 + chop)
    )


@sound
def vacuum_cleaner(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A universal motor's whine with overtones in a broad rush of air, with a spin-up in some."""
    spin = np.ones(n)
    if rng.uniform() < 0.3:
        start = rng.uniform(0.05, 0.3)
        spin = contour(n, [0.02, 0.02, 0.9, 1, 1], [0, start, start + 0.15, start + 0.3, 1])
    whine = log_uniform(rng, 180, 700) * (0.2 + 0.8 * spin) * (1 + 0.004 * slow(rng, n, rate, 2))
    hose = log_uniform(rng, 300, 4500, 5)
    comb = unit(formants(pulses(rng, whine, rate), rate, hose, 0.4 * hose, rng.uniform(0.3, 1, 5)))
    air = noise(rng, n)
    rush = unit(smooth(band(air, rate, 100, 9000, 1), rate, log_uniform(rng, 500, 4000)))
    rush = rush + unit(formants(air, rate, hose, 0.3 * hose, rng.uniform(0, 1, 5)))
    mains = tone(rng, np.full(n, rng.choice([100.0, 120.0])), rate)
    return spin**2 * (rush + rng.uniform(0.2, 1.0) * comb + rng.uniform(0, 0.4) * mains)


@sound
def washing_machine(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A drum that turns: motor hum, slosh of water once a turn, a spin's rising whine in some."""
    turn = log_uniform(rng, 0.6, 3) if rng.uniform() < 0.6 else log_uniform(rng, 8, 18)
    phase = 2 * np.pi * turn * np.arange(n) / rate + rng.uniform(0, 6)
    slosh = np.maximum(np.sin(phase) + 0.3 * np.sin(2 * phase + 1), 0) ** 1.5
    water = unit(band(noise(rng, n), rate, rng.uniform(150, 500), rng.uniform(1500, 4000), 1))
    hum = rng.choice([50.0, 60.0]) * (1 + 0.01 * slow(rng, n, rate, 1))
    cabinet = log_uniform(rng, 60, 900, 5)
    motor = unit(formants(voice(rng, hum, rate, 0.4), rate, cabinet, 0.2 * cabinet, np.ones(5)))
    whine = log_uniform(rng, 250, 1100) * contour(n, rng.uniform(0.9, 1.15, 3))
    out = rng.uniform(0.3, 1) * motor + rng.uniform(0.3, 1.2) * (slosh + 0.15) * water
    return out + rng.uniform(0, 0.3) * tone(rng, whine, rate)


@sound
def airplane(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A fly-over: roar that darkens as it leaves, with a propeller comb or a jet's whine."""
    near = contour(
        n, [rng.uniform(0.2, 0.9), 1, rng.uniform(0.2, 0.9)], [0, rng.uniform(0.2, 0.8), 1]
    )
    doppler = contour(n, [1.08, 1.0, 0.92])
    dark = unit(smooth(band(noise(rng, n), rate, 40, 2000, 1), rate, log_uniform(rng, 120, 400)))
    bright = unit(band(noise(rng, n), rate, 300, log_uniform(rng, 1500, 5000), 1))
    out = dark + rng.uniform(0.2, 0.7) * near**2 * bright
    if rng.uniform() < 0.5:
        comb = smooth(pulses(rng, log_uniform(rng, 55, 130) * doppler, rate), rate, 250)
        out = out + rng.uniform(0.5, 1.5) * unit(comb)
    else:
        whine = min(log_uniform(rng, 1000, 3500), 0.4 * rate) * doppler
        whine = whine * (1 + 0.002 * slow(rng, n, rate, 20))
        out = out + rng.uniform(0.03, 0.25) * tone(rng, whine, rate)
    return near * out * np.exp(0.1 * slow(rng, n, rate, 5))


@sound
def train(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Wheels on rail joints in double clacks over a rumble, in some clips a chord of horns."""
    rumble = unit(band(noise(rng, n), rate, 40, log_uniform(rng, 200, 600), 1))
    rumble = rumble + 0.4 * unit(band(noise(rng, n), rate, 500, 4000, 1))
    out = 0.5 * rumble * np.exp(0.2 * slow(rng, n, rate, 4))
    gap, pair = rng.uniform(0.45, 1.3), rng.uniform(0.09, 0.18)
    freqs, m = log_uniform(rng, 120, 2800, 7), samples(rate, 0.4)
    for start in onsets(rng, n, rate, gap, 0.04):
        for at in (start, start + int(pair * rate)):
            hit = noise(rng, m) * burst(m, rate, 0.001, 0.006)
            clack = unit(modes(hit, rate, freqs, 0.06, rng.uniform(0.4, 1, 7)))
            if at < n:
                add(out, clack, at, rng.uniform(0.8, 1.6))
    if rng.uniform() < 0.4:
        at, k = int(rng.uniform(0, 0.4) * n), samples(rate, rng.uniform(0.8, 2.2))
        for ratio in (1, 1.26, 1.5, 1.68):
            horn = smooth(pulses(rng, np.full(k, 311 * ratio), rate), rate, 900)
            add(out, unit(horn) * fade(k, rate, 0.08), at, rng.uniform(0.4, 0.8))
    return out
