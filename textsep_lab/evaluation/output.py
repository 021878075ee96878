"""What a run of the benchmark found, and how it is written to a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from textsep_lab import plots
from textsep_lab.evaluation.mixture_list import MixtureList
from textsep_lab.utils import paths


@dataclass(frozen=True)
class Report:
    """What a run found.

    Args:
        name: of the Markdown file, without its ending.
        text: Markdown.
        figures, tables: by file name, without ending.
        scenes: the list of mixtures, if there was one.
    """

    name: str
    text: str
    figures: dict[str, Figure]
    tables: dict[str, pd.DataFrame]
    scenes: MixtureList | None = None

    def write(self, folder: str | Path) -> list[Path]:
        """Write text, tables, figures, and the list with its hash, to `folder`."""
        folder = paths.make_folder(folder)
        texts = {f"{self.name}.md": self.text} | {
            f"{name}.csv": table.round(4).to_csv(index=False, lineterminator="\n")
            for name, table in self.tables.items()
        }
        lists = []
        if self.scenes is not None:
            lists = [folder / "manifest.csv"]
            facts = {"manifest_sha256": self.scenes.save(lists[0]), "mixtures": len(self.scenes)}
            texts["manifest.json"] = json.dumps(facts) + "\n"
        for name, text in texts.items():
            with paths.atomic_write(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        pictures = [plots.write(f, folder / f"{n}.png") for n, f in self.figures.items()]
        return [*lists, *(folder / name for name in texts), *pictures]
