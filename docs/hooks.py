"""How the pages read what stands in the code: docstrings by griffe, help texts by click.

MkDocs calls what begins with ``on_``; mkdocstrings loads `Sections`.
"""

from __future__ import annotations

import inspect
import logging
import re
from pathlib import Path
from typing import Any

import click
import griffe

LOG = logging.getLogger("mkdocs.hooks.textsep_lab")  # a warning fails a strict build
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


def on_pre_build(*, config: Any, **_: Any) -> None:
    """Warn of each module that no page of a room shows; the commands have a page of their own."""
    pages = "\n".join(page.read_text("utf-8") for page in Path(config.docs_dir, "api").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    top = Path(config.config_file_path).parent
    for file in sorted(top.glob("textsep_lab/*/**/*.py")):
        parts = file.relative_to(top).with_suffix("").parts
        if parts[1] != "cli" and not parts[-1].startswith("_") and ".".join(parts) not in shown:
            LOG.warning("docs/api/%s.md lacks ::: %s", parts[1], ".".join(parts))


def _set_examples(command: click.Command) -> None:
    if command.help:
        said = inspect.cleandoc(command.help)
        command.help = BLOCK.sub(lambda found: f"```text\n{found[1].rstrip()}\n```\n", said)
    for each in getattr(command, "commands", {}).values():
        _set_examples(each)
