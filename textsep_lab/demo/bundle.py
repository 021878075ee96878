"""One script and one style sheet out of several files: a widget takes no more than one of each.

Taught in notebook 06.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "browser"
_LINKS = re.compile(r"^import [^;]* from \"\./[^;]*;\n|^export (?!default\b)", re.MULTILINE)


def script(*names: str) -> str:
    """Return the modules as one, in this order, without what they tell each other.

    Example:
        >>> "import" in script("basics.js", "axis.js"), "class Axis" in script("axis.js")
        (False, True)
    """
    return _LINKS.sub("", _joined(names))


def style(*names: str) -> str:
    """Return the style sheets as one, in this order."""
    return _joined(names)


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
