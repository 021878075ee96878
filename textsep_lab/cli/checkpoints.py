"""``textsep checkpoints``: which weights are shipped, and what may be done with them."""

from __future__ import annotations

import click


@click.command()
def checkpoints() -> None:
    """List the shipped weights with their licences, and whose data they saw."""
    from textsep_lab.models.checkpoints import shipped

    for each in shipped():
        click.echo(f"{each['name']}: {each['what']}")
        click.echo(f"  licence: {each['licence']}")
        click.echo(f"  {each['notice']}")
