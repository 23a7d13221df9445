"""Whom to thank: the list that lies beside a bundle, as the licences of the recordings ask for."""

import csv
from dataclasses import replace
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import whole_file
from listener.training.data.clip import Manifest
from listener.types import ModelCard


def attribution_of(bundle: Path) -> Path:
    """Give the place of a bundle's list: ``NAME.ATTRIBUTION.csv`` beside it."""
    return bundle.with_suffix(".ATTRIBUTION.csv")


def write_attribution(path: Path, manifest: Manifest) -> None:
    """List title, author, source and licence of every clip.

    Raises
    ------
    DatasetError
        The list cannot be written; what was there before still is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as half_written, half_written.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("clip", "label", "title", "author", "source_url", "licence"))
            for clip in manifest:
                writer.writerow(
                    (clip.path, clip.label, clip.title, clip.author, clip.source_url, clip.licence)
                )
    except OSError as error:
        raise _unwritten(path, error) from error


def copy_attribution(bundle: Path, out: Path) -> None:
    """Let a bundle's list, if it has one, go with what is made of it.

    Raises
    ------
    DatasetError
        As `write_attribution` does.
    """
    source, target = attribution_of(bundle), attribution_of(out)
    if not source.is_file() or target.resolve() == source.resolve():
        return
    try:
        with whole_file(target) as half_written:
            half_written.write_bytes(source.read_bytes())
    except OSError as error:
        raise _unwritten(target, error) from error


def refer_to_copy(card: ModelCard, bundle: Path, out: Path) -> ModelCard:
    """Give a bundle's card as it is to stand in what is made of it: there the list has another name."""
    before, now = attribution_of(bundle).name, attribution_of(out).name
    return replace(card, attribution=card.attribution.replace(before, now))


def _unwritten(path: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{printable(path)}: the attribution cannot be written: {error.strerror}")
