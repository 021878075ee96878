"""The labels of the synthetic sounds, and one clip of any of them. Taught in notebook 01."""

import difflib
import zlib

import numpy as np

from textsep_lab.data.sounds import (  # noqa: F401  (importing a family registers its sounds)
    animals,
    hands,
    instruments,
    machines,
    nature,
    objects,
    people,
    signals,
    wildlife,
)
from textsep_lab.data.sounds.primitives import (
    REGISTRY,
    band,
    log_uniform,
    noise,
    room,
    smooth,
    unit,
)

SHORTEST = 1.0  # seconds rendered at least, so that a very short clip still holds an event


def labels() -> list[str]:
    """Return the sorted names of the classes that `synthesize` can render.

    Example:
        >>> from textsep_lab.data.sounds import labels
        >>> "dog" in labels(), "rain" in labels()
        (True, True)
    """
    return sorted(REGISTRY)


def check_label(label: str) -> None:
    """Raise ValueError with near matches, or all the labels, where there is no such label."""
    if label not in REGISTRY:
        near = difflib.get_close_matches(str(label), labels(), n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(labels())}."
        )
        raise ValueError(f"No sound is called {label!r}; {hint}")


def check_amounts(seed: int, duration: float, sample_rate: int) -> None:
    """Raise ValueError in one sentence where a number of `synthesize` is out of range."""
    if not (np.isfinite(duration) and round(duration * sample_rate) > 0 and sample_rate > 0):
        raise ValueError(
            f"duration and sample_rate must be positive, not {duration} s and {sample_rate} Hz."
        )
    if not 8000 <= sample_rate <= 48000:
        raise ValueError(f"sample_rate must be from 8000 to 48000 Hz, not {sample_rate}.")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}.")


def synthesize(
    label: str, seed: int, duration: float = 5.0, sample_rate: int = 16000
) -> np.ndarray:
    """Render one clip of a class; the same arguments give the same samples, bit for bit.

    Args:
        label: One of `labels()`.
        seed: 0 or more; another seed is another dog, another room, another rhythm.
        duration: Length in seconds.
        sample_rate: 8000 to 48000 Hz.

    Returns:
        Waveform, float32 [samples], round(duration * sample_rate) long, peak 0.3 to 0.9.

    Raises:
        ValueError: If the label is unknown, the duration or the rate is not positive, the rate is
            outside its range, or the seed is negative.

    Example:
        >>> from textsep_lab.data.sounds import synthesize
        >>> bark = synthesize("dog", seed=0, duration=2.0)
        >>> bark.shape, bark.dtype
        ((32000,), dtype('float32'))
    """
    check_label(label)
    check_amounts(seed, duration, sample_rate)
    rng = np.random.default_rng([zlib.crc32(label.encode()), seed])
    n = round(duration * sample_rate)
    clip = record(
        rng, REGISTRY[label](rng, max(n, int(SHORTEST * sample_rate)), sample_rate), sample_rate
    )
    start = int(np.clip(np.argmax(np.abs(clip)) - n // 4, 0, len(clip) - n))
    clip = clip[start : start + n]
    return (clip * (rng.uniform(0.3, 0.9) / np.max(np.abs(clip)))).astype(np.float32)


def record(rng: np.random.Generator, clean: np.ndarray, rate: int) -> np.ndarray:
    """Put a sound in front of a microphone: a room, a tone colour and a noise floor, by chance."""
    clip = clean / np.max(np.abs(clean))
    if rng.uniform() < 0.6:
        clip = room(rng, clip, rate)
    clip = clip + rng.uniform(-0.4, 0.8) * smooth(clip, rate, log_uniform(rng, 400, 2500))
    if rng.uniform() < 0.6:
        floor = unit(band(noise(rng, len(clip)), rate, 60, log_uniform(rng, 500, 6000), 1))
        clip = clip + 10 ** (rng.uniform(-66, -36) / 20) * np.max(np.abs(clip)) * floor
    return clip
