"""The command line: ``textsep separate | train | benchmark | data | demo``.

No signal processing here. Bad input ends with one sentence and exit status 2.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import click

from textsep_lab import __version__

EXISTING = click.Path(path_type=Path)
FOLDS = click.IntRange(1, 5)


class OneSentence(click.Group):
    """Turns the errors the package raises on purpose into a sentence and exit status 2."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            raise click.ClickException(str(error)) from error


click.ClickException.exit_code = 2


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Separate sounds by naming them: type "dog barking", give a window, hear it.

    \b
    textsep demo                                         hear it now
    textsep separate street.wav --query "dog barking"    one file
    textsep train --help                                 your own weights
    """
    warnings.showwarning = _say_warning


def _say_warning(message, category, *_args, **_kwargs) -> None:
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


@main.command()
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--query", required=True, help='The sound in a few words, such as "dog barking".')
@click.option(
    "--mode",
    type=click.Choice(["keep", "remove"]),
    default="keep",
    show_default=True,
    help="Keep only that sound, or remove it.",
)
@click.option(
    "--window",
    "windows",
    nargs=2,
    type=float,
    multiple=True,
    metavar="START END",
    help="Seconds to work in; may be given several times. Outside, nothing changes.",
)
@click.option("--fade", default=0.07, show_default=True, help="Soft edges of the windows, seconds.")
@click.option("--out", type=EXISTING, help="Folder for the results.  [default: FILE's name]")
@click.option("--checkpoint", type=EXISTING, help="Weights to use.  [default: the shipped ones]")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--figure/--no-figure", default=True, help="Draw separation.png.")
def separate(recording, query, mode, windows, fade, out, checkpoint, overwrite, figure) -> None:
    """Keep or remove the sound that --query names in FILE.

    FILE may have any sample rate, any number of channels and any length; WAV, FLAC, OGG, MP3 and
    AIFF are read. Writes output, residual (what was taken away), separation.png and result.json.

    \b
    textsep separate street.wav --query "dog barking" --window 1.0 3.5
    textsep separate street.wav --query siren --mode remove --out quiet
    """
    from textsep_lab.separation import load_separator

    out = out or Path(f"{recording.stem}_separated")
    separator = load_separator(checkpoint)
    result = separator.separate(recording, query, mode, list(windows) or None, fade)
    files = result.save(out, overwrite=overwrite, figure=figure)
    if not result.input.any():
        click.echo(f"Warning: '{recording}' is silent: there was nothing to separate.", err=True)
    else:
        share = f"{100 * result.energy_share:.1f} %"
        click.echo(f"{share} of the energy in the window was taken for “{result.query}”.")
    for path in files:
        click.echo(path)


@main.command()
@click.option("--esc50-path", type=EXISTING, help="Data set in ESC-50's layout.")
@click.option("--extra-path", "extra_paths", type=EXISTING, multiple=True,
              help="One more data set to train on; may be given several times.")  # fmt: skip
@click.option("--extra-share", default=0.2, show_default=True, help="How often those are drawn.")
@click.option("--output-dir", type=EXISTING, required=True, help="Folder of the run; a run that "
              "lies there is resumed.")  # fmt: skip
@click.option("--batch-size", default=8, show_default=True)
@click.option("--epochs", type=float, help="Budget in passes over the training clips.")
@click.option("--steps", type=int, help="Budget in steps.")
@click.option("--minutes", type=float, help="Budget in minutes.")
@click.option("--lr", default=2e-3, show_default=True, help="Highest learning rate.")
@click.option("--train-folds", type=FOLDS, multiple=True, default=(1, 2, 3), show_default=True)
@click.option("--val-folds", type=FOLDS, multiple=True, default=(4,), show_default=True)
@click.option("--configuration", type=click.Choice(["compact", "reference"]), default="compact",
              show_default=True)  # fmt: skip
@click.option("--encoder", default="minilm-l6-int8", show_default=True, help="Text encoder.")
@click.option("--loss", type=click.Choice(["snr", "l1"]), default="snr", show_default=True)
@click.option("--baseline", is_flag=True, help="Train the text-agnostic twin.")
@click.option("--absent-share", default=0.1, show_default=True,
              help="How often the query names nothing in the mixture.")  # fmt: skip
@click.option("--seconds", default=4.096, show_default=True, help="Length of the mixtures.")
@click.option("--val-every", default=500, show_default=True, help="Steps between validations.")
@click.option("--val-mixtures", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True)
def train(output_dir, epochs, steps, minutes, **options) -> None:
    """Train a separator on a data set in ESC-50's layout.

    Kill it whenever you like: the same command goes on where it stopped.

    \b
    textsep data bank data/bank                                       no download
    textsep train --esc50-path data/bank --output-dir runs/mine --minutes 20
    """
    from textsep_lab.training import Settings
    from textsep_lab.training import train as run

    if epochs is None and steps is None and minutes is None:
        epochs = 30
    extra = tuple(str(path) for path in options.pop("extra_paths"))
    root = options.pop("esc50_path")
    settings = Settings(
        esc50_path=None if root is None else str(root), extra_paths=extra,
        epochs=epochs, steps=steps, minutes=minutes, **options,
    )  # fmt: skip
    best = run(settings, output_dir)
    click.echo(best)
    click.echo(_draw_learning_curve(output_dir))


def _draw_learning_curve(folder: Path) -> Path:
    import pandas as pd

    from textsep_lab import plots

    figure = plots.learning_curve(pd.read_csv(folder / "log.csv"))
    return plots.write(figure, folder / "learning_curve.png")


@main.command()
@click.option("--esc50", type=EXISTING, help="Data set in ESC-50's layout.")
@click.option("--fold", type=FOLDS, multiple=True, default=(4,), show_default=True)
@click.option("--checkpoint", type=EXISTING, help="Weights to judge.  [default: the shipped ones]")
@click.option("--limit", type=int, help="Only the first mixtures of the list.")
@click.option("--out", type=EXISTING, help="Folder for the tables.  [default: reports/benchmark]")
def benchmark(esc50, fold, checkpoint, limit, out) -> None:
    """Measure SI-SDRi on a fold, between the unprocessed mixture and oracle masks.

    Every clip is a target once, mixed at 0 dB with a clip of another class and Freesound id; the
    query is the bare class name (AudioSep's protocol).
    """
    from textsep_lab import benchmark as bench
    from textsep_lab.paths import reports_dir

    report = bench.run(esc50, fold, checkpoint, limit)
    for path in bench.write(report, out or reports_dir() / "benchmark"):
        click.echo(path)
    click.echo(bench.table(report))


@main.command()
@click.option("--out", type=EXISTING, help="Folder for the results.  [default: reports/demo]")
def demo(out) -> None:
    """Separate the bundled mixture: "dog barking" in the rain, kept from 1.0 to 3.5 s."""
    from textsep_lab import quickstart
    from textsep_lab.paths import reports_dir

    click.echo(quickstart.run(out or reports_dir() / "demo"))


@main.group(cls=OneSentence)
def data() -> None:
    """Get or make recordings and mixtures."""


@data.command("esc50")
@click.argument("dest", type=EXISTING, required=False)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
def data_esc50(dest, overwrite) -> None:
    """Download ESC-50 (646 MB; CC BY-NC 3.0) to DEST, by default data/ESC-50.

    A download that was cut is resumed by the same command.
    """
    from textsep_lab.download import download

    click.echo(download(dest, overwrite=overwrite))


@data.command("bank")
@click.argument("dest", type=EXISTING)
@click.option("--clips", default=40, show_default=True, help="Clips a class.")
@click.option("--seed", default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
def data_bank(dest, clips, seed, overwrite) -> None:
    """Write the procedural sound bank to DEST in ESC-50's layout. Needs no network."""
    from textsep_lab.sounds import write_dataset

    click.echo(write_dataset(dest, clips_per_label=clips, seed=seed, overwrite=overwrite))


@data.command("mixtures")
@click.argument("dest", type=EXISTING)
@click.option("--esc50", type=EXISTING, help="Data set in ESC-50's layout.")
@click.option("--fold", type=FOLDS, multiple=True, help="Folds to mix.  [default: all]")
@click.option("--count", default=10, show_default=True, help="How many mixtures.")
@click.option("--seconds", default=5.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
def data_mixtures(dest, esc50, fold, count, seconds, seed) -> None:
    """Write random mixtures with their targets to DEST, and the manifest they are made from.

    Levels of the target over each of 1 to 3 interferers are drawn from -5 to 5 dB.
    """
    from textsep_lab.manifests import write_examples

    click.echo(write_examples(dest, esc50, fold or None, count, seconds, seed))


if __name__ == "__main__":
    sys.exit(main())
