"""What a new configuration changes of the one in force."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from listener.assembly import find_model
from listener.config_file import ConfigFile

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of each of a model's files: path, inode, size, and when it was written (ns)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Which parts are others than before."""

    model: bool
    """The model's settings, or what is in its files."""

    analysis: bool
    """What makes events of its scores: hop, thresholds, labels."""

    actions: bool
    """What is done about events."""

    sources: bool
    """Where sound comes from."""

    def __str__(self) -> str:
        parts = {
            "model": self.model,
            "hop and events": self.analysis,
            "actions": self.actions,
            "sources": self.sources,
        }
        return ", ".join(name for name, changed in parts.items() if changed)

    def __bool__(self) -> bool:
        return self.model or self.analysis or self.actions or self.sources


def difference(before: ConfigFile, stamp: Stamp, after: ConfigFile) -> Difference:
    """Compare two configurations.

    Parameters
    ----------
    before
        The one in force.
    stamp
        The model's files as they were when it was loaded.
    after
        The new one.
    """
    old, new = before.config, after.config
    return Difference(
        model=old.model != new.model or stamp != model_stamp(after),
        analysis=(old.events, old.windows) != (new.events, new.windows),
        actions=(old.actions, old.place) != (new.actions, new.place),
        sources=old.sources != new.sources,
    )


def model_stamp(file: ConfigFile) -> Stamp:
    """Give what tells whether the files of a model were changed."""
    paths = [find_model(file.config.model, file)]
    if (card := file.config.model.card) is not None:
        paths += [card] if file.path is None else [card, file.path.parent / card]
    return tuple(_stamps(paths))


def _stamps(paths: Iterable[Path]) -> Iterable[tuple[str, int, int, int]]:
    for path in paths:
        try:
            found = path.stat()
        except (OSError, ValueError):  # it is missing: whoever loads it says so
            continue
        yield str(path), found.st_ino, found.st_size, found.st_mtime_ns
