"""``textsep data …``: get or make recordings and mixtures."""

from __future__ import annotations

import click

from textsep_lab.cli.options import EXISTING, FOLDS, Group


@click.group(cls=Group, renamed={"bank": "data synthetic"})
def data() -> None:
    """Get or make recordings and mixtures."""


@data.command("esc50")
@click.argument("dest", type=EXISTING, required=False)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
def data_esc50(dest, overwrite) -> None:
    """Download ESC-50 (646 MB; CC BY-NC 3.0) to DEST, by default data/ESC-50.

    A download that was cut is resumed by the same command.
    """
    from textsep_lab.data.esc50_download import download

    click.echo(download(dest, overwrite=overwrite))


@data.command("synthetic")
@click.argument("dest", type=EXISTING)
@click.option("--clips", default=40, show_default=True, help="Clips a class.")
@click.option("--seed", default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
def data_synthetic(dest, clips, seed, overwrite) -> None:
    """Write the synthetic sounds to DEST in ESC-50's layout. Needs no network."""
    from textsep_lab.data.sounds import write_dataset

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
    from textsep_lab.data.manifests import write_examples

    click.echo(write_examples(dest, esc50, fold or None, count, seconds, seed))
