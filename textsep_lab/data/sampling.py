"""How recipes for mixtures are drawn: at random for training, by a fixed protocol for evaluation.

Taught in notebook 01.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from textsep_lab.data.mixtures import Clips, Recipe
from textsep_lab.data.vocabulary import may_be_the_same

Row = tuple[str, str, int]  # filename, category, src_file


def active_offset(waveform: np.ndarray, samples: int, rng: np.random.Generator) -> int:
    """Draw a start for a crop of `samples` (wrapping around) that is not mostly silence.

    Among 16 random starts, takes the first whose energy is at least a fifth of the loudest's:
    7 % of ESC-50's random 1 s crops are digital silence, and no ratio has those as reference.
    """
    block = 400  # energies in blocks: exact sums per sample would cost more than the mixing
    usable = waveform[: len(waveform) // block * block] if len(waveform) > block else waveform
    energy = np.square(usable).reshape(-1, min(block, len(usable))).sum(1, dtype=np.float64)
    starts = rng.integers(0, len(energy), 16)
    length = max(1, min(len(energy), samples // block))
    total = np.concatenate([[0.0], np.cumsum(np.tile(energy, 2))])
    crops = total[starts + length] - total[starts]
    return int(starts[np.argmax(crops >= 0.2 * crops.max())]) * block


class RecipeSampler:
    """Draws random recipes: never two clips of one class or one recording (Freesound id).

    Nor two classes of which one may say more of the other, see `vocabulary.may_be_the_same`.

    Args:
        clips: the recordings; a column ``weight`` in their table, if any, makes rows likelier.
        samples: length of the mixtures.
        snr_db: range of the target's level over each interferer.
        interferers: probability of 1, 2, … interferers.
        same_class_share: how often a source is two clips of its class at once, of two recordings.

    Raises:
        ValueError: fewer classes than sources, or no clips that may meet.
    """

    def __init__(
        self,
        clips: Clips,
        samples: int,
        snr_db: tuple[float, float] = (-5.0, 5.0),
        interferers: tuple[float, ...] = (0.8, 0.15, 0.05),
        same_class_share: float = 0.0,
    ) -> None:
        self.clips, self.samples, self.snr_db = clips, samples, snr_db
        self.interferers = np.asarray(interferers) / np.sum(interferers)
        table = clips.table
        if table["category"].nunique() <= len(interferers):
            raise ValueError("Too few classes: mixing needs more classes than sources.")
        self._rows: list[Row] = list(
            zip(table["filename"], table["category"], table["src_file"], strict=True)
        )
        self.category = dict(zip(table["filename"], table["category"], strict=True))
        weight = table["weight"] if "weight" in table else pd.Series(1.0, table.index)
        self._cumulative = np.cumsum(weight / weight.sum())
        self.same_class_share = same_class_share
        self._class: dict[str, list[tuple[Row, float]]] = {}
        for row, likely in zip(self._rows, weight, strict=True):
            self._class.setdefault(row[1], []).append((row, float(likely)))

    def _draw_row(self, rng: np.random.Generator) -> Row:
        row = int(np.searchsorted(self._cumulative, rng.random()))
        return self._rows[min(row, len(self) - 1)]

    def __len__(self) -> int:
        return len(self._rows)

    def __call__(self, rng: np.random.Generator) -> Recipe:
        """Draw one recipe."""
        count = 2 + int(rng.choice(len(self.interferers), p=self.interferers))
        rows, refused = [self._draw_row(rng)], 0
        while len(rows) < count:
            row = self._draw_row(rng)
            if all(row[2] != x[2] and not may_be_the_same(row[1], x[1]) for x in rows):
                rows.append(row)
            elif (refused := refused + 1) == 10000:
                raise ValueError("Too few classes or Freesound ids: no clips can be mixed.")
        return Recipe(
            label=rows[0][1],
            sources=tuple(row[0] for row in rows),
            snr_db=tuple(rng.uniform(*self.snr_db, count - 1).round(2).tolist()),
            offsets=tuple(active_offset(self.clips[r[0]], self.samples, rng) for r in rows),
            samples=self.samples,
            seed=int(rng.integers(2**31)),
            same_class=self._same_class(rows, rng),
        )

    def _same_class(self, rows: list[Row], rng: np.random.Generator) -> tuple[str, ...]:
        """Return a further clip of each source's class, or none; see `Recipe`."""
        names, used = [], {row[2] for row in rows}
        for row in rows if self.same_class_share else ():
            second = self._second(row, used, rng) if rng.random() < self.same_class_share else None
            names.append(second[0] if second else "")
            used.update([second[2]] if second else [])
        return tuple(names) if any(names) else ()

    def _second(self, row: Row, used: set[int], rng: np.random.Generator) -> Row | None:
        others = [(x, likely) for x, likely in self._class[row[1]] if x[2] not in used and likely]
        if not others:
            return None
        weight = np.array([likely for _, likely in others])
        return others[int(rng.choice(len(others), p=weight / weight.sum()))][0]


def recording_weights(table: pd.DataFrame) -> np.ndarray:
    """Return a weight for each clip of a collection in which some sounds are far more common.

    A label weighs the square root of its number of recordings: were labels alike, the one recording
    of a rare sound would be repeated without end, and in proportion it would hardly be met. Its
    recordings share that equally, and a recording's clips share what it has: sixty clips of one
    recording teach little more than one.

    Example:
        >>> rows = [("dog", 1), ("dog", 1), ("dog", 2), ("dog", 3), ("dog", 4), ("cat", 5)]
        >>> recording_weights(pd.DataFrame(rows, columns=["category", "src_file"])).tolist()
        [0.25, 0.25, 0.5, 0.5, 0.5, 1.0]
    """
    recordings = table.groupby("category")["src_file"].transform("nunique")
    clips = table.groupby(["category", "src_file"])["src_file"].transform("size")
    return (1 / (np.sqrt(recordings) * clips)).to_numpy(float)


def evaluation_recipes(
    table: pd.DataFrame, seed: int = 0, snr_db: float = 0.0, samples: int = 80000
) -> list[Recipe]:
    """Return AudioSep's protocol: every clip a target once, one interferer of another class.

    The interferer has another Freesound id too; clips are taken whole, from their start.

    Args:
        table: rows of `esc50.read_table`, for example one fold.
        seed: of the choice of interferers.

    Raises:
        ValueError: a clip has no possible interferer.
    """
    rng, recipes = np.random.default_rng(seed), []
    classes = table["category"].unique()
    alike = {x: [y for y in classes if may_be_the_same(x, y)] for x in classes}
    for row in table.sort_values("filename").itertuples():
        other_class = ~table["category"].isin(alike[row.category])
        others = table[other_class & (table["src_file"] != row.src_file)]
        if others.empty:
            raise ValueError("Too few classes: a mixture needs two clips of different classes.")
        other = others.iloc[int(rng.integers(len(others)))]["filename"]
        recipes.append(Recipe(row.category, (row.filename, other), (snr_db,), (0, 0), samples))
    return recipes
