"""What commands share: options read off a settings dataclass, and groups that know old names."""

from __future__ import annotations

import itertools
import os
import types
from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

from textsep_lab.cli import process
from textsep_lab.utils.paths import check_file
from textsep_lab.utils.registry import Choices, Registry

EXISTING = click.Path(path_type=Path)
FOLDS = click.IntRange(1, 5)


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
        except (Exception, KeyboardInterrupt) as error:
            said = process.translated(error, f"{ctx.command_path} {ctx.invoked_subcommand}")
            if said is None:
                raise
            raise said from error

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] in self.renamed:
            ctx.fail(f"'{args[0]}' is now `textsep {self.renamed[args[0]]}`.")
        return super().resolve_command(ctx, args)


class Program(Group):
    """The whole command line, which minds signals, streams and the environment."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        os.environ.pop("MPLBACKEND", None)  # for screens; a bogus one would stop matplotlib
        with process.stopping_on_signals(), process.forgiving_streams():
            return super().main(*args, **kwargs)


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


def check_outputs(
    outputs: Sequence[Path | None], inputs: Sequence[Path | None] = (), overwrite: bool = False
) -> None:
    """Raise before the work what would be wrong with files that are written after it.

    Raises:
        FileExistsError: one is there already and `overwrite` is False.
        ValueError: one is the same file as an input, by whatever name, or as another output.
        OSError: one cannot be written.
    """
    files = [file for file in outputs if file is not None]
    for place, file in enumerate(files):
        refuse_same([file], inputs)
        if any(os.path.realpath(file) == os.path.realpath(other) for other in files[:place]):
            raise ValueError(f"'{file}' is to be written twice: give two names.")
        if os.path.lexists(file) and not overwrite:
            raise FileExistsError(f"'{file}' is there already: give --overwrite, or another place.")
        check_file(file)


def refuse_same(outputs: Sequence[Path], inputs: Sequence[Path | None]) -> None:
    """Raise ValueError if an output is an input, be it through a link."""
    for output, source in itertools.product(outputs, filter(None, inputs)):
        if output.exists() and source.exists() and output.samefile(source):
            raise ValueError(f"'{output}' would replace '{source}', which is read: go elsewhere.")
