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


@data.command("fsd50k")
@click.argument("dest", type=EXISTING, required=False)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
@click.option("--keep-archives", is_flag=True, help="Leave the archives in DEST.download.")
def data_fsd50k(dest, overwrite, keep_archives) -> None:
    """Download FSD50K (24.7 GB) and make labelled clips in DEST, by default data/FSD50K.

    About 50,000 recordings with 200 labels, 108 hours, become at most 12.5 GB of FLAC at 16 kHz and
    clips.csv, which names licence and author of each: CC0, CC BY, CC BY-NC or Sampling+ (the
    collection: CC BY 4.0). What is in ESC-50 is left out.

    Needs 31 GB of free disk while it works (38 GB with --keep-archives), and about an hour at 100
    Mbit/s. A download that was cut is resumed by the same command.
    """
    from textsep_lab.data import fsd50k

    click.echo(fsd50k.download(dest, overwrite, keep_archives))


@data.command("fuss")
@click.argument("dest", type=EXISTING, required=False)
@click.option("--overwrite", is_flag=True, help="Replace a data set that is there already.")
@click.option("--keep-archives", is_flag=True, help="Leave the archive in DEST.download.")
def data_fuss(dest, overwrite, keep_archives) -> None:
    """Download the clips of FUSS (at most 2.7 GB) to DEST, by default data/FUSS.

    About 12,000 recordings of single sounds without labels, 23 hours, for training without text.
    They become FLAC at 16 kHz and clips.csv. The clips are CC0, the collection is CC BY 4.0. What
    is in ESC-50 is left out.

    Needs 5.3 GB of free disk while it works, and about ten minutes at 100 Mbit/s. A download that
    was cut is resumed by the same command.
    """
    from textsep_lab.data import fuss

    click.echo(fuss.download(dest, overwrite, keep_archives))


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
