"""``textsep benchmark``: how well, how fast, how large."""

from __future__ import annotations

from pathlib import Path

import click

from textsep_lab.cli.options import EXISTING, FOLDS


@click.command()
@click.option("--esc50", type=EXISTING, help="Data set in ESC-50's layout.")
@click.option("--fold", type=FOLDS, multiple=True, default=(4,), show_default=True)
@click.option("--systems", default="", metavar="NAME,NAME",
              help="Only these rows, without the further tables.")  # fmt: skip
@click.option("--checkpoint", type=EXISTING, help="Weights to judge.  [default: the shipped ones]")
@click.option("--weights", multiple=True, metavar="NAME=PATH",
              help="Weights of the text-agnostic or the reference network.")  # fmt: skip
@click.option("--limit", type=int, help="Only so many mixtures, spread over the list.")
@click.option("--speed", is_flag=True,
              help="Time lengths, threads, formats and the cold start; no data.")  # fmt: skip
@click.option("--peers", is_flag=True,
              help="Measure our networks beside those of other libraries.")  # fmt: skip
@click.option("--minutes", type=float,
              help="With --peers: train each for so long and score it. Rows that lie in --out with "
              "the same budget are kept.")  # fmt: skip
@click.option(
    "--out",
    type=EXISTING,
    help="Folder for the report.  [default: reports/benchmark, or benchmark-part for a part]",
)
def benchmark(esc50, fold, systems, checkpoint, weights, limit, speed, peers, minutes, out) -> None:
    """Judge separators on a fold, between the unprocessed mixture and oracle masks.

    Every clip is a target once, mixed at 0 dB with a clip of another class and Freesound id; the
    query is the bare class name (AudioSep's protocol).

    \b
    textsep benchmark --esc50 data/ESC-50                    all of it, about half an hour
    textsep benchmark --esc50 data/ESC-50 --systems ours,irm --limit 100 --out quick
    textsep benchmark --speed
    textsep benchmark --peers --esc50 data/ESC-50 --minutes 30
    """
    from textsep_lab.paths import reports_dir

    part = bool(systems or limit)  # which must not take the place of a whole report
    out = Path(out or reports_dir() / ("benchmark-part" if part else "benchmark"))
    if speed:
        from textsep_lab.benchmark import speed_report as module

        report = module.run(checkpoint)
    elif peers:
        from textsep_lab.benchmark import peers_report as module

        report = module.run(esc50, fold, minutes, limit, out)
    else:
        from textsep_lab.benchmark import report as module

        names = tuple(name.strip() for name in systems.split(",") if name.strip())
        report = module.run(esc50, fold, checkpoint, names, limit, _paths(weights))
    for path in report.write(out):
        click.echo(path)


def _paths(weights: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in weights]
    wrong = [name for name, equals, path in pairs if not (name and equals and path)]
    if wrong:
        raise click.BadParameter(f"'{wrong[0]}' is not NAME=PATH", param_hint="--weights")
    return {name: path for name, _, path in pairs}
