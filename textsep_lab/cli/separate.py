"""``textsep separate | demo``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from textsep_lab.cli.options import EXISTING, OneOf, refuse_same, settings_options
from textsep_lab.cli.pipe import PIPE, separate_pipe
from textsep_lab.separation.config import AUTO, SeparationSettings
from textsep_lab.signal.config import ENCODINGS, FORMATS
from textsep_lab.utils.paths import check_folder

SHORT = 600.0  # seconds: a picture of more shows nothing


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
@click.option("--format", "container", type=OneOf(FORMATS), default=None,
              help="Write such files; ogg is lossy.  [default: as FILE, or wav if that is lossy]"
              )  # fmt: skip
@click.option("--raw", type=(OneOf(ENCODINGS), int, int), default=None,
              metavar="ENCODING RATE CHANNELS",
              help=f"How raw samples lie on a pipe, such as s16le 44100 2; {', '.join(ENCODINGS)}. "
              "[default: a WAV is piped]")  # fmt: skip
@click.option("--checkpoint", type=EXISTING, help="Weights to use.  [default: the shipped ones]")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--figure/--no-figure", default=None,
              help="Draw separation.png.  [default: if matplotlib is installed]")  # fmt: skip
def separate(
    recording,
    query,
    windows,
    auto_window,
    out,
    raw,
    checkpoint,
    overwrite,
    figure,
    container,
    **settings,
) -> None:
    """Keep or remove the sound that --query names in FILE.

    FILE may have any sample rate, any number of channels and any length; WAV, FLAC, OGG, MP3,
    AIFF and more are read. Writes output, residual (what was taken away), separation.png and
    result.json. With - for FILE and for --out, samples are piped through while they come in.

    \b
    textsep separate street.wav --query "dog barking" --window 1.0 3.5
    textsep separate street.wav --query siren --mode remove --out quiet
    arecord -f S16_LE -r 16000 | textsep separate - --query siren --mode remove --out - | aplay
    """
    if auto_window and windows:
        raise ValueError("Give --window auto or --window START END, not both.")
    if auto_window > 1:
        raise ValueError("Give --window auto once.")
    asked = AUTO if auto_window else list(windows) or None
    if PIPE in (str(recording), str(out)):
        separate_pipe(recording, out, raw, checkpoint, query=query, windows=asked, **settings)
        return
    if raw is not None:
        raise ValueError("--raw says how samples lie on a pipe: give - for FILE and for --out.")
    out = out or Path(f"{recording.stem}_separated")
    check_result(out, [recording, checkpoint], overwrite)
    result, files = _separated(
        recording, out, checkpoint, overwrite, figure, container and container.upper(),
        query=query, windows=asked, **settings,
    )  # fmt: skip
    if auto_window:
        spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in result.windows)
        click.echo(f"“{result.sounds}” is detected from {spans}.")
    for sentence in result.sentences():
        click.echo(sentence)
    for path in files:
        click.echo(path)


def _separated(recording, out, checkpoint, overwrite, figure, container, **asked) -> tuple:
    """Separate in memory what is short enough for a picture, the rest block by block."""
    from textsep_lab.separation.file import separate_file
    from textsep_lab.separation.separator import load_separator

    if figure is None:
        figure = find_spec("matplotlib") is not None
    if is_short(recording):
        result = load_separator(checkpoint).separate(recording, **asked)
        return result, result.save(out, overwrite, figure, container=container)
    if figure:
        click.echo(f"No picture is drawn of more than {SHORT / 60:g} minutes.", err=True)
    result = separate_file(
        load_separator(checkpoint),
        recording,
        out,
        overwrite=overwrite,
        container=container,
        **asked,
    )
    return result, result.files


def is_short(recording: Path) -> bool:
    """Return whether a file lasts no more than `SHORT` seconds, as far as its header says."""
    from textsep_lab.signal.audio_reader import AudioReader

    if recording.exists() and not recording.is_file():
        return False  # a pipe, which can be opened once
    with AudioReader(recording) as reader:
        samples = reader.promised_samples
        return samples is not None and samples <= SHORT * reader.sample_rate


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
