"""The bundled mixture, and the demonstration that separates it. Taught in notebook 00."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from textsep_lab.data import sounds
from textsep_lab.data.mixtures import Mixture, Recipe, render
from textsep_lab.separation.result import Separation
from textsep_lab.separation.separator import load_separator
from textsep_lab.signal import audio, metrics
from textsep_lab.utils.paths import demo_data_dir

QUERY, WINDOW = "dog barking", (1.0, 3.5)
SAMPLE_RATE, SECONDS = 16000, 5.0
#: Labels and seeds of the bundled sounds; training draws its seeds elsewhere.
DOG, RAIN = ("dog", 20252), ("rain", 20262)


def bundled_mixture() -> Mixture:
    """Synthesise the dog in the rain at 0 dB; the files in ``data/demo`` hold the same.

    Example:
        >>> bundled_mixture().mixture.shape
        (80000,)
    """
    clips = {
        name: sounds.synthesize(name, seed, SECONDS, SAMPLE_RATE) for name, seed in (DOG, RAIN)
    }
    samples = round(SECONDS * SAMPLE_RATE)
    return render(Recipe("dog", ("dog", "rain"), (0.0,), (0, 0), samples, gain_db=-3.0), clips)


def write_bundle(folder: str | Path | None = None) -> list[Path]:
    """Write the bundled mixture, its target and its interference; by default to ``data/demo``."""
    folder = demo_data_dir() if folder is None else Path(folder)
    out = bundled_mixture()
    return [
        audio.save(folder / f"{name}.wav", waveform, SAMPLE_RATE, "PCM_16")
        for name, waveform in vars(out).items()
    ]


def run(out: str | Path) -> str:
    """Separate the bundled mixture into `out`, replacing an earlier demonstration.

    Returns:
        A short table with SI-SDR inside the window, and the files written.
    """
    folder = demo_data_dir()
    result = load_separator().separate(folder / "mixture.wav", QUERY, windows=[WINDOW])
    target, _ = audio.load(folder / "target.wav")
    scores = score(result, target)
    files = result.save(out, overwrite=True, facts=scores)
    return f"{table(scores)}\n\n" + "\n".join(map(str, files))


def score(result: Separation, target: np.ndarray) -> dict[str, float]:
    """Return SI-SDR in dB inside the window, before and after, and the largest change outside."""
    inside = slice(*(round(t * result.sample_rate) for t in WINDOW))
    before, after = (
        float(metrics.si_sdr(x[0, inside], target[0, inside]))
        for x in (result.input, result.output)
    )
    change = np.abs(result.output - result.input)[:, result.gate == 0].max()
    return {
        "si_sdr_mixture_db": round(before, 2),
        "si_sdr_output_db": round(after, 2),
        "largest_change_outside": float(change),
    }


def table(scores: dict[str, float]) -> str:
    """Return the demonstration's scores as text."""
    before, after, change = scores.values()
    return f"""query "{QUERY}", kept from {WINDOW[0]} to {WINDOW[1]} s

SI-SDR inside the window        dB
  mixture                   {before:6.1f}
  output                    {after:6.1f}
  improvement               {after - before:6.1f}
largest change outside      {change:6.1f}"""
