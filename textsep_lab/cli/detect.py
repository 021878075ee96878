"""``textsep detect | describe | encoders``."""

from __future__ import annotations

import click

from textsep_lab.cli.options import EXISTING, OneOf, check_outputs
from textsep_lab.encoders.registry import DEFAULT_JOINT_ENCODER, JOINT_ENCODERS


@click.command()
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--label", "labels", multiple=True,
              help="What to detect, any words; may be given several times.  "
              "[default: ESC-50's classes and the synthetic sounds']")  # fmt: skip
@click.option("--top", default=5, show_default=True, help="How many labels to show.")
@click.option("--encoder", type=OneOf(JOINT_ENCODERS),
              default=DEFAULT_JOINT_ENCODER, show_default=True,
              help="Joint encoder of the detector.")  # fmt: skip
@click.option("--calibration", type=EXISTING, help="Its calibration.  [default: the shipped one]")
@click.option("--out", type=EXISTING, help="Write the table to this CSV file.")
@click.option("--figure", type=EXISTING, help="Draw what is detected when to this PNG file.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def detect(recording, labels, top, encoder, calibration, out, figure, overwrite) -> None:
    """Say what is in FILE, how probably, and when.

    \b
    textsep detect street.wav
    textsep detect street.wav --label "a tram bell" --label "people talking"
    """
    from textsep_lab.detection.detector import load_detector
    from textsep_lab.utils.paths import atomic_write

    if figure is not None and figure.suffix.lower() not in ("", ".png"):
        raise ValueError(f"'{figure}': the figure is a PNG file, give it that ending.")
    check_outputs([out, figure], [recording, calibration], overwrite)
    found = load_detector(encoder, calibration).detect(recording, labels or None, top)
    if out is not None:
        with atomic_write(out) as temporary:
            found.round(4).to_csv(temporary, index=False, lineterminator="\n")
    if figure is not None:
        from textsep_lab import plots
        from textsep_lab.signal import audio

        plots.write(plots.detections(*audio.load(recording), found), figure)
    for label, rows in found.groupby("label", sort=False):
        spans = ", ".join(f"{r.start:.1f} to {r.end:.1f} s" for r in rows.itertuples())
        click.echo(f"{100 * rows['probability'].iloc[0]:5.1f} %  {label}: {spans}")


@click.command()
@click.argument("recording", type=EXISTING, metavar="FILE")
@click.option("--model", help="Model to ask.  [default: TEXTSEP_GEMINI_MODEL or a current one]")
def describe(recording, model) -> None:
    """Ask Gemini what is in FILE. This sends FILE to Google, and needs GEMINI_API_KEY."""
    from textsep_lab.detection import gemini

    for found in gemini.describe(recording, model=model, say=lambda x: click.echo(x, err=True)):
        when = "" if found.start is None else f": {found.start:.1f} to {found.end:.1f} s"
        click.echo(f"{found.label}{when}")


@click.command()
@click.option("--download", metavar="NAME", help="Fetch the weights of this encoder.")
def encoders(download) -> None:
    """List the encoders: which are installed, where their weights are, what they would download."""
    from textsep_lab.encoders import registry

    if download is not None:
        registry.load_encoder(download, download=True)
    for name in registry.encoders():
        status = registry.encoders().load(name).status()
        what = "embeds text and audio" if status.embeds_audio else "embeds text"
        click.echo(f"{name}: {what}, {status.dim} dimensions")
        if not status.installed:
            click.echo(f"  not installed: pip install 'textsep-lab[{status.extra}]'")
        if status.weights is not None:
            click.echo(f"  weights: {status.weights}")
        elif status.download:
            click.echo(f"  would download {status.download}")
        else:
            click.echo("  weights: not where its environment variable says")
