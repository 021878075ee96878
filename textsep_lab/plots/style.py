"""Colours of all pictures, and how one is written to a file."""

from __future__ import annotations

import warnings
from pathlib import Path

from matplotlib.figure import Figure

from textsep_lab.utils.paths import atomic_write

INK, MUTED, INPUT, OUTPUT, WINDOW = "#1f2430", "#7a8194", "#b8bfce", "#d1495b", "#2e86ab"
GRID = "#e6e8ee"
SPECTRUM, MASK = "magma", "viridis"


def write(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG; characters the font lacks become boxes, without complaint.

    No screen is needed: whatever backend is chosen for one, Agg draws the file.
    """
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(temporary, dpi=110, format="png", backend="agg")
    return Path(path)
