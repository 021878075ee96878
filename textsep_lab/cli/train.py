"""``textsep train separator | clap``."""

from __future__ import annotations

from typing import Any

import click

from textsep_lab.cli.options import EXISTING, Group, draw_learning_curve, settings_options
from textsep_lab.training.config import BUDGETS, ClapSettings, SeparatorSettings

EPOCHS = 30  # when no budget is given
OUTPUT = click.option(
    "--output-dir", type=EXISTING, required=True,
    help="Folder of the run; a run that lies there is resumed.",
)  # fmt: skip


@click.group(cls=Group)
def train() -> None:
    """Train a network. Kill it whenever you like: the same command goes on where it stopped.

    \b
    textsep data synthetic data/synthetic                             no download
    textsep train separator --esc50-path data/synthetic --output-dir runs/mine --minutes 20
    """


@train.command()
@OUTPUT
@settings_options(SeparatorSettings)
def separator(output_dir, **options) -> None:
    """Train a separator on a data set in ESC-50's layout.

    \b
    textsep train separator --esc50-path data/ESC-50 --output-dir runs/mine --minutes 60
    """
    from textsep_lab.training.separator import train as run

    click.echo(run(SeparatorSettings(**_with_budget(options)), output_dir))
    click.echo(draw_learning_curve(output_dir))


@train.command()
@OUTPUT
@settings_options(ClapSettings)
def clap(output_dir, **options) -> None:
    """Train a CLAP model, a joint embedding of text and audio, in miniature.

    \b
    textsep train clap --esc50-path data/ESC-50 --output-dir runs/clap --minutes 60
    """
    from textsep_lab.training.clap import train as run

    click.echo(run(ClapSettings(**_with_budget(options)), output_dir))
    click.echo(draw_learning_curve(output_dir))


def _with_budget(options: dict[str, Any]) -> dict[str, Any]:
    if all(options[name] is None for name in BUDGETS):
        return {**options, "epochs": EPOCHS}
    return options
