"""``listener dataset``: its commands are imported when they are called."""

import click

from listener.cli.group import LazyGroup


class DatasetGroup(LazyGroup):
    """What is done with recordings before anything is learnt from them."""

    modules = {
        "scan": "listener.cli.dataset_scan",
        "stats": "listener.cli.dataset_stats",
        "crop": "listener.cli.dataset_crop",
        "download": "listener.cli.dataset_download",
        "features": "listener.cli.dataset_features",
    }


@click.group(cls=DatasetGroup)
def dataset() -> None:
    """Make training data: from folders of recordings to a manifest, and what is in them."""
