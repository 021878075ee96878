"""Building blocks of the sound bank: curves, noise, sources, filters and events.

Every block takes the sample rate in Hz and works on one-dimensional float64 arrays. A class of
the bank is a function ``(rng, n, rate) -> [n]`` marked with `sound`. Taught in notebook 01.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal

Sound = Callable[[np.random.Generator, int, int], np.ndarray]
REGISTRY: dict[str, Sound] = {}


def sound(function: Sound) -> Sound:
    """Add a class to the bank under its function's name."""
    REGISTRY[function.__name__] = function
    return function


# --- random numbers and curves ----------------------------------------------------------------


def log_uniform(rng, low, high, size=None):
    """Draw between low and high, evenly per octave: fits frequencies and durations."""
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def contour(n, values, times=None):
    """Curve [n] through `values` at relative `times` (0 to 1), eased by half cosines."""
    values = np.asarray(values, float)
    times = np.linspace(0, 1, len(values)) if times is None else times
    knot = np.interp(np.linspace(0, 1, n), times, np.arange(len(values)))
    left = np.minimum(knot.astype(int), len(values) - 2)
    ease = 0.5 - 0.5 * np.cos(np.pi * (knot - left))
    return values[left] + ease * (values[left + 1] - values[left])


def slow(rng, n, rate, hz):
    """Random curve [n], mean 0 and standard deviation near 1, with `hz` new values a second."""
    position = rng.uniform() + np.arange(n) * hz / rate
    return np.interp(
        position, np.arange(int(position[-1]) + 2), rng.normal(size=int(position[-1]) + 2)
    )


def burst(n, rate, attack, decay):
    """Envelope [n] with an attack and an exponential decay, both time constants in seconds."""
    t = np.arange(n) / rate
    return (1 - np.exp(-t / attack)) * np.exp(-t / decay)


def fade(n, rate, seconds=0.01):
    """Flat envelope [n] with soft ends, so that a tone starts and stops without a click."""
    t = np.arange(n) / rate
    return np.clip(np.minimum(t, t[::-1]) / seconds, 0, 1)


def unit(x):
    """Scale to a root mean square of 1; silence stays silence."""
    rms = np.sqrt(np.mean(x**2))
    return x / rms if rms > 0 else x


# --- sources ----------------------------------------------------------------------------------


def noise(rng, n):
    """White Gaussian noise [n]."""
    return rng.normal(size=n)


def sparse(rng, n, rate, density, tail=0.7):
    """Poisson impulses [n], `density` a second, with log-normal heights and random signs."""
    count = rng.poisson(density * n / rate)
    out = np.zeros(n)
    heights = rng.choice([-1.0, 1.0], count) * np.exp(tail * rng.normal(size=count))
    np.add.at(out, rng.integers(0, n, count), heights)
    return out


def tone(rng, f0, rate):
    """Sine [n] that follows the frequency curve f0 [n] in Hz; silent above Nyquist."""
    audible = f0 < 0.48 * rate
    return np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(f0) / rate) * audible


def pulses(rng, f0, rate):
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


def voice(rng, f0, rate, breath=0.1, jitter=0.01, tilt=800.0):
    """Voice source [n] on f0 [n]: glottal pulses, tilted 6 dB per octave above `tilt`, and breath.

    Jitter is a relative wander of f0; the breath noise follows the pulses, as in Klatt 1980.
    """
    n = len(f0)
    wander = 1 + jitter * np.clip(slow(rng, n, rate, 90), -2, 2)
    source = unit(smooth(pulses(rng, f0 * wander, rate), rate, tilt))
    return source + breath * noise(rng, n) * (0.5 + 0.5 * np.minimum(np.abs(source), 2))


# --- filters ----------------------------------------------------------------------------------


def smooth(x, rate, cutoff):
    """One-pole low-pass, 6 dB per octave above `cutoff` in Hz."""
    pole = np.exp(-2 * np.pi * cutoff / rate)
    return signal.lfilter([1 - pole], [1, -pole], x)


def band(x, rate, low, high, order=2):
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


def formants(x, rate, centres, widths, gains):
    """Parallel resonators of unit peak gain, in Hz; signs alternate as in Klatt 1980."""
    out = np.zeros(len(x))
    for k, (centre, width, gain) in enumerate(zip(centres, widths, gains, strict=True)):
        if centre < 0.47 * rate:
            r = np.exp(-np.pi * width / rate)
            poles = [1, -2 * r * np.cos(2 * np.pi * centre / rate), r * r]
            edge = 0.5 * (1 - r * r)
            out += (-1) ** k * gain * signal.lfilter([edge, 0, -edge], poles, x)
    return out


def morph(x, rate, shapes, weights):
    """Mix of formant sets under weight curves [n], one (centres, widths, gains) per curve."""
    return sum(w * formants(x, rate, *shape) for shape, w in zip(shapes, weights, strict=True))


def modes(x, rate, freqs, t60, amps):
    """Modal synthesis: decaying sines in Hz rung by x, each losing 60 dB in its t60 seconds."""
    out = np.zeros(len(x))
    for freq, seconds, amp in zip(freqs, np.broadcast_to(t60, len(freqs)), amps, strict=True):
        if freq < 0.47 * rate:
            r, w = 10 ** (-3 / (seconds * rate)), 2 * np.pi * freq / rate
            out += amp * signal.lfilter([0, r * np.sin(w)], [1, -2 * r * np.cos(w), r * r], x)
    return out


def impulse(n):
    """One hit at time zero [n]."""
    out = np.zeros(n)
    out[0] = 1.0
    return out


def room(rng, x, rate):
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


def onsets(rng, n, rate, gap, spread=0.2, start=None):
    """Sample positions of events `gap` seconds apart on average, relative `spread`; at least one.

    The first falls in the clip's opening quarter, unless `start` in seconds says where.
    """
    seconds = n / rate
    start = rng.uniform(0, min(1.0, 0.25 * seconds)) if start is None else start
    gaps = gap * np.exp(spread * rng.normal(size=int(2 * seconds / gap) + 2))
    times = start + np.concatenate([[0.0], np.cumsum(gaps)])
    return (times[times < seconds] * rate).astype(int)


def add(out, grain, at, gain=1.0):
    """Add a grain into out from sample `at`; what passes the end is cut."""
    stop = min(len(out), at + len(grain))
    out[at:stop] += gain * grain[: stop - at]


def samples(rate, seconds):
    """Length of `seconds` in samples, at least 16."""
    return max(16, int(seconds * rate))
