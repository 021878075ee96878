"""How the pages read what stands in the code: docstrings by griffe, help texts by click.

MkDocs calls ``on_startup``; mkdocstrings loads `Sections`.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import click
import griffe

EXAMPLE = re.compile(r"^Example:[ ]*$", re.MULTILINE)
LITERAL = re.compile(r"::$", re.MULTILINE)
BLOCK = re.compile(r"^\x08\n((?:.+\n?)+)", re.MULTILINE)  # what click is not to fill


class Sections(griffe.Extension):
    """Gives every docstring the sections that griffe knows.

    It takes ``>>>`` for a doctest under ``Examples:`` alone; ``::`` before a block is not Markdown.
    """

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        if isinstance(obj, griffe.Object) and obj.docstring is not None:
            said = EXAMPLE.sub("Examples:", obj.docstring.value)
            obj.docstring.value = LITERAL.sub(":", said)


def on_startup(**_: Any) -> None:
    """Make a code block of each example in a command's help text."""
    from textsep_lab.cli import main

    _set_examples(main)


def _set_examples(command: click.Command) -> None:
    if command.help:
        said = inspect.cleandoc(command.help)
        command.help = BLOCK.sub(lambda found: f"```text\n{found[1].rstrip()}\n```\n", said)
    for each in getattr(command, "commands", {}).values():
        _set_examples(each)
