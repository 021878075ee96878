"""``textsep evaluate separation | detection | speed | robustness | peers | captions``."""

from __future__ import annotations

from pathlib import Path

import click

from textsep_lab.cli.options import EXISTING, FOLDS, Group, OneOf, check_outputs
from textsep_lab.encoders.registry import DEFAULT_JOINT_ENCODER, JOINT_ENCODERS

ESC50 = click.option("--esc50", type=EXISTING, help="Data set in ESC-50's layout.")
FOLD = click.option("--fold", "folds", type=FOLDS, multiple=True, default=(4,), show_default=True)
CHECKPOINT = click.option(
    "--checkpoint", type=EXISTING, help="Separator to judge.  [default: the shipped one]"
)
LIMIT = click.option("--limit", type=int, help="Only so many mixtures, spread over the list.")


OVERWRITE = click.option(
    "--overwrite", is_flag=True, help="Replace what lies where --out and --calibrate say."
)


def _out(default: str):
    return click.option(
        "--out", type=EXISTING,
        help=f"Folder for the report.  [default: reports/{default}, made anew]",
    )  # fmt: skip


def _check(out: Path | None, name: str, overwrite: bool, *files: Path | None) -> None:
    report = None if out is None else out / f"{name}.md"
    check_outputs([report, *files], overwrite=overwrite)


@click.group(cls=Group)
def evaluate() -> None:
    """Measure, and write a report with tables and figures.

    \b
    textsep evaluate separation --esc50 data/ESC-50                   all of it, 20 minutes
    textsep evaluate detection --esc50 data/ESC-50
    textsep evaluate speed
    textsep evaluate robustness
    """


@evaluate.command()
@ESC50
@FOLD
@click.option("--systems", default="", metavar="NAME,NAME",
              help="Only these rows, without the further tables.")  # fmt: skip
@CHECKPOINT
@click.option("--weights", multiple=True, metavar="NAME=PATH",
              help="Weights of the text-agnostic or the reference network.")  # fmt: skip
@click.option("--unseen", type=EXISTING, metavar="FOLDER",
              help="Labelled clips (clips.csv) for two further tables: words kept from training, "
              "and everyday scenes.")  # fmt: skip
@click.option("--recordings", type=EXISTING, metavar="FOLDER",
              help="Labelled clips without a truth: the detector judges.")  # fmt: skip
@LIMIT
@_out("separation, or separation-part for a part")
@OVERWRITE
def separation(
    esc50, folds, systems, checkpoint, weights, unseen, recordings, limit, out, overwrite
) -> None:
    """Judge separators on a fold, between the unprocessed mixture and oracle masks.

    Every clip is a target once, mixed at 0 dB with a clip of another class and Freesound id; the
    query is the bare class name (AudioSep's protocol).

    \b
    textsep evaluate separation --esc50 data/ESC-50
    textsep evaluate separation --esc50 data/ESC-50 --systems ours,irm --limit 100 --out quick
    textsep evaluate separation --esc50 data/ESC-50 --unseen data/clips
    """
    from textsep_lab.evaluation import separation_report

    _check(out, "separation", overwrite)
    names = tuple(name.strip() for name in systems.split(",") if name.strip())
    report = separation_report.run(
        esc50, folds, checkpoint, names, limit, _paths(weights), unseen, recordings
    )
    part = bool(systems or limit)  # which must not take the place of a whole report
    _write(report, out, "separation-part" if part else "separation")


@evaluate.command()
@ESC50
@click.option("--fold", type=FOLDS, default=4, show_default=True)
@click.option("--encoder", type=OneOf(JOINT_ENCODERS),
              default=DEFAULT_JOINT_ENCODER, show_default=True,
              help="Joint encoder of the detector.")  # fmt: skip
@CHECKPOINT
@click.option("--calibrate", type=EXISTING, help="Also write the calibration to this JSON file.")
@_out("detection")
@OVERWRITE
def detection(esc50, fold, encoder, checkpoint, calibrate, out, overwrite) -> None:
    """Judge a detector and the confidence on a fold; with --calibrate, fit its curves."""
    from textsep_lab.evaluation import detection_report

    _check(out, "detection", overwrite, calibrate)
    report, calibration = detection_report.run(esc50, fold, encoder, checkpoint)
    if calibrate is not None:
        click.echo(calibration.save(calibrate))
    _write(report, out, "detection")


@evaluate.command()
@CHECKPOINT
@_out("speed")
@OVERWRITE
def speed(checkpoint, out, overwrite) -> None:
    """Time lengths, threads, number formats and the cold start; needs no data."""
    from textsep_lab.evaluation import speed_report

    _check(out, "speed", overwrite)
    _write(speed_report.run(checkpoint), out, "speed")


@evaluate.command()
@CHECKPOINT
@click.option("--count", type=click.IntRange(1), default=200, show_default=True,
              help="Cases of each kind.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=EXISTING, help="Folder for the report.  [default: reports]")
@OVERWRITE
def robustness(checkpoint, count, seed, out, overwrite) -> None:
    """Try hostile recordings, files, words and moments; needs no data."""
    from textsep_lab.evaluation import robustness_report

    _check(out, "robustness", overwrite)
    _write(robustness_report.run(checkpoint, count, seed), out, "")


@evaluate.command()
@ESC50
@FOLD
@click.option("--minutes", type=float,
              help="Train each for so long and score it. Rows that lie in --out with the same "
              "budget are kept.")  # fmt: skip
@LIMIT
@_out("peers")
def peers(esc50, folds, minutes, limit, out) -> None:
    """Measure our networks beside external models, those of other libraries.

    \b
    textsep evaluate peers --esc50 data/ESC-50 --minutes 30
    """
    from textsep_lab.evaluation import external_report
    from textsep_lab.utils.paths import reports_dir

    out = out or reports_dir() / "peers"
    _write(external_report.run(esc50, folds, minutes, limit, out), out, "peers")


@evaluate.command()
def captions() -> None:
    """Say how often paraphrases are understood: the nearest label, and the query classifier."""
    from textsep_lab.evaluation import captions as module

    click.echo(module.summary())


def _write(report, out: Path | None, name: str) -> None:
    from textsep_lab.utils.paths import reports_dir

    for path in report.write(out or reports_dir() / name):
        click.echo(path)


def _paths(weights: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in weights]
    wrong = [name for name, equals, path in pairs if not (name and equals and path)]
    if wrong:
        raise click.BadParameter(f"'{wrong[0]}' is not NAME=PATH", param_hint="--weights")
    return {name: path for name, _, path in pairs}
