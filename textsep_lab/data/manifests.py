"""Lists of mixtures on disk: a CSV that renders to the same samples wherever the clips are.

Taught in notebook 01.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.data import esc50, tables
from textsep_lab.data.mixtures import Clips, Recipe, render
from textsep_lab.data.sampling import RecipeSampler
from textsep_lab.signal import audio
from textsep_lab.utils.paths import atomic_write
from textsep_lab.utils.validation import check_range

_TUPLES = {"sources": str, "snr_db": float, "offsets": int}
_NUMBERS = {"samples": int, "gain_db": float, "seed": int}
LONGEST = 600 * 192000  # samples of one mixture: memory for it is asked for at once
LOUDEST = 120.0  # dB


def write_manifest(recipes: list[Recipe], path: str | Path) -> Path:
    """Write recipes as CSV, one mixture a row; `read_manifest` gives back equal ones.

    The column ``same_class`` is there only if a source has a second clip of its class.
    """
    table = pd.DataFrame([vars(recipe) for recipe in recipes], columns=list(Recipe.__annotations__))
    for name, of in _TUPLES.items():
        # Plain numbers first: NumPy's would be written with their type around them.
        table[name] = [";".join(str(of(value)) for value in values) for values in table[name]]
    if any(recipe.same_class for recipe in recipes):
        table["same_class"] = [";".join(names) for names in table["same_class"]]
    else:
        table = table.drop(columns="same_class")
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
    return Path(path)


def read_manifest(path: str | Path) -> list[Recipe]:
    """Read recipes written by `write_manifest`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a manifest.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no manifest '{path}'.")
    try:
        # Text first: pandas' own numbers can be one unit in the last place off.
        table = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")
        return [_recipe(row) for row in table.to_dict("records")]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        raise ValueError(f"'{path}' is not a manifest of mixtures: {reason}.") from error


def _recipe(row: dict[str, str]) -> Recipe:
    values: dict[str, Any] = {
        k: tuple(map(of, filter(None, row[k].split(";")))) for k, of in _TUPLES.items()
    }
    values |= {k: of(row[k]) for k, of in _NUMBERS.items()}
    same_class = row.get("same_class", "")
    values["same_class"] = tuple(same_class.split(";")) if same_class else ()
    recipe = Recipe(**{**row, **values})
    if len(recipe.same_class) not in (0, len(recipe.sources)):
        raise ValueError(f"'{row['sources']}' needs a same_class entry each, empty for none")
    _check_values(recipe)
    if not len(recipe.sources) == len(recipe.offsets) == len(recipe.snr_db) + 1:
        raise ValueError(f"'{row['sources']}' needs an offset each and a level after the first")
    return recipe


def _check_values(recipe: Recipe) -> None:
    for name in (*recipe.sources, *filter(None, recipe.same_class)):
        if not all(tables.NAME.fullmatch(part) for part in name.split("/")):
            raise ValueError(f"{name[:100]!r} is not the plain name of a clip")
    check_range("samples", recipe.samples, 1, LONGEST)
    check_range("seed", recipe.seed, 0, 2**63)
    for value in (recipe.gain_db, *recipe.snr_db):
        check_range("a level in dB", value, -LOUDEST, LOUDEST)
    for offset in recipe.offsets:
        check_range("an offset", offset, 0, 2**40)


def write_examples(
    dest: str | Path,
    root: str | Path | None = None,
    folds: tuple[int, ...] | None = None,
    count: int = 10,
    seconds: float = 5.0,
    seed: int = 0,
) -> Path:
    """Write `count` random mixtures as WAV with their manifest; return the manifest's path.

    ``000_dog_mixture.wav``, ``…_target.wav`` and ``…_interference.wav`` at 16 kHz, float.

    Raises:
        FileExistsError: `dest` holds a manifest already.
        ValueError: fewer than one mixture, no length, or too few classes.
    """
    if count < 1 or not seconds > 0:
        raise ValueError("Ask for at least one mixture of more than 0 seconds.")
    dest = Path(dest)
    manifest = dest / "manifest.csv"
    if manifest.exists():
        raise FileExistsError(f"'{manifest}' is there already: choose another folder.")
    clips = Clips(esc50.read_table(root, folds))
    sampler = RecipeSampler(clips, round(seconds * clips.sample_rate))
    recipes = [sampler(np.random.default_rng((seed, i))) for i in range(count)]
    for i, recipe in enumerate(tqdm(recipes, "mixing", delay=2)):
        for name, waveform in vars(render(recipe, clips)).items():
            path = dest / f"{i:03d}_{recipe.label}_{name}.wav"
            audio.save(path, waveform, clips.sample_rate)
    return write_manifest(recipes, manifest)
