"""What the networks that are compared cost, each in a fresh process. Taught in notebook 05."""

from __future__ import annotations

import json
import subprocess
import sys

from textsep_lab.evaluation.external_models import ExternalModel, find, separate
from textsep_lab.evaluation.memory import peak_mb
from textsep_lab.evaluation.speed import latency
from textsep_lab.models.registry import parameter_count


def cost(model: ExternalModel, seconds: float = 5.0, runs: int = 5) -> dict[str, float]:
    """Return parameters, and median_ms, low_ms and high_ms (quartiles) of separating noise.

    Args:
        seconds: length of the mono noise at 16 kHz.
        runs: how often it is timed, after one run that warms up; threads as they are.

    Raises:
        ValueError: the network cannot be had here.
    """
    network = model.network()
    times = latency({model.name: lambda x: separate(network, x[0])}, seconds, runs).iloc[0]
    kept = {name: float(times[name]) for name in ("median_ms", "low_ms", "high_ms")}
    return {"parameters": parameter_count(network), **kept}


def measure(model: ExternalModel, seconds: float = 5.0) -> dict[str, float | None]:
    """Return the `cost` of a network in a fresh process, with the process's memory.

    Returns:
        As `cost`, and in MB peak_mb, the most the process ever held, and after_import_mb, what
        of it Python and this package took; None where the system does not tell.

    Raises:
        ValueError: the network cannot be had here.
        RuntimeError: the process failed; its last line says why.
    """
    if model.build is None:
        raise ValueError(f"{model.title} cannot be run: {model.missing}")
    command = [
        sys.executable,
        "-m",
        "textsep_lab.evaluation.external_costs",
        model.name,
        str(seconds),
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"{model.title} could not be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def main(name: str, seconds: str) -> None:
    """Write what `measure` returns to the standard output, as JSON."""
    before = peak_mb()
    found = cost(find(name), float(seconds))
    memory = {"peak_mb": peak_mb(), "after_import_mb": before}
    sys.stdout.write(json.dumps({**found, **memory}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
