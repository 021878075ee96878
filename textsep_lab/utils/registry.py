"""Names for things of one kind, each found where its name says.

Adding a network, an encoder, a method or a loss is one file and one line in its room's
``registry.py``; the command line offers it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from pkgutil import resolve_name
from typing import Any


class Choices(tuple[str, ...]):
    """The names that a setting may take.

    Example:
        >>> Choices("mode", ("keep", "remove")).check("kep")
        Traceback (most recent call last):
        ValueError: There is no mode 'kep': use keep or remove.
    """

    kind: str

    def __new__(cls, kind: str, names: Iterable[str]) -> Choices:
        choices = super().__new__(cls, names)
        choices.kind = kind
        return choices

    def check(self, name: str) -> str:
        """Return the name, or raise ValueError with those that there are."""
        if name not in self:
            *others, last = self
            names = f"{', '.join(others)} or {last}" if others else last
            raise ValueError(f"There is no {self.kind} '{name}': use {names}.")
        return name


class Registry(dict[str, str]):
    """A table from names to ``"package.module:attribute"``, which is imported when first used.

    So a list of names costs no import of torch.

    Args:
        kind: what they all are, for sentences.
        entries: where each is found.

    Example:
        >>> shapes = Registry("shape", {"ordered": "collections:OrderedDict"})
        >>> shapes.load("ordered").__name__
        'OrderedDict'
        >>> shapes.load("round")
        Traceback (most recent call last):
        ValueError: There is no shape 'round': use ordered.
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        super().__init__(entries)
        self.kind = kind

    def check(self, name: str) -> str:
        """Return the name, or raise ValueError with those that there are."""
        return Choices(self.kind, self).check(name)

    def load(self, name: str) -> Any:
        """Return what a name stands for.

        Raises:
            ValueError: no such name.
        """
        return resolve_name(self[self.check(name)])
