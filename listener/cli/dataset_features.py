"""``listener dataset features``: features made once, and kept."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener.cli.common import seconds_option

if TYPE_CHECKING:
    from listener.types import FeatureParameters


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--preset", default="household", show_default=True, help="Front end: tutorial, household, hifigan, db."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of stores.")
@seconds_option(
    "--length", "Of each clip, padded or cut.  [default: a window of the front end]", may_be_0=False
)
@click.option("--load", metavar="STAGE", help="active: what sounds in a clip; whole: its file.")
@click.option("--pad", metavar="STAGE", help="zeros: silence behind; centre: on both sides; repeat.")
@click.option("--extract", metavar="STAGE", help="log_mel: the front end as it runs live.")
@click.option(
    "--normalise", metavar="STAGE", help="To [0, 1]: clip, band or global; none.  [default: as the preset]"
)
@click.option("--save", metavar="STAGE", help="float32 or float16.")
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many work.  [default: one for each processor]"
)
def features(
    data: Path, preset: str, out: Path, length: float | None, processes: int | None, **stages: str | None
) -> None:
    """Make the features of all clips of DATA: a folder with a manifest, or a manifest.

    Each stage may be a function of your own: python:FILE:NAME. With other parameters, stages or
    recordings the features go into another folder of --out; what is there already is not made again.
    """
    from listener.cli.progress import CountProgress
    from listener.training.data.features import Pipeline, build_store
    from listener.training.data.manifest import read_manifest

    given = {stage: name for stage, name in stages.items() if name is not None}
    pipeline = Pipeline.of(_parameters(preset), length, **given)
    manifest = read_manifest(data.parent, data.name) if data.is_file() else read_manifest(data)
    with CountProgress("features") as progress:
        store = build_store(manifest, pipeline, out, processes or len(os.sched_getaffinity(0)), progress)
    n_clips, n_mels, n_frames = store.features.shape
    print(
        f"{n_clips} clips, {n_mels} bands, {n_frames} frames, {store.features.dtype}, "
        f"{store.features.nbytes / 1e6:.1f} MB"
    )
    print(f"before normalising: {store.lowest.min():.4g} to {store.highest.max():.4g}")
    print(f"written: {store.folder}")


def _parameters(preset: str) -> "FeatureParameters":
    from listener.errors import ConfigError
    from listener.features import PRESETS

    if preset not in PRESETS:
        raise ConfigError(f"--preset {preset}: is unknown: there are {', '.join(PRESETS)}")
    return PRESETS[preset]
