"""What commands share: options read off a settings dataclass, and groups that know old names."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

from textsep_lab.utils.registry import Choices, Registry

EXISTING = click.Path(path_type=Path)
FOLDS = click.IntRange(1, 5)
# What is not needed to separate and detect, by the extra that brings it.
EXTRAS = {
    "lightning_fabric": "train", "matplotlib": "plots", "nbformat": "lab", "papermill": "lab",
    "pooch": "data", "sklearn": "nmf", "torchmetrics": "evaluate",
}  # fmt: skip


class SentenceError(click.ClickException):
    """An error the package raises on purpose: its sentence, and exit status 2."""

    exit_code = 2


class Group(click.Group):
    """A group of commands that says what a command is called now.

    Args:
        renamed: today's command for each old name.
    """

    def __init__(self, *args: Any, renamed: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.renamed = renamed or {}

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise SentenceError(_missing(error)) from error
        except (ValueError, OSError, ImportError) as error:
            raise SentenceError(str(error)) from error

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] in self.renamed:
            ctx.fail(f"'{args[0]}' is now `textsep {self.renamed[args[0]]}`.")
        return super().resolve_command(ctx, args)


class OneOf(click.ParamType):
    """One of the names of a registry, as it is when asked: others may have been added."""

    name = "name"

    def __init__(self, names: Registry | Choices) -> None:
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self.names)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self.names.check(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _missing(error: ModuleNotFoundError) -> str:
    """Return which extra brings a module that is not installed."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return str(error)
    return f"This needs {module}, which is not here: pip install 'textsep-lab[{EXTRAS[module]}]'."


def settings_options(kind: type, leave_out: Collection[str] = ()) -> Callable:
    """Return a decorator that adds an option for each field of a settings dataclass.

    The field's default is the option's, its metadata's ``help`` the sentence, its ``choices`` the
    values; a tuple may be given several times.
    """
    hints = get_type_hints(kind)

    def decorate(command: Callable) -> Callable:
        for each in reversed([f for f in fields(kind) if f.name not in leave_out]):
            command = _option(each, hints[each.name])(command)
        return command

    return decorate


def _option(each: Field, hint: Any) -> Callable:
    several = get_origin(hint) is tuple
    plain = _plain(hint)
    kind: Any = FOLDS if each.name.endswith("_folds") else plain
    if "choices" in each.metadata:
        kind = OneOf(each.metadata["choices"])
    said = each.metadata["help"] + ("  May be given several times." if several else "")
    # extra_paths is given as one --extra-path after the other
    name = each.name[:-1] if several and each.name != "sources" else each.name
    flag = {"is_flag": True} if plain is bool else {"type": kind, "multiple": several}
    shown = each.default not in (None, (), False)
    return click.option(
        f"--{name.replace('_', '-')}", each.name, default=each.default, help=said,
        show_default=shown, **flag,
    )  # fmt: skip


def _plain(hint: Any) -> type:
    """Return the type of one value: of ``float | None`` or ``tuple[float, ...]``, float."""
    if get_origin(hint) in (Union, types.UnionType, tuple):
        return next(x for x in get_args(hint) if x not in (type(None), Ellipsis))
    return hint


def draw_learning_curve(folder: Path) -> Path:
    """Draw the log of a run into its folder."""
    import pandas as pd

    from textsep_lab import plots

    figure = plots.learning_curve(pd.read_csv(folder / "log.csv"))
    return plots.write(figure, folder / "learning_curve.png")


def refuse_existing(*files: Path | None) -> None:
    """Raise FileExistsError if a file is there already."""
    for file in files:
        if file is not None and file.exists():
            raise FileExistsError(f"'{file}' is there already: give --overwrite, or another place.")
