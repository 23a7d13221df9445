"""``listener plugins``."""

import click

from listener.cli.common import table


@click.command()
def plugins() -> None:
    """Show every source, classifier and action, where it comes from and how it stands."""
    from listener.plugins import statuses

    rows = [
        (status.kind.removesuffix("s"), status.name, status.origin, status.problem or "ok")
        for status in statuses()
    ]
    click.echo(table(("KIND", "NAME", "ORIGIN", "STATUS"), rows))
