"""The command line: what a person types. No signal processing here; taught in notebook 00.

Bad input ends with one sentence and exit status 2.
"""

from __future__ import annotations

import warnings

import click

from textsep_lab.cli.app import app
from textsep_lab.cli.checkpoints import checkpoints
from textsep_lab.cli.data import data
from textsep_lab.cli.detect import describe, detect, encoders
from textsep_lab.cli.evaluate import evaluate
from textsep_lab.cli.notebooks import notebooks
from textsep_lab.cli.options import Program
from textsep_lab.cli.separate import demo, separate
from textsep_lab.cli.train import train

RENAMED = {
    "benchmark": "evaluate separation",
    "hearing": "evaluate detection",
    "train-listener": "train clap",
}


@click.group(cls=Program, renamed=RENAMED, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="textsep-lab")
def main() -> None:
    """Separate sounds by naming them: type "dog barking", give a window, hear it.

    \b
    textsep demo                                         hear it now
    textsep separate street.wav --query "dog barking"    one file
    textsep detect street.wav                            what is in it, and when
    textsep train separator --help                       your own weights
    """
    warnings.showwarning = _say_warning


def _say_warning(message, category, *_args, **_kwargs) -> None:
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


for command in (
    app, checkpoints, data, demo, describe, detect, encoders, evaluate, notebooks, separate, train,
):  # fmt: skip
    main.add_command(command)
