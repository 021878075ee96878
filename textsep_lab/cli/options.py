"""What several commands share."""

from __future__ import annotations

from pathlib import Path

import click

EXISTING = click.Path(path_type=Path)
FOLDS = click.IntRange(1, 5)


def budget(command):
    """Add the options that say on what, how long and how fast a training run learns."""
    options = [
        click.option("--esc50-path", type=EXISTING, help="Data set in ESC-50's layout."),
        click.option(
            "--extra-path",
            "extra_paths",
            type=EXISTING,
            multiple=True,
            help="One more data set to train on; may be given several times.",
        ),
        click.option(
            "--extra-share", default=0.2, show_default=True, help="How often those are drawn."
        ),
        click.option(
            "--companion-share",
            default=0.0,
            show_default=True,
            help="How often a source is two recordings of its class at once.",
        ),
        click.option(
            "--output-dir",
            type=EXISTING,
            required=True,
            help="Folder of the run; a run that lies there is resumed.",
        ),
        click.option("--epochs", type=float, help="Budget in passes over the training clips."),
        click.option("--steps", type=int, help="Budget in steps."),
        click.option("--minutes", type=float, help="Budget in minutes."),
        click.option("--lr", default=2e-3, show_default=True, help="Highest learning rate."),
        click.option(
            "--train-folds", type=FOLDS, multiple=True, default=(1, 2, 3), show_default=True
        ),
        click.option("--val-folds", type=FOLDS, multiple=True, default=(4,), show_default=True),
        click.option(
            "--encoder", default="minilm-l6-int8", show_default=True, help="Text encoder."
        ),
        click.option("--seconds", default=4.096, show_default=True, help="Length of the examples."),
        click.option(
            "--val-every", default=500, show_default=True, help="Steps between validations."
        ),
        click.option("--seed", default=0, show_default=True),
        click.option(
            "--precision",
            type=click.Choice(["32-true", "bf16-mixed"]),
            default="32-true",
            show_default=True,
            help="bf16-mixed is faster where the processor knows bfloat16.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_settings(kind: type, options: dict):
    """Return the settings of a run; without a budget, 30 epochs."""
    if all(options[name] is None for name in ("epochs", "steps", "minutes")):
        options["epochs"] = 30
    root, extra = options.pop("esc50_path"), options.pop("extra_paths")
    paths = {"esc50_path": None if root is None else str(root)}
    return kind(**paths, extra_paths=tuple(map(str, extra)), **options)


def draw_learning_curve(folder: Path) -> Path:
    """Draw the log of a run into its folder."""
    import pandas as pd

    from textsep_lab import plots

    figure = plots.learning_curve(pd.read_csv(folder / "log.csv"))
    return plots.write(figure, folder / "learning_curve.png")
