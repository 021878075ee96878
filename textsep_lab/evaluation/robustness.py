"""Hostile recordings, files, words and moments: what is done right, refused in a sentence, wrong.

Taught in notebook 05.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.evaluation.hostile_cases import KINDS, Case
from textsep_lab.separation.separator import Separator

RIGHT, SENTENCE, WRONG = "right", "sentence", "wrong"


def try_case(case: Case) -> dict[str, str]:
    """Return kind, name, outcome and, unless it was right, what was said.

    Example:
        >>> from textsep_lab.signal import audio
        >>> try_case(Case("files", "none", lambda: audio.load("no.wav"), refusable=True))["outcome"]
        'sentence'
    """
    row = {"kind": case.kind, "name": case.name}
    try:
        good, said = bool(case.call()), ""
    except (ValueError, OSError) as error:
        said = str(error)
        one = bool(said) and "\n" not in said and said.rstrip().endswith(".")
        return {**row, "outcome": SENTENCE if case.refusable and one else WRONG, "said": said}
    except Exception as error:  # a traceback is what is looked for
        return {**row, "outcome": WRONG, "said": f"{type(error).__name__}: {error}"}
    return {**row, "outcome": RIGHT if good else WRONG, "said": said}


def robustness(separator: Separator, count: int = 200, seed: int = 0) -> pd.DataFrame:
    """Try `count` cases of each kind and return a row for each, see `try_case`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in KINDS.items():
            rng = np.random.default_rng((seed, len(rows)))
            made = (make(separator, rng, Path(folder), kind) for _ in range(count))
            rows += [try_case(case) for case in tqdm(made, kind, count, unit="case", delay=2)]
    return pd.DataFrame(rows)
