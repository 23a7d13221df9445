"""``listener dataset download``: a published data set from its public home."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from listener.cli.progress import CountProgress


@click.command()
@click.argument("name", type=click.Choice(["urbansound8k", "esc50", "fsdd"]))
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Folder in which one called NAME is made.",
)
@click.option("--url", "--mirror", "url", metavar="URL", help="Another address of the same archive.")
def download(name: str, into: Path, url: str | None) -> None:
    """Download a published data set, check it, and unpack it.

    It may be cut off at any moment: the same command goes on from there. What an archive was is written
    down beside it (NAME.lock.json); one that is something else later is refused.
    """
    from listener.training.data.download import DATASETS
    from listener.training.data.download import download as fetch

    dataset = DATASETS[name]
    click.echo(f"{dataset.title}\n{dataset.home}\nTerms: {dataset.terms}")
    done = fetch(dataset, into, _bar, url)
    if done.was_there:
        click.echo(f"{done.folder} is there already, since {done.pin.fetched_at[:10]}")
    elif done.is_published:
        click.echo(f"MD5 {done.pin.md5}: as published")
    else:
        click.echo(f"SHA-256 {done.pin.sha256}: nobody publishes one; kept in {into / name}.lock.json")
    click.echo(f"Next: listener dataset scan {done.folder}")


def _bar(what: str) -> "CountProgress":
    from listener.cli.progress import CountProgress

    return CountProgress(what, in_bytes=True)
