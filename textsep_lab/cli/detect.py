"""``textsep detect | describe | encoders | hearing | train-listener``."""

from __future__ import annotations

import click

from textsep_lab.cli.options import EXISTING, FOLDS, budget, draw_learning_curve, run_settings

EARS = {"default": "mini-clap", "show_default": True, "help": "Joint encoder that listens."}


@click.command()
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--label", "labels", multiple=True,
              help="What to listen for, any words; may be given several times.  "
              "[default: ESC-50's classes and the bank's]")  # fmt: skip
@click.option("--top", default=5, show_default=True, help="How many labels to show.")
@click.option("--encoder", **EARS)
@click.option("--calibration", type=EXISTING, help="Its calibration.  [default: the shipped one]")
@click.option("--out", type=EXISTING, help="Write the table to this CSV file.")
@click.option("--figure", type=EXISTING, help="Draw what is heard when to this PNG file.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def detect(recording, labels, top, encoder, calibration, out, figure, overwrite) -> None:
    """Say what is in FILE, how probably, and when.

    \b
    textsep detect street.wav
    textsep detect street.wav --label "a tram bell" --label "people talking"
    """
    from textsep_lab import audio
    from textsep_lab.detection import load_detector
    from textsep_lab.paths import atomic_write

    there = [path for path in (out, figure) if path is not None and path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"'{there[0]}' is there already: overwrite it or go elsewhere.")
    waveform, sample_rate = audio.load(recording)
    found = load_detector(encoder, calibration).detect(
        waveform, labels or None, top, sample_rate=sample_rate
    )
    for label, rows in found.groupby("label", sort=False):
        spans = ", ".join(f"{r.start:.1f} to {r.end:.1f} s" for r in rows.itertuples())
        click.echo(f"{100 * rows['probability'].iloc[0]:5.1f} %  {label}: {spans}")
    if out is not None:
        with atomic_write(out) as temporary:
            found.round(4).to_csv(temporary, index=False, lineterminator="\n")
    if figure is not None:
        from textsep_lab import hearing_plots, plots

        plots.write(hearing_plots.detections(waveform, sample_rate, found), figure)


@click.command()
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--model", help="Model to ask.  [default: TEXTSEP_GEMINI_MODEL or a current one]")
def describe(recording, model) -> None:
    """Ask Gemini what is in FILE. This sends FILE to Google, and needs GEMINI_API_KEY."""
    from textsep_lab import gemini

    for found in gemini.describe(recording, model=model, say=lambda x: click.echo(x, err=True)):
        when = "" if found.start is None else f": {found.start:.1f} to {found.end:.1f} s"
        click.echo(f"{found.label}{when}")


@click.command()
def encoders() -> None:
    """List the encoders: which are installed, where their weights are, what they would download."""
    from textsep_lab.embeddings import ENCODERS

    for name, encoder in ENCODERS.items():
        status = encoder.status()
        what = "reads and hears" if status.hears else "reads"
        click.echo(f"{name}: {what}, {status.dim} dimensions")
        if not status.installed:
            click.echo(f"  not installed: pip install 'textsep-lab[{status.extra}]'")
        if status.weights is not None:
            click.echo(f"  weights: {status.weights}")
        elif status.download:
            click.echo(f"  would download {status.download}")
        else:
            click.echo("  weights: not where its environment variable says")


@click.command()
@click.option("--esc50", type=EXISTING, help="Data set in ESC-50's layout.")
@click.option("--fold", type=FOLDS, default=4, show_default=True)
@click.option("--encoder", **EARS)
@click.option("--checkpoint", type=EXISTING, help="Separator to judge.  [default: the shipped one]")
@click.option("--calibrate", type=EXISTING, help="Also write the calibration to this JSON file.")
@click.option("--out", type=EXISTING, help="Folder for the report.  [default: reports]")
def hearing(esc50, fold, encoder, checkpoint, calibrate, out) -> None:
    """Judge a joint encoder and the confidence on a fold, and write hearing.md with figures."""
    from textsep_lab import hearing_report
    from textsep_lab.paths import reports_dir

    report = hearing_report.run(esc50, fold, encoder, checkpoint)
    if calibrate is not None:
        click.echo(report.calibration.save(calibrate))
    for path in report.write(out or reports_dir()):
        click.echo(path)


@click.command("train-listener")
@budget
@click.option("--batch-size", default=32, show_default=True)
def train_listener(output_dir, **options) -> None:
    """Train the joint embedding of text and audio, CLAP in miniature.

    Kill it whenever you like: the same command goes on where it stopped.
    """
    from textsep_lab.contrastive import train
    from textsep_lab.settings import ListenerSettings

    click.echo(train(run_settings(ListenerSettings, options), output_dir))
    click.echo(draw_learning_curve(output_dir))
