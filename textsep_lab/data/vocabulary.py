"""Labels as words: when two of them may mean one sound, and which are never trained on.

Taught in notebook 05.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

#: Stands for all of `held_out_labels` where labels are left out.
HELD_OUT = "held-out"


def category(label: str) -> str:
    """Return a label as a class name: small letters, with an underscore between words.

    So a label of any data set is compared as words with those of any other.

    Example:
        >>> category(" Sea waves"), category("sea_waves")
        ('sea_waves', 'sea_waves')
    """
    return "_".join(label.replace("_", " ").lower().split())


@lru_cache(maxsize=4096)
def _words(label: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", label.lower())
    return frozenset(re.sub("(?<=..)s$", "", word) for word in words)  # footsteps: footstep


def may_be_the_same(first: str, second: str) -> bool:
    """Return whether all words of one label are among the other's, so that it may say more of it.

    Example:
        >>> may_be_the_same("dog", "dogs barking"), may_be_the_same("crying_baby", "baby crying")
        (True, True)
        >>> may_be_the_same("car horn", "car engine")
        False
    """
    a, b = _words(first), _words(second)
    return a <= b or b <= a


def says(text: str, label: str) -> bool:
    """Return whether a text holds all words of a label.

    Example:
        >>> says("a pig oinking", "pig_oinking"), says("a pig", "pig_oinking")
        (True, False)
    """
    return _words(label) <= _words(text)


@lru_cache(maxsize=1)
def held_out_labels() -> tuple[str, ...]:
    """Return the labels kept for the evaluation on words that were never trained on.

    Example:
        >>> len(held_out_labels()), held_out_labels()[0]
        (38, 'jackhammer')
    """
    text = Path(__file__).with_name("held_out_labels.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def left_out(labels: Iterable[str]) -> set[str]:
    """Return the class names of labels, with those of the kit's list for the word `HELD_OUT`.

    Example:
        >>> sorted(left_out(["Dog barking"])), len(left_out(["held-out", "dog"]))
        (['dog_barking'], 39)
    """
    labels = list(labels)
    listed = held_out_labels() if HELD_OUT in labels else ()
    return {category(label) for label in (*labels, *listed) if label != HELD_OUT}


def is_left_out(label: str, unwanted: Iterable[str]) -> bool:
    """Return whether a label says one of those that are left out, or more of it.

    Args:
        unwanted: of `left_out`.

    Example:
        >>> is_left_out("Gunshot_and_gunfire", {"gunshot"}), is_left_out("gun", {"gunshot"})
        (True, False)
    """
    return any(says(label, word) for word in unwanted)
