"""``textsep separate | demo``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from textsep_lab.cli.options import EXISTING, refuse_same, settings_options
from textsep_lab.separation.config import AUTO, SeparationSettings
from textsep_lab.utils.paths import check_folder


class AutoWindow(click.Command):
    """Lets ``--window`` take the one word auto beside two numbers."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)  # after it there are only names
        given: list[str] = []
        for arg in args[:end]:
            if arg == f"--window={AUTO}" or (given[-1:] == ["--window"] and arg == AUTO):
                given = given[: -1 if arg == AUTO else None]
                given.append("--auto-window")
            else:
                given.append(arg)
        return super().parse_args(ctx, [*given, *args[end:]])


@click.command(cls=AutoWindow)
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--query", required=True, help='The sound in a few words, such as "dog barking".')
@click.option(
    "--window",
    "windows",
    nargs=2,
    type=float,
    multiple=True,
    metavar="START END",
    help="Seconds to work in; may be given several times. Outside, nothing changes. "
    "--window auto works where the sound is detected.",
)
@click.option("--auto-window", count=True, hidden=True)
@settings_options(SeparationSettings)
@click.option("--out", type=EXISTING,
              help="Folder for the results.  [default: FILE's name and _separated]")  # fmt: skip
@click.option("--checkpoint", type=EXISTING, help="Weights to use.  [default: the shipped ones]")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--figure/--no-figure", default=None,
              help="Draw separation.png.  [default: if matplotlib is installed]")  # fmt: skip
def separate(
    recording, query, windows, auto_window, out, checkpoint, overwrite, figure, **settings
) -> None:
    """Keep or remove the sound that --query names in FILE.

    FILE may have any sample rate, any number of channels and any length; WAV, FLAC, OGG, MP3 and
    AIFF are read. Writes output, residual (what was taken away), separation.png and result.json.

    \b
    textsep separate street.wav --query "dog barking" --window 1.0 3.5
    textsep separate street.wav --query siren --mode remove --out quiet
    """
    from textsep_lab.separation.separator import load_separator

    if auto_window and windows:
        raise ValueError("Give --window auto or --window START END, not both.")
    if auto_window > 1:
        raise ValueError("Give --window auto once.")
    if figure is None:
        figure = find_spec("matplotlib") is not None
    out = out or Path(f"{recording.stem}_separated")
    check_result(out, [recording, checkpoint], overwrite)
    asked = AUTO if auto_window else list(windows) or None
    result = load_separator(checkpoint).separate(recording, query, windows=asked, **settings)
    files = result.save(out, overwrite=overwrite, figure=figure)
    if auto_window:
        spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in result.windows)
        click.echo(f"“{result.query}” is detected from {spans}.")
    for sentence in result.sentences():
        click.echo(sentence)
    for path in files:
        click.echo(path)


def check_result(out: Path, inputs: Sequence[Path | None], overwrite: bool) -> None:
    """Raise before the work what would be wrong with a result in `out` after it."""
    from textsep_lab.separation.result import NAMES
    from textsep_lab.utils.transactions import existing, refuse_existing

    refuse_same(existing(out, NAMES), inputs)
    refuse_existing(out, NAMES, overwrite)
    check_folder(out)


@click.command()
@click.option("--out", type=EXISTING, help="Folder for the results.  [default: reports/demo]")
@click.option("--overwrite", is_flag=True, help="Replace another result than a demonstration's.")
def demo(out, overwrite) -> None:
    """Separate the bundled mixture: "dog barking" in the rain, kept from 1.0 to 3.5 s."""
    from textsep_lab.session import quickstart
    from textsep_lab.utils.paths import reports_dir

    default = reports_dir() / "demo"
    check_result(out or default, [], overwrite or out in (None, default) or _is_demonstration(out))
    click.echo(quickstart.run(out or default))


def _is_demonstration(folder: Path) -> bool:
    """Tell whether a result is an earlier demonstration, which the next one may replace."""
    try:
        return "si_sdr_mixture_db" in json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError, TypeError):
        return False
