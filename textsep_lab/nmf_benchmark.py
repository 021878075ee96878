"""The NMF baselines beside the network on the same mixtures. Taught in notebook 04."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from textsep_lab import benchmark, esc50, metrics, nmf, nmf_classes
from textsep_lab.embeddings import JointEncoder
from textsep_lab.masking import apply_mask
from textsep_lab.mixtures import Clips, evaluation_recipes, render
from textsep_lab.separation import Separator

SAMPLE_RATE = 16000
BASES_ITERATIONS = 30  # of 100: a minute or two instead of five to learn 50 classes
FLOOR, CEILING = "mixture (floor)", "oracle IRM, bins"


def run(
    root: str | Path | None,
    fold: int,
    bases_folds: tuple[int, ...],
    separator: Separator,
    ears: JointEncoder,
    limit: int,
) -> pd.DataFrame:
    """Return the SI-SDRi in dB of each NMF, of the network and of an oracle, a row a mixture.

    The mixtures are the first `limit` of a seeded shuffle of AudioSep's list; queries are bare
    labels. Columns mixture, and one for each system.

    Args:
        root: data set in ESC-50's layout.
        bases_folds: what the supervised NMF learns from.
        ears: hears the components of the other one.
    """
    table = esc50.read_table(root, [fold])
    recipes, clips = evaluation_recipes(table), Clips(table, SAMPLE_RATE)
    category = dict(zip(table["filename"], table["category"], strict=True))
    order = np.random.default_rng(0).permutation(len(recipes))[:limit]
    bases = nmf_classes.learn_bases(
        esc50.read_table(root, bases_folds), iterations=BASES_ITERATIONS
    )
    ladder, rows = benchmark.systems(separator), []
    for number in tqdm(order, "NMF", unit="mixture", delay=2):
        recipe = recipes[number]
        truth, there = render(recipe, clips), [category[name] for name in recipe.sources]
        estimates = {FLOOR: truth.mixture}
        estimates |= _nmf(truth.mixture[None], there, ears, separator.encoder, bases)
        estimates |= {x: ladder[x](truth, recipe.label) for x in (benchmark.OURS, CEILING)}
        before = metrics.si_sdr(truth.mixture, truth.target)
        scores = {k: float(metrics.si_sdr(x, truth.target) - before) for k, x in estimates.items()}
        rows.append({"mixture": number, **scores})
    return pd.DataFrame(rows)


def _nmf(mixture: np.ndarray, there: list[str], ears, reader, bases) -> dict[str, np.ndarray]:
    """Return estimates ``[samples]`` of the first of the labels that are `there`."""
    query = esc50.label_text(there[0])
    by_class = nmf_classes.estimate_class_mask
    found = {
        "NMF, components heard": nmf.estimate_mask(mixture, SAMPLE_RATE, query, ears),
        "NMF, spectra of all classes": by_class(mixture, SAMPLE_RATE, query, reader, bases),
        "NMF, spectra of the two classes in it": by_class(
            mixture, SAMPLE_RATE, query, reader, bases.only(there)
        ),
    }
    row = torch.from_numpy(mixture)
    return {
        k: apply_mask(x.mask, row, SAMPLE_RATE, nmf.CONFIG)[0].numpy() for k, x in found.items()
    }
