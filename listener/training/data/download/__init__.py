"""Published data sets from their public homes."""

from listener.training.data.download.catalogue import DATASETS, Dataset
from listener.training.data.download.fetch import Downloaded, download

__all__ = ["DATASETS", "Dataset", "Downloaded", "download"]
