"""The report's part on folders of labelled clips: new words, everyday scenes, real recordings.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from textsep_lab.data import esc50
from textsep_lab.data.recordings import COLUMNS, read_recordings
from textsep_lab.data.vocabulary import held_out_labels, is_left_out, left_out
from textsep_lab.evaluation import figures, real_recordings
from textsep_lab.evaluation.labelled_mixtures import (
    MOST,
    SAMPLES,
    everyday_groups,
    labelled_mixtures,
)
from textsep_lab.evaluation.mixture_list import MixtureList
from textsep_lab.evaluation.scores import Estimate, markdown, measure, score_table, summary
from textsep_lab.separation.separator import Separator

SYSTEMS = ("mixture", "ours", "irm")  # floor, ours and ceiling, as `systems` names them


@dataclass
class Section:
    """Some of a report: Markdown, and tables and figures by file name."""

    text: str = ""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledLists:
    """What of labelled folders is judged; reading it first lets an error come before the work.

    Args:
        folds: that the interferers are of.
        unseen, everyday: mixtures of labels that were held out, and of everyday scenes.
        recordings: a table of real recordings.
        limit: only so many of each.
    """

    folds: tuple[int, ...] = ()
    unseen: MixtureList | None = None
    everyday: MixtureList | None = None
    recordings: pd.DataFrame | None = None
    limit: int | None = None

    @classmethod
    def read(
        cls,
        unseen: str | Path | None = None,
        recordings: str | Path | None = None,
        root: str | Path | None = None,
        folds: tuple[int, ...] = (4,),
        limit: int | None = None,
    ) -> LabelledLists:
        """Choose mixtures of the folder `unseen`, and read the table of the folder `recordings`.

        Args:
            root: data set in ESC-50's layout, of which `folds` are the interferers.

        Raises:
            FileNotFoundError: a folder or a recording is missing.
            ValueError: a damaged table, or no recording of a held-out label.
        """
        real = None if recordings is None else read_recordings(recordings)
        if unseen is None:
            return cls(folds, recordings=real, limit=limit)
        targets = read_recordings(unseen)
        interferers = esc50.read_table(root, folds)[list(COLUMNS)]
        try:
            new = labelled_mixtures(targets, interferers, held_out_labels(), limit)
        except ValueError as error:
            raise ValueError(f"{unseen}: {error}") from error
        groups = everyday_groups(sorted(targets["category"].unique()))
        words = [label for labels in groups.values() for label in labels]
        everyday = labelled_mixtures(targets, interferers, words, limit) if words else None
        return cls(folds, new, everyday, real, limit)

    def judge(self, separator: Separator, systems: Mapping[str, Estimate]) -> Section:
        """Score `systems`, floor to ceiling, and ours on all that there is."""
        section = Section()
        if self.unseen is not None:
            section.tables["unseen"] = _scored(systems, self.unseen, "words not taught")
            if self.everyday is not None:
                section.tables["everyday"] = _scored(systems, self.everyday, "everyday scenes")
            ours = _by(section.tables["unseen"], "label")
            section.tables["unseen_labels"] = ours
            section.figures["unseen_labels"] = figures.labels(ours)
            section.text += self._unseen_text(section.tables, separator.info)
        if self.recordings is not None:
            rows = real_recordings.judge(separator, self.recordings, self.limit)
            section.tables["recordings"] = rows
            said = {
                "judged": real_recordings.table(rows),
                "output_db": f"{rows['output_db'].median():.1f}",
            }
            section.text += _template("recordings").format(**said)
        return section

    def _unseen_text(self, tables: Mapping[str, pd.DataFrame], info: Mapping[str, Any]) -> str:
        rows = tables["unseen"]
        everyday = "The folder has none."
        if "everyday" in tables:
            groups = everyday_groups(sorted(tables["everyday"]["label"].unique()))
            group = {label: name for name, labels in groups.items() for label in labels}
            scored = _by(
                tables["everyday"].assign(group=tables["everyday"]["label"].map(group)), "group"
            )
            scored["group"] += " (" + scored["mixtures"].astype(str) + " mixtures)"
            everyday = score_table(scored.sort_values("group"), "group", "scenes")
        return _template("labelled").format(
            count=rows["mixture"].nunique(),
            labels=rows["label"].nunique(),
            all=len(held_out_labels()),
            most=MOST,
            folds=", ".join(map(str, self.folds)),
            taught=_taught(set(rows["label"]), info),
            unseen=score_table(summary(rows)),
            by_label=_label_table(tables["unseen_labels"]),
            everyday=everyday,
        )


def _scored(systems: Mapping[str, Estimate], scenes: MixtureList, title: str) -> pd.DataFrame:
    """Return `scores.measure` with the two recordings of each mixture and where the first lies."""
    rows = measure(systems, scenes, title)
    recipes = [scenes.recipes[number] for number in rows["mixture"]]
    return rows.assign(
        target=[recipe.sources[0] for recipe in recipes],
        interferer=[recipe.sources[1] for recipe in recipes],
        start=[-recipe.offsets[0] % SAMPLES for recipe in recipes],
    )


def _by(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return summary(rows[rows["system"] == figures.OURS], by=column)


def _label_table(rows: pd.DataFrame) -> str:
    rows = rows.sort_values("si_sdri_db", ascending=False)
    columns = ("label", "mixtures", "SI-SDRi mean", "made worse")
    return markdown(columns, (
        [
            esc50.label_text(row["label"]), str(row["mixtures"]), f"{row['si_sdri_db']:.2f}",
            f"{row['worse_percent']:.0f} %",
        ]
        for row in rows.to_dict("records")
    ))  # fmt: skip


def _taught(labels: set[str], info: Mapping[str, Any]) -> str:
    """Return whether these weights were taught the labels, as far as their sidecar says."""
    without = left_out((info.get("settings") or {}).get("without_labels") or ())
    open_ones = [label for label in labels if not is_left_out(label, without)]
    if not open_ones:
        return "The sidecar of the weights says that all of them were left out of the training."
    return (
        f"The sidecar of the weights does not say of {len(open_ones)} of these labels that they "
        "were left out of\nthe training: they may have been taught."
    )


def _template(name: str) -> str:
    return Path(__file__).with_name(f"{name}_template.md").read_text(encoding="utf-8")
