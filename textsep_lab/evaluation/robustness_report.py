"""The report on robustness: how many hostile cases are right, refused in a sentence, or wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from textsep_lab.evaluation.hostile_cases import FAR_DB, KINDS, LOSS_DB
from textsep_lab.evaluation.output import Report
from textsep_lab.evaluation.robustness import RIGHT, SENTENCE, WRONG, robustness
from textsep_lab.evaluation.scores import markdown
from textsep_lab.separation.separator import load_separator
from textsep_lab.signal.stretches import CONTEXT

TEXT = """# Robustness

Made by `textsep evaluate robustness --count {count} --seed {seed}`: recordings, files, words and
moments that a seed generates, on the shipped weights. *Right*: what the row says held. *Sentence*:
it was refused in one, where that is as good. *Wrong*: anything else, a traceback or a wrong sample.

{table}

{wrong}

What the rows say:

{rows}

"Far away" is further than {context:g} s, and may change a sample by {far:g} dB; among other levels,
a window of the bundled mixture may lose {loss:g} dB of SI-SDR against the mixture alone. All cases
are in [robustness.csv](robustness.csv).
"""


def run(checkpoint: str | Path | None = None, count: int = 200, seed: int = 0) -> Report:
    """Try so many cases of each kind; 200 take about ten minutes."""
    cases = robustness(load_separator(checkpoint), count, seed)
    counts = pd.crosstab(cases["kind"], cases["outcome"]).reindex(
        index=list(KINDS), columns=[RIGHT, SENTENCE, WRONG], fill_value=0
    )
    wrong = cases[cases["outcome"] == WRONG]
    table = markdown(
        ["kind", "tried", *counts.columns],
        ([kind, str(row.sum()), *map(str, row)] for kind, row in counts.iterrows()),
    )
    text = TEXT.format(
        count=count, seed=seed, table=table, context=CONTEXT, far=FAR_DB, loss=LOSS_DB,
        wrong="\n".join(f"- {x.kind}: {x.name}: {x.said}" for x in wrong.itertuples())
        or "Nothing was wrong.",
        rows="\n".join(f"- *{kind}*: {make.__doc__}" for kind, make in KINDS.items()),
    )  # fmt: skip
    return Report("robustness", text, {}, {"robustness": cases})
