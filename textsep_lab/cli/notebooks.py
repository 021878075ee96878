"""``textsep notebooks run | sweep | save | tidy``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from textsep_lab.cli.options import EXISTING


@click.group()
def notebooks() -> None:
    """Run the chapters without opening them, over a grid of parameters if you like."""
    if find_spec("papermill") is None:
        raise ImportError("Running notebooks needs papermill: pip install 'textsep-lab[lab]'.")


@notebooks.command()
@click.option("--only", multiple=True, metavar="CHAPTER",
              help="A chapter's number, name or path; may be given several times.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Value for a parameter; may be given several times. Chapters that do not know "
              "the parameter keep theirs.")  # fmt: skip
@click.option("--out", type=EXISTING,
              help="Folder for all that is made.  [default: reports/notebooks]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True,
              help="How many at once.")  # fmt: skip
def run(only, settings, out, jobs) -> None:
    """Run chapters, each in a fresh kernel; the chapters themselves stay as they are.

    \b
    textsep notebooks run
    textsep notebooks run --only 03 --set steps=200 --set lr=1e-3
    """
    from textsep_lab.teaching import batch
    from textsep_lab.teaching import chapters as chapters
    from textsep_lab.teaching.helpers import data_root
    from textsep_lab.utils.paths import reports_dir

    out = out or reports_dir() / "notebooks"
    planned = batch.plan(chapters.choose(list(only)), out, _pairs(settings))
    data_root()  # two chapters at once must not both render the sounds
    _report(batch.run(planned, jobs), out)


@notebooks.command()
@click.argument("notebook", metavar="CHAPTER")
@click.option("--grid", "axes", multiple=True, required=True, metavar="NAME=A,B,…",
              help="Values for a parameter; may be given several times.")  # fmt: skip
@click.option("--out", type=EXISTING, help="Folder for all points.  [default: reports/sweeps/…]")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
def sweep(notebook, axes, out, jobs) -> None:
    """Run CHAPTER at each point of a grid; points that are done already are not run again.

    \b
    textsep notebooks sweep 03 --grid lr=1e-3,3e-4 --grid batch_size=8,16
    """
    from textsep_lab import plots
    from textsep_lab.teaching import batch
    from textsep_lab.teaching import chapters as chapters
    from textsep_lab.teaching import sweep as sweeping
    from textsep_lab.teaching.helpers import data_root
    from textsep_lab.utils.paths import reports_dir

    path = chapters.choose([notebook])[0]
    axes = _pairs(axes)
    out = out or reports_dir() / "sweeps" / path.stem
    points = sweeping.grid(path, axes)
    data_root()
    table = sweeping.run(path, points, out, jobs)
    click.echo(table.to_string(index=False))
    click.echo(out / "results.csv")
    click.echo(plots.write(sweeping.draw(table, list(axes)), out / "results.png"))
    if (table["status"] == batch.FAILED).any():
        raise SystemExit(1)


@notebooks.command()
@click.option("--only", multiple=True, metavar="CHAPTER", help="As for run.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
def save(only, jobs) -> None:
    """Run chapters with their own parameters and keep the outputs in them."""
    from textsep_lab.teaching import batch
    from textsep_lab.teaching import chapters as chapters
    from textsep_lab.teaching.helpers import data_root

    data_root()
    paths = [chapters.tidy(path) for path in chapters.choose(list(only))]
    table = batch.save(paths, jobs)
    click.echo(table.to_string(index=False))
    if (table["status"] == batch.FAILED).any():
        raise SystemExit(1)


@notebooks.command()
def tidy() -> None:
    """Write badges, links, the repository's address and the exercises' stubs anew."""
    from textsep_lab.teaching import chapters as chapters

    for path in chapters.chapters():
        click.echo(chapters.tidy(path))


def _pairs(texts) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    for text in texts:
        if "=" not in text:
            raise ValueError(f"'{text}' says no value: write NAME=VALUE.")
    return pairs


def _report(table, out: Path) -> None:
    """Print the summary and keep it beside the executed copies; status 1 if a notebook failed."""
    from textsep_lab.teaching import batch
    from textsep_lab.utils.paths import atomic_write

    with atomic_write(out / "summary.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    click.echo(table.to_string(index=False))
    click.echo(out / "summary.csv")
    if (table["status"] == batch.FAILED).any():
        raise SystemExit(1)
