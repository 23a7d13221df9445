"""Which data sets are known, where they are published, and on what terms."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that somebody has published as one archive."""

    name: str
    """As it is asked for."""

    title: str
    """As its authors call it."""

    url: str
    """Of the archive."""

    home: str
    """Where its authors describe it."""

    terms: str
    """On which it may be used, in a sentence or two."""

    holds: str
    """A path that is in it, below its one outermost folder; what ends in ``/`` is a folder."""

    download_bytes: int
    """About the size of the archive."""

    unpacked_bytes: int
    """About the size of what is in it."""

    md5: str | None = None
    """Of the archive, as its publisher states it; None where nobody does."""


DATASETS: Mapping[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="urbansound8k",
            title="UrbanSound8K: 8,732 excerpts of urban sounds, 10 classes, 10 folds",
            url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
            home="https://urbansounddataset.weebly.com/urbansound8k.html",
            terms="CC BY-NC 3.0 (on Zenodo: 4.0): not for commercial use. Cite Salamon, Jacoby and Bello, "
            '"A Dataset and Taxonomy for Urban Sound Research", ACM Multimedia 2014.',
            holds="metadata/UrbanSound8K.csv",
            download_bytes=6_100_000_000,
            unpacked_bytes=7_200_000_000,
            md5="9aa69802bbf37fb986f71ec1483a196e",
        ),
        Dataset(
            name="esc50",
            title="ESC-50: 2,000 recordings of environmental sounds, 50 classes, 5 folds",
            # The newest state of a repository: its hash is nobody's promise.
            url="https://github.com/karolpiczak/ESC-50/archive/master.zip",
            home="https://github.com/karolpiczak/ESC-50",
            terms="CC BY-NC 3.0: not for commercial use; each clip has terms of its own, see LICENSE in it "
            '(ESC-10 is CC BY 3.0). Cite Piczak, "ESC: Dataset for Environmental Sound Classification", '
            "ACM Multimedia 2015.",
            holds="meta/esc50.csv",
            download_bytes=650_000_000,
            unpacked_bytes=900_000_000,
        ),
        Dataset(
            name="fsdd",
            title="Free Spoken Digit Dataset, v1.0.10: 3,000 recordings, 10 digits, 6 speakers",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
            home="https://github.com/Jakobovski/free-spoken-digit-dataset",
            terms="CC BY-SA 4.0: name its authors, and share what you make of it on the same terms. "
            "Cite https://zenodo.org/badge/latestdoi/61622039.",
            holds="recordings/",
            download_bytes=17_000_000,
            unpacked_bytes=40_000_000,
        ),
    )
}
"""By their names."""
