"""The command line: ``textsep separate | detect | train | benchmark | data | demo | …``.

No signal processing here. Bad input ends with one sentence and exit status 2.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import click

from textsep_lab.cli.app import app
from textsep_lab.cli.benchmark import benchmark
from textsep_lab.cli.data import data
from textsep_lab.cli.hearing import describe, detect, encoders, hearing, train_listener
from textsep_lab.cli.notebooks import notebooks
from textsep_lab.cli.options import EXISTING, budget, draw_learning_curve, run_settings


class OneSentence(click.Group):
    """Turns the errors the package raises on purpose into a sentence and exit status 2."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError, ImportError) as error:
            raise click.ClickException(str(error)) from error


click.ClickException.exit_code = 2


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="textsep-lab")
def main() -> None:
    """Separate sounds by naming them: type "dog barking", give a window, hear it.

    \b
    textsep demo                                         hear it now
    textsep separate street.wav --query "dog barking"    one file
    textsep detect street.wav                            what is in it, and when
    textsep train --help                                 your own weights
    """
    warnings.showwarning = _say_warning


def _say_warning(message, category, *_args, **_kwargs) -> None:
    if issubclass(category, UserWarning):
        click.echo(f"Warning: {message}", err=True)


class AutoWindow(click.Command):
    """Lets ``--window`` take the one word auto beside two numbers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        pairs = list(pairwise([*args, ""]))
        if ("--window", "auto") in pairs:
            at = pairs.index(("--window", "auto"))
            args = [*args[:at], "--auto-window", *args[at + 2 :]]
        return super().parse_args(ctx, args)


@main.command(cls=AutoWindow)
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
    help="Seconds to work in; may be given several times. Outside, nothing changes. "
    "--window auto works where the sound is heard.",
)
@click.option("--auto-window", is_flag=True, hidden=True)
@click.option("--fade", default=0.07, show_default=True, help="Soft edges of the windows, seconds.")
@click.option("--out", type=EXISTING, help="Folder for the results.  [default: FILE's name]")
@click.option("--checkpoint", type=EXISTING, help="Weights to use.  [default: the shipped ones]")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--figure/--no-figure", default=True, help="Draw separation.png.")
@click.option("--method", type=click.Choice(["unet", "nmf"]), default="unet", show_default=True,
              help="The network, or the classical baseline.")  # fmt: skip
@click.option("--components", default=8, show_default=True, help="Of the NMF.")
@click.option("--unwanted", help="What else is there.  [default: the ears find out]")
def separate(
    recording, query, mode, windows, auto_window, fade, out, checkpoint, overwrite, figure,
    method, components, unwanted,
) -> None:  # fmt: skip
    """Keep or remove the sound that --query names in FILE.

    FILE may have any sample rate, any number of channels and any length; WAV, FLAC, OGG, MP3 and
    AIFF are read. Writes output, residual (what was taken away), separation.png and result.json.

    \b
    textsep separate street.wav --query "dog barking" --window 1.0 3.5
    textsep separate street.wav --query siren --mode remove --out quiet
    """
    from textsep_lab.separation import load_separator

    if auto_window and windows:
        raise ValueError("Give --window auto or --window START END, not both.")
    out = out or Path(f"{recording.stem}_separated")
    result = load_separator(checkpoint).separate(
        recording,
        query,
        mode,
        "auto" if auto_window else list(windows) or None,
        fade,
        method=method,
        components=components,
        unwanted=unwanted,
    )
    files = result.save(out, overwrite=overwrite, figure=figure)
    if not result.input.any():
        click.echo(f"Warning: '{recording}' is silent: there was nothing to separate.", err=True)
    else:
        share = f"{100 * result.energy_share:.1f} %"
        if auto_window:
            spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in result.windows)
            click.echo(f"“{result.query}” is heard from {spans}.")
        click.echo(f"{share} of the energy in the window was taken for “{result.query}”.")
        click.echo(f"Confidence that it is there: {100 * result.confidence:.0f} %.")
    for path in files:
        click.echo(path)


@main.command()
@budget
@click.option("--batch-size", default=8, show_default=True)
@click.option("--configuration", type=click.Choice(["compact", "reference", "guided"]),
              default="compact",
              show_default=True)  # fmt: skip
@click.option("--loss", type=click.Choice(["snr", "l1", "best"]), default="snr",
              show_default=True)  # fmt: skip
@click.option("--baseline", is_flag=True, help="Train the text-agnostic twin.")
@click.option("--absent-share", default=0.1, show_default=True,
              help="How often the query names nothing in the mixture.")  # fmt: skip
@click.option("--unwanted-share", default=0.6, show_default=True,
              help="How often it is told what is not wanted.")  # fmt: skip
@click.option("--init", type=click.Path(), help="Checkpoint to start from.")
@click.option("--twin", type=click.Path(), help="Checkpoint of the twin that guides.")
@click.option("--val-mixtures", default=100, show_default=True)
def train(output_dir, **options) -> None:
    """Train a separator on a data set in ESC-50's layout.

    Kill it whenever you like: the same command goes on where it stopped.

    \b
    textsep data bank data/bank                                       no download
    textsep train --esc50-path data/bank --output-dir runs/mine --minutes 20
    """
    from textsep_lab.settings import Settings
    from textsep_lab.training import train as run

    click.echo(run(run_settings(Settings, options), output_dir))
    click.echo(draw_learning_curve(output_dir))


@main.command()
@click.option("--out", type=EXISTING, help="Folder for the results.  [default: reports/demo]")
def demo(out) -> None:
    """Separate the bundled mixture: "dog barking" in the rain, kept from 1.0 to 3.5 s."""
    from textsep_lab import quickstart
    from textsep_lab.paths import reports_dir

    click.echo(quickstart.run(out or reports_dir() / "demo"))


for command in (
    app, benchmark, data, detect, describe, encoders, hearing, notebooks, train_listener,
):  # fmt: skip
    main.add_command(command)
