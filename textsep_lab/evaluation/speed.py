"""What a system costs: multiply-adds, latency, and how both grow. Taught in notebook 05."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from textsep_lab.evaluation.mixture_list import SAMPLE_RATE
from textsep_lab.models.masking import estimate_mask
from textsep_lab.models.registry import build
from textsep_lab.separation.separator import Separator

QUERY, MAX_RUNS = "dog", 7
SPIN = "while True: pass"
REFERENCE = "reference"  # the system that ratios are to
FORMATS = ("float32", "bfloat16")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Return white noise ``[1, samples]`` at 16 kHz, the same for the same seed.

    Example:
        >>> noise(0.5).shape
        (1, 8000)
    """
    samples = round(seconds * SAMPLE_RATE)
    return 0.1 * np.random.default_rng(seed).standard_normal((1, samples), dtype=np.float32)


def macs_per_second(network: nn.Module, seconds: float = 5.0) -> float:
    """Return the multiply-adds a network does for a second of audio.

    Counted on one pass over `seconds` of audio: convolutions, also transposed, and linear layers.
    Not counted: element-wise work (norms, activations, FiLM's scaling, pooling), the transform
    and its bands, the text encoder and the detector. Beyond `masking.CHUNK_FRAMES`, the context
    that chunks share is counted as often as it is worked on.

    Args:
        network: of `models.registry.NETWORKS`, or any other that `masking.estimate_mask` takes,
            in evaluation mode.

    Example:
        >>> compact = build("compact").eval()
        >>> 1e6 < macs_per_second(compact, 1.0) < 1e9
        True
    """
    dim = network.config.text_dim
    query = None if dim is None else torch.zeros(1, dim)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        estimate_mask(network, torch.from_numpy(noise(seconds)), query)
    # What lies outside the network, such as the bands' matrix, has other names in this table.
    own = counter.get_flop_counts()[type(network).__name__]
    return sum(own.values()) / 2 / seconds


def latency(
    systems: Mapping[str, Callable[[np.ndarray], object]], seconds: float = 5.0, runs: int = 15
) -> pd.DataFrame:
    """Time systems on white noise, array in and array out.

    It is new each time: the joint encoder remembers its last recordings.

    They take turns, so that whatever else the machine does meets all alike; the first turn warms
    up.

    Args:
        systems: what to call with ``[1, samples]`` at 16 kHz, by the name in the table.
        runs: turns that count.

    Returns:
        Columns system, median_ms, the quartiles low_ms and high_ms, and ratio: the median over
        turns of the time of the system called "reference" to this one's; NaN without one.

    Raises:
        ValueError: `runs` is less than 1.

    Example:
        >>> latency({"reference": np.fft.fft, "nothing": np.shape}, 0.1, runs=3)["system"].tolist()
        ['reference', 'nothing']
    """
    if runs < 1:
        raise ValueError(f"The number of runs is {runs}: ask for at least one.")
    names = list(systems)
    turns = np.array([
        [
            _milliseconds(systems[name], noise(seconds, turn * len(names) + place))
            for place, name in enumerate(names)
        ]
        for turn in tqdm(range(runs + 1), "latency", unit="turn")
    ])[1:]  # fmt: skip
    reference = turns[:, names.index(REFERENCE)] if REFERENCE in names else np.full(runs, np.nan)
    rows = [
        {"system": name, **quartiles(own), "ratio": float(np.median(reference / own))}
        for name, own in zip(names, turns.T, strict=True)
    ]
    return pd.DataFrame(rows)


def quartiles(milliseconds: np.ndarray) -> dict[str, float]:
    """Return median_ms, low_ms and high_ms, the median and the quartiles of some times.

    Example:
        >>> quartiles(np.array([1.0, 2.0, 3.0]))
        {'median_ms': 2.0, 'low_ms': 1.5, 'high_ms': 2.5}
    """
    low, median, high = np.percentile(milliseconds, [25, 50, 75]).tolist()
    return {"median_ms": median, "low_ms": low, "high_ms": high}


def _milliseconds(call: Callable[[np.ndarray], object], waveform: np.ndarray) -> float:
    start = time.perf_counter()
    call(waveform)
    return 1000 * (time.perf_counter() - start)


def sweep(
    separator: Separator,
    lengths: tuple[float, ...] = (1, 5, 30, 120, 600),
    dtypes: tuple[str, ...] = FORMATS,
    configurations: tuple[str, ...] = ("compact", REFERENCE),
    budget_seconds: float = 20.0,
) -> pd.DataFrame:
    """Time separation, which takes one thread, against the clip's length and the number format.

    Each row is of clips of white noise, array in and array out, after a run that warms up.
    A configuration that is not the separator's is a network with random weights and the same
    encoder, which takes as long as a trained one.

    Args:
        lengths: of the clips, in seconds.
        dtypes: float32, or bfloat16 for the network's arithmetic; the rest is always float32.
        budget_seconds: for the runs of a row. A length of which one run would take longer,
            going by the length before, is left out.

    Returns:
        Columns configuration, dtype, seconds (of audio), runs, median_ms, the quartiles
        low_ms and high_ms, real_time_factor (seconds of work for a second of audio), and note:
        empty, or why the row has no times (they are NaN, its runs 0) or only a cold one.
        ``attrs["native_bfloat16"]`` says whether this processor calculates in bfloat16 itself.

    Raises:
        ValueError: unknown configuration or number format.
    """
    made = {name: _configured(separator, name) for name in configurations}
    cases = list(product(configurations, dtypes))
    rows = []
    for name, dtype in tqdm(cases, "sweep", unit="case"):
        times = _by_length(_in_format(made[name], dtype), sorted(lengths), budget_seconds)
        rows += [{"configuration": name, "dtype": dtype, **row} for row in times]
    table = pd.DataFrame(rows)
    table.attrs["native_bfloat16"] = native_bfloat16()
    return table


def processor() -> str:
    """Return what torch uses of this processor, and which torch it is.

    Example:
        >>> processor().startswith("torch ")
        True
    """
    return f"torch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()} instructions"


def native_bfloat16() -> bool | None:
    """Return whether the processor has instructions for bfloat16; None where that is unknown."""
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # not public, not in all releases
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return bool(known()) if known and is_x86 else None


def _by_length(separator: Separator, lengths: list[float], budget: float) -> Iterator[dict]:
    """Yield a row for each length, shortest first, with a note where there was no time for it."""

    def separate(waveform: np.ndarray) -> object:
        return separator.separate(waveform, QUERY, sample_rate=SAMPLE_RATE)

    rate = 0.0  # seconds of work for a second of audio
    for seconds in lengths:
        row = {"seconds": seconds}
        if rate * seconds > budget:
            note = f"left out: one run would take about {rate * seconds:.0f} s"
            yield row | _no_times() | {"note": note}
            continue
        warm_up = _milliseconds(separate, noise(seconds))
        runs = min(int(1000 * budget / warm_up), MAX_RUNS)
        times = [_milliseconds(separate, noise(seconds, k + 1)) for k in range(runs)] or [warm_up]
        note = "" if runs else "its only run, without a warm-up, took longer than the budget"
        spread = quartiles(np.array(times))
        rate = spread["median_ms"] / 1000 / seconds
        yield row | {"runs": len(times), **spread, "real_time_factor": rate, "note": note}


def _no_times() -> dict[str, float]:
    return {"runs": 0, **quartiles(np.array([np.nan])), "real_time_factor": np.nan}


def _configured(separator: Separator, name: str) -> Separator:
    if name == separator.network.config.name:
        return separator
    network = build(name, separator.encoder.dim)
    return Separator(network, separator.encoder, detector=separator.detector)


def _in_format(separator: Separator, dtype: str) -> Separator:
    if dtype not in FORMATS:
        raise ValueError(f"There is no number format '{dtype}': use {' or '.join(FORMATS)}.")
    if dtype == "float32":
        return separator
    network = _InBfloat16(separator.network)
    return Separator(network, separator.encoder, detector=separator.detector)


class _InBfloat16(nn.Module):
    """A network whose arithmetic is in bfloat16, with float32 at its ends, as NumPy has no other.

    Around the whole of `Separator.separate`, autocast would reach the detector and the mask, too.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.config = network, network.config
        self.stride, self.context_frames = network.stride, network.context_frames

    def forward(self, magnitude: torch.Tensor, query: torch.Tensor | None) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.network(magnitude, query).float()


def busy_ratio(separator: Separator, seconds: float = 5.0, runs: int = 15) -> pd.DataFrame:
    """Time a separation on an idle machine, and with all cores but one busy with something else.

    Returns:
        Columns cores (``idle`` or ``busy``), median_ms, and the quartiles low_ms and high_ms.
    """
    rows = []
    for cores, others in (("idle", 0), ("busy", max(1, (os.cpu_count() or 1) - 1))):
        spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(others)]
        try:
            times = [
                _milliseconds(
                    lambda x: separator.separate(x, QUERY, sample_rate=SAMPLE_RATE),
                    noise(seconds, turn),
                )
                for turn in range(runs + 1)
            ][1:]
        finally:
            for process in spinning:
                process.kill()
                process.wait()
        rows.append({"cores": cores, **quartiles(np.array(times))})
    return pd.DataFrame(rows)
