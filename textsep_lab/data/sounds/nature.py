"""Water, wind, fire and storms: filtered noise and clouds of grains. Taught in notebook 01."""

from __future__ import annotations

import numpy as np

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
    smooth,
    sound,
    sparse,
    tone,
    unit,
)


def bubble(
    rng: np.random.Generator, rate: int, freq: float, decay: float, rise: float = 0.1
) -> np.ndarray:
    """A bubble of air: a sine that rises as it dies away (van den Doel 2005)."""
    m = samples(rate, 6 * decay)
    t = np.arange(m) / rate
    return tone(rng, freq * (1 + rise * t / decay), rate) * burst(m, rate, 0.001, decay)


@sound
def rain(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Steady hiss of far drops and Poisson patter of near ones (PhISEM, Cook 1997)."""
    hiss = unit(band(noise(rng, n), rate, log_uniform(rng, 200, 1500), 12000, 1))
    dark = smooth(hiss, rate, log_uniform(rng, 300, 2500))
    hiss = unit(rng.uniform(0.1, 1) * hiss + rng.uniform(0, 1.5) * unit(dark))
    surface = log_uniform(rng, 700, 6500, 5)
    drops = sparse(rng, n, rate, log_uniform(rng, 60, 2500), 0.9)
    patter = unit(formants(drops, rate, surface, 0.25 * surface + 150, rng.uniform(0.3, 1, 5)))
    swell = 1 + 0.12 * slow(rng, n, rate, 1.5)
    return smooth(
        (hiss + rng.uniform(0.2, 1.4) * patter) * swell, rate, log_uniform(rng, 500, 8000)
    )


@sound
def sea_waves(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Swell and surf: noise whose loudness and brightness rise slowly and fall after the break."""
    period = rng.uniform(2.5, 8)
    swell = np.zeros(n)
    for at in onsets(rng, n, rate, period, 0.2, start=0.0):
        m = samples(rate, period * rng.uniform(0.9, 1.5))
        crest = rng.uniform(0.25, 0.55)
        add(swell, contour(m, [0, 1, 0.35, 0], [0, crest, crest + 0.2, 1]), at, rng.uniform(0.6, 1))
    shift = rng.integers(0, n)
    swell = np.roll(np.concatenate([swell, swell[::-1]]), shift)[:n] + rng.uniform(0.05, 0.25)
    swell *= np.exp(0.12 * slow(rng, n, rate, 6))
    deep = unit(smooth(band(noise(rng, n), rate, 60, log_uniform(rng, 500, 1200), 1), rate, 900))
    foam = unit(band(noise(rng, n), rate, log_uniform(rng, 600, 1800), rng.uniform(5000, 9000), 1))
    return swell * deep + rng.uniform(0.4, 1.2) * swell**2 * foam


@sound
def wind(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Gusts: noise through resonances that swell on their own, sometimes a howl (Farnell 2010)."""
    source = noise(rng, n)
    gust = np.exp(rng.uniform(0.4, 0.9) * slow(rng, n, rate, rng.uniform(0.6, 2)))
    out = rng.uniform(0.3, 1.5) * unit(band(source, rate, 30, log_uniform(rng, 100, 400), 1))
    for centre in log_uniform(rng, 150, 1300, 4):
        swell = np.exp(0.7 * slow(rng, n, rate, rng.uniform(0.7, 3)))
        layer = unit(formants(source, rate, [centre], [0.5 * centre], [1]))
        out = out + swell * layer * rng.uniform(0.2, 0.7)
    if rng.uniform() < 0.45:
        freq = log_uniform(rng, 350, 1100) * np.exp(0.12 * slow(rng, n, rate, 1.5))
        howl = tone(rng, freq, rate) * np.abs(smooth(noise(rng, n), rate, 15)) * np.sqrt(rate / 15)
        out = out + rng.uniform(0.1, 0.6) * gust * smooth(howl, rate, 2000)
    return out * gust + 0.03 * unit(band(source, rate, 800, 5000, 1))


@sound
def thunderstorm(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A crack and a rolling rumble of low noise bursts, over rain in most clips (Farnell 2010)."""
    out = rng.choice([0.0, 0.02, 0.05, 0.12]) * unit(smooth(rain(rng, n, rate), rate, 2500))
    for at in onsets(rng, n, rate, rng.uniform(2.5, 5))[: rng.integers(1, 3)]:
        m = samples(rate, rng.uniform(2.0, 5.0))
        rolls = np.zeros(m)
        for roll in onsets(rng, m, rate, rng.uniform(0.2, 0.6), 0.6, start=0.0):
            add(
                rolls,
                burst(m, rate, rng.uniform(0.01, 0.12), rng.uniform(0.15, 0.7)),
                roll,
                rng.uniform(0.3, 1),
            )
        rolls *= np.exp(-np.arange(m) / rate / rng.uniform(0.8, 2.5))
        rolls *= contour(m, [1, 1, 0])
        depth = log_uniform(rng, 80, 350)
        rumble = unit(smooth(band(noise(rng, m), rate, 30, depth, 1), rate, 2 * depth))
        crack = unit(band(noise(rng, m), rate, 200, 2500, 1)) * burst(m, rate, 0.003, 0.12)
        add(out, rolls * rumble + rng.uniform(0, 0.5) * crack, at)
    return out


@sound
def crackling_fire(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A low roar, soft hiss and heavy-tailed crackles that ring for a few milliseconds."""
    flame = np.exp(0.4 * slow(rng, n, rate, 6))
    roar = unit(band(noise(rng, n), rate, 40, log_uniform(rng, 120, 500), 1)) * flame
    hiss = unit(band(noise(rng, n), rate, 1500, 7000, 1))
    freqs = log_uniform(rng, 900, 7000, 5)
    snaps = sparse(rng, n, rate, log_uniform(rng, 5, 45), 1.3)
    crackle = modes(snaps, rate, freqs, log_uniform(rng, 0.0015, 0.012, 5), rng.uniform(0.3, 1, 5))
    ticks = sparse(rng, n, rate, log_uniform(rng, 30, 150), 0.8)
    fine = modes(ticks, rate, freqs[:2] * 1.3, 0.006, [1, 1])
    mix = rng.uniform(0.05, 0.5) * roar + rng.uniform(0.01, 0.12) * hiss
    return mix + crackle + rng.uniform(0.1, 0.3) * fine


@sound
def water_drops(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Single drops: a click of impact and one or two rising bubbles (van den Doel 2005)."""
    base, gap = log_uniform(rng, 450, 1800), log_uniform(rng, 0.25, 1.4)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, gap, rng.uniform(0.05, 0.5))[: rng.integers(2, 16)]:
        loud = rng.uniform(0.4, 1)
        click = noise(rng, samples(rate, 0.004))
        add(out, band(click, rate, 1500, 8000, 1) * np.hanning(len(click)), at, 0.15 * loud)
        for _ in range(rng.integers(1, 3)):
            freq = base * np.exp(rng.normal(0, 0.2))
            drop = bubble(rng, rate, freq, log_uniform(rng, 0.008, 0.04), rng.uniform(0.02, 0.2))
            add(out, drop, min(n - 1, at + int(rng.uniform(0.002, 0.05) * rate)), loud)
    return out


@sound
def pouring_water(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A stream of bubbles whose pitch climbs as the vessel fills, over a soft splash of noise."""
    low, high = log_uniform(rng, 350, 700), log_uniform(rng, 900, 2200)
    begin, end = rng.uniform(0, 0.15), rng.uniform(0.75, 1.0)
    out = np.zeros(n)
    for at in onsets(rng, n, rate, 1 / rng.uniform(50, 110), 0.6, start=begin * n / rate):
        if at < end * n:
            freq = (low + (high - low) * at / n) * np.exp(rng.normal(0, 0.45))
            drop = bubble(rng, rate, freq, log_uniform(rng, 0.004, 0.018), rng.uniform(0, 0.2))
            add(out, drop, at, np.exp(0.6 * rng.normal()))
    gate = contour(n, [0, 0, 1, 1, 0, 0], [0, begin, begin + 0.05, end - 0.05, end, 1.0001])
    splash = unit(band(noise(rng, n), rate, 600, rng.uniform(3000, 7000), 1))
    fill = modes(noise(rng, n), rate, [low * 0.8, high], 0.05, [1, 1])
    gate *= np.exp(0.3 * slow(rng, n, rate, 15))
    return out + gate * (rng.uniform(0.1, 0.5) * splash + rng.uniform(0.05, 0.2) * unit(fill))


@sound
def toilet_flush(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """A rush of water that swells fast, holds and drains away in gurgles."""
    start, hold = rng.uniform(0.02, 0.15), rng.uniform(0.45, 0.7)
    rush = contour(n, [0, 0, 1, 0.8, 0.25, 0.15], [0, start, start + 0.1, hold, hold + 0.2, 1])
    water = unit(band(noise(rng, n), rate, 150, rng.uniform(2500, 6000), 1))
    bowl = log_uniform(rng, 250, 1800, 5)
    water = water + unit(formants(noise(rng, n), rate, bowl, 0.2 * bowl, np.ones(5)))
    out = rush * water * np.exp(0.25 * slow(rng, n, rate, 12))
    for at in onsets(rng, n, rate, 0.03, 0.7, start=start * n / rate):
        drop = bubble(rng, rate, log_uniform(rng, 200, 900), log_uniform(rng, 0.01, 0.04))
        add(out, drop, at, rng.uniform(0.1, 0.9))
    return out
