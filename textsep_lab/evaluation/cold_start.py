"""What the first result costs: time and memory of fresh processes. Taught in notebook 05."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.evaluation.speed import quartiles

# Text, not a module of this package, whose own imports would be timed and weighed, too.
SCRIPT = """
import time
born = time.time()
import json, sys

started, checkpoint, configuration, seconds = json.loads(sys.argv[1])
times, last = {"interpreter": born - started}, time.perf_counter()

def lap(step):
    global last
    now = time.perf_counter()
    times[step], last = now - last, now

def peak_mb():
    try:
        with open("/proc/self/status") as status:  # Linux, where getrusage's starts at a parent's
            line = next(x for x in status if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6

from textsep_lab.separation import separator
lap("import")
after_import = peak_mb()
if configuration is None:
    separator = separator.load_separator(checkpoint)
else:
    from textsep_lab.models import build, checkpoints
    named = checkpoints.describe(checkpoints.find(checkpoint))["encoder"]["name"]
    encoder = separator.load_encoder(named)
    separator = separator.Separator(build(configuration, encoder.dim), encoder)
lap("load_separator")
separator.detector
lap("load the detector")
import numpy as np
noise = 0.1 * np.random.default_rng(0).standard_normal((1, round(seconds * 16000)), np.float32)
for step in ("first separate", "second separate"):
    separator.separate(noise, "dog", sample_rate=16000)
    lap(step)
print(json.dumps({"times": times, "after_import": after_import, "peak": peak_mb()}))
"""


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process in MB (10⁶ bytes), NaN where the system does not tell.

    Args:
        peak_mb: the most it ever held.
        after_import_mb: the most it held until everything was imported.
    """

    peak_mb: float
    after_import_mb: float


def peak_memory(
    checkpoint: str | Path | None = None, configuration: str | None = None, seconds: float = 5.0
) -> Memory:
    """Return the memory that a fresh process takes to load a separator and use it twice.

    Args:
        checkpoint: its weights; None for the shipped ones.
        configuration: instead of them, a network of that configuration with random weights and
            the same encoder.
        seconds: of white noise at 16 kHz to separate; the detector runs, too.

    Raises:
        RuntimeError: the process failed; its last line says why.
    """
    found = _first_result(checkpoint, configuration, seconds)
    return Memory(found["peak"], found["after_import"])


def cold_start(runs: int = 5, checkpoint: str | Path | None = None) -> pd.DataFrame:
    """Time fresh processes: the command line's help, and each step to a first result.

    From the second run on, the system still has the files it read in memory.

    Args:
        runs: processes of each kind, which take turns.
        checkpoint: weights to load; None for the shipped ones.

    Returns:
        Columns step, median_ms and the quartiles low_ms and high_ms. The steps: ``textsep --help``;
        interpreter (until its first line runs), the import, load_separator, load the detector,
        first separate (5 s of audio) and second separate; total, all from the interpreter up to
        the first result.

    Raises:
        ValueError: `runs` is less than 1.
        RuntimeError: a process failed; its last line says why.
    """
    if runs < 1:
        raise ValueError(f"The number of runs is {runs}: ask for at least one.")
    turns = []
    for _ in tqdm(range(runs), "cold start", unit="run"):
        start = time.perf_counter()
        _python("-m", "textsep_lab.cli", "--help")
        steps = {"textsep --help": time.perf_counter() - start}
        times = _first_result(checkpoint, None, 5.0)["times"]
        total = sum(times.values()) - times["second separate"]
        turns.append(steps | times | {"total": total})
    table = 1000 * pd.DataFrame(turns)
    return pd.DataFrame([{"step": step, **quartiles(np.array(table[step]))} for step in table])


def _first_result(checkpoint: str | Path | None, configuration: str | None, seconds: float) -> dict:
    """Run `SCRIPT` and return what it measured: times in seconds by step, memory in MB."""
    weights = None if checkpoint is None else str(checkpoint)
    asked = json.dumps([time.time(), weights, configuration, seconds])
    return json.loads(_python("-c", SCRIPT, asked).splitlines()[-1])


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"A fresh Python process failed: {reason}")
    return done.stdout
