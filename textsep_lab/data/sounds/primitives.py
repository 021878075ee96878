"""Building blocks of the synthetic sounds: curves, noise, sources, filters and events.

Every block takes the sample rate in Hz and works on one-dimensional float64 arrays. A class of
sounds is a function ``(rng, n, rate) -> [n]`` marked with `sound`. Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from scipy import signal

Numbers = Sequence[float] | np.ndarray
Formants = tuple[Numbers, Numbers, Numbers]  # centres and widths in Hz, gains
Sound = Callable[[np.random.Generator, int, int], np.ndarray]
REGISTRY: dict[str, Sound] = {}


def sound(function: Sound) -> Sound:
    """Register a class of sounds under its function's name."""
    REGISTRY[function.__name__] = function
    return function


# --- random numbers and curves ----------------------------------------------------------------


@overload
def log_uniform(rng: np.random.Generator, low: float, high: float, size: None = None) -> float: ...
@overload
def log_uniform(rng: np.random.Generator, low: float, high: float, size: int) -> np.ndarray: ...
def log_uniform(
    rng: np.random.Generator, low: float, high: float, size: int | None = None
) -> float | np.ndarray:
    """Draw between low and high, evenly per octave: fits frequencies and durations."""
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def contour(n: int, values: Numbers, times: Numbers | None = None) -> np.ndarray:
    """Curve [n] through `values` at relative `times` (0 to 1), eased by half cosines."""
    values = np.asarray(values, float)
    times = np.linspace(0, 1, len(values)) if times is None else times
    knot = np.interp(np.linspace(0, 1, n), times, np.arange(len(values)))
    left = np.minimum(knot.astype(int), len(values) - 2)
    ease = 0.5 - 0.5 * np.cos(np.pi * (knot - left))
    return values[left] + ease * (values[left + 1] - values[left])


def slow(rng: np.random.Generator, n: int, rate: int, hz: float) -> np.ndarray:
    """Random curve [n], mean 0 and standard deviation near 1, with `hz` new values a second."""
    position = rng.uniform() + np.arange(n) * hz / rate
    return np.interp(
        position, np.arange(int(position[-1]) + 2), rng.normal(size=int(position[-1]) + 2)
    )


def burst(n: int, rate: int, attack: float, decay: float) -> np.ndarray:
    """Envelope [n] with an attack and an exponential decay, both time constants in seconds."""
    t = np.arange(n) / rate
    return (1 - np.exp(-t / attack)) * np.exp(-t / decay)


def fade(n: int, rate: int, seconds: float = 0.01) -> np.ndarray:
    """Flat envelope [n] with soft ends, so that a tone starts and stops without a click."""
    t = np.arange(n) / rate
    return np.clip(np.minimum(t, t[::-1]) / seconds, 0, 1)


def unit(x: np.ndarray) -> np.ndarray:
    """Scale to a root mean square of 1; silence stays silence."""
    rms = np.sqrt(np.mean(x**2))
    return x / rms if rms > 0 else x


# --- sources ----------------------------------------------------------------------------------


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """White Gaussian noise [n]."""
    return rng.normal(size=n)


def sparse(
    rng: np.random.Generator, n: int, rate: int, density: float, tail: float = 0.7
) -> np.ndarray:
    """Poisson impulses [n], `density` a second, with log-normal heights and random signs."""
    count = rng.poisson(density * n / rate)
    out = np.zeros(n)
    heights = rng.choice([-1.0, 1.0], count) * np.exp(tail * rng.normal(size=count))
    np.add.at(out, rng.integers(0, n, count), heights)
    return out


def tone(rng: np.random.Generator, f0: np.ndarray, rate: int) -> np.ndarray:
    """Sine [n] that follows the frequency curve f0 [n] in Hz; silent above Nyquist."""
    audible = f0 < 0.48 * rate
    return np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(f0) / rate) * audible


def pulses(rng: np.random.Generator, f0: np.ndarray, rate: int) -> np.ndarray:
    """Band-limited pulse train [n] at the frequency curve f0 [n] in Hz, root mean square near 1.

    All harmonics below Nyquist in one closed form: the discrete summation formula of Moorer 1976.
    The topmost fades in and out as f0 moves, so that the count changes without a click.
    """
    fitting = np.maximum(0.48 * rate / f0 - 1, 1.0)
    whole = np.floor(fitting)
    half = rng.uniform(0, np.pi) + np.pi * np.cumsum(f0) / rate
    bottom = np.sin(half)
    bottom = np.where(np.abs(bottom) < 1e-7, 1e-7, bottom)
    comb = 0.5 * np.sin((2 * whole + 1) * half) / bottom - 0.5
    return (comb + (fitting - whole) * np.cos(2 * (whole + 1) * half)) / np.sqrt(fitting / 2)


def voice(
    rng: np.random.Generator,
    f0: np.ndarray,
    rate: int,
    breath: float = 0.1,
    jitter: float = 0.01,
    tilt: float = 800.0,
) -> np.ndarray:
    """Voice source [n] on f0 [n]: glottal pulses, tilted 6 dB per octave above `tilt`, and breath.

    Jitter is a relative wander of f0; the breath noise follows the pulses, as in Klatt 1980.
    """
    n = len(f0)
    wander = 1 + jitter * np.clip(slow(rng, n, rate, 90), -2, 2)
    source = unit(smooth(pulses(rng, f0 * wander, rate), rate, tilt))
    return source + breath * noise(rng, n) * (0.5 + 0.5 * np.minimum(np.abs(source), 2))


# --- filters ----------------------------------------------------------------------------------


def smooth(x: np.ndarray, rate: int, cutoff: float) -> np.ndarray:
    """One-pole low-pass, 6 dB per octave above `cutoff` in Hz."""
    pole = np.exp(-2 * np.pi * cutoff / rate)
    return signal.lfilter([1 - pole], [1, -pole], x)


def band(x: np.ndarray, rate: int, low: float, high: float, order: int = 2) -> np.ndarray:
    """Butterworth band-pass from `low` to `high` in Hz; an edge outside the rate is left open."""
    top = 0.47 * rate
    low, high = min(low, 0.7 * top), min(high, top)
    if low <= 0:
        sos = signal.butter(order, high, "lowpass", fs=rate, output="sos")
    elif high >= top:
        sos = signal.butter(order, low, "highpass", fs=rate, output="sos")
    else:
        sos = signal.butter(order, [low, high], "bandpass", fs=rate, output="sos")
    return signal.sosfilt(sos, x)


def formants(
    x: np.ndarray, rate: int, centres: Numbers, widths: Numbers, gains: Numbers
) -> np.ndarray:
    """Parallel resonators of unit peak gain, in Hz; signs alternate as in Klatt 1980."""
    out = np.zeros(len(x))
    for k, (centre, width, gain) in enumerate(zip(centres, widths, gains, strict=True)):
        if centre < 0.47 * rate:
            r = np.exp(-np.pi * width / rate)
            poles = [1, -2 * r * np.cos(2 * np.pi * centre / rate), r * r]
            edge = 0.5 * (1 - r * r)
            out += (-1) ** k * gain * signal.lfilter([edge, 0, -edge], poles, x)
    return out


def morph(
    x: np.ndarray, rate: int, shapes: list[Formants], weights: list[np.ndarray]
) -> np.ndarray:
    """Mix of formant sets under weight curves [n], one (centres, widths, gains) per curve."""
    return sum(w * formants(x, rate, *shape) for shape, w in zip(shapes, weights, strict=True))


def modes(
    x: np.ndarray, rate: int, freqs: Numbers, t60: Numbers | float, amps: Numbers
) -> np.ndarray:
    """Modal synthesis: decaying sines in Hz rung by x, each losing 60 dB in its t60 seconds."""
    out = np.zeros(len(x))
    for freq, seconds, amp in zip(freqs, np.broadcast_to(t60, len(freqs)), amps, strict=True):
        if freq < 0.47 * rate:
            r, w = 10 ** (-3 / (seconds * rate)), 2 * np.pi * freq / rate
            out += amp * signal.lfilter([0, r * np.sin(w)], [1, -2 * r * np.cos(w), r * r], x)
    return out


def impulse(n: int) -> np.ndarray:
    """One hit at time zero [n]."""
    out = np.zeros(n)
    out[0] = 1.0
    return out


def room(rng: np.random.Generator, x: np.ndarray, rate: int) -> np.ndarray:
    """Early reflections and a short decaying tail, drawn anew for every clip."""
    n = int(rng.uniform(0.1, 0.35) * rate)
    t = np.arange(n) / rate
    response = rng.uniform(0.02, 0.2) * noise(rng, n) * np.exp(-t / log_uniform(rng, 0.02, 0.15))
    response *= np.sqrt(16000 / rate) * (t > 0.004)
    taps = rng.integers(int(0.002 * rate), int(0.05 * rate), rng.integers(2, 8))
    response[taps] += rng.uniform(-0.4, 0.4, len(taps))
    response[0] = 1.0
    return signal.fftconvolve(x, smooth(response, rate, 0.3 * rate))[: len(x)]


# --- events -----------------------------------------------------------------------------------


def onsets(
    rng: np.random.Generator,
    n: int,
    rate: int,
    gap: float,
    spread: float = 0.2,
    start: float | None = None,
) -> np.ndarray:
    """Sample positions of events `gap` seconds apart on average, relative `spread`; at least one.

    The first falls in the clip's opening quarter, unless `start` in seconds says where.
    """
    seconds = n / rate
    start = rng.uniform(0, min(1.0, 0.25 * seconds)) if start is None else start
    gaps = gap * np.exp(spread * rng.normal(size=int(2 * seconds / gap) + 2))
    times = start + np.concatenate([[0.0], np.cumsum(gaps)])
    return (times[times < seconds] * rate).astype(int)


def add(out: np.ndarray, grain: np.ndarray, at: int, gain: float = 1.0) -> None:
    """Add a grain into out from sample `at`; what passes the end is cut."""
    stop = min(len(out), at + len(grain))
    out[at:stop] += gain * grain[: stop - at]


def samples(rate: int, seconds: float) -> int:
    """Length of `seconds` in samples, at least 16."""
    return max(16, int(seconds * rate))
