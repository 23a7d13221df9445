"""Which name a clip gets."""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from listener.actions import template
from listener.actions.clip.options import FIELDS
from listener.actions.names import safe_name, safe_part
from listener.errors import ActionError, printable
from listener.types import Event

MAX_STEM_BYTES = 220
"""Longest name without its suffix and a number; a file system takes 255."""

naming = threading.Lock()
"""Held while a name is chosen, and while an empty folder is removed: several actions may share a folder."""

_taken: set[Path] = set()
"""Files that are being written under names that were free."""


def stem_of(filename: str, event: Event) -> str:
    """Give the name that a template makes of an event: below its folder whatever the event says."""
    utc = None if event.started_at is None else event.started_at.astimezone(UTC)
    values = template.field_values(event, clip=None)
    values["date"] = "undated" if utc is None else f"{utc:%Y-%m-%d}"
    # Names sort by it.
    values["time"] = (
        f"{event.onset_s:010.3f}s" if utc is None else f"{utc:%Y%m%dT%H%M%S}.{utc.microsecond // 1000:03d}Z"
    )
    safe = {name: safe_name(values[name]) for name in FIELDS}
    parts = [template.fill(part, safe) for part in filename.split("/")]
    return "/".join(safe_part(part, MAX_STEM_BYTES, "clip") for part in parts)


@contextmanager
def free_name(folder: Path, stem: str, suffixes: Sequence[str]) -> Iterator[Path]:
    """Keep a name that is free with each suffix until the block ends; the folder that it is in is made.

    Yields
    ------
    Path
        Without a suffix.

    Raises
    ------
    ActionError
        A link on the way leads out of the folder.
    OSError
        Its folder cannot be made.
    """
    with naming:
        wanted = folder / stem
        _make_parents(folder, wanted.parent)
        found = _first_free(lambda path: any(_is_taken(path, suffix) for suffix in suffixes), wanted)
        mine = {with_suffix(found, suffix) for suffix in suffixes}
        _taken.update(mine)
    try:
        yield found
    finally:
        with naming:
            _taken.difference_update(mine)


def is_being_written(path: Path) -> bool:
    """Tell whether a clip is on its way to this name."""
    with naming:
        return path in _taken


def with_suffix(stem: Path, suffix: str) -> Path:
    """Put a suffix behind a name that may have dots in it."""
    return stem.with_name(stem.name + suffix)


def _make_parents(folder: Path, parent: Path) -> None:
    if parent == folder:
        return
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    # A folder that is not there yet leads nowhere else.
    existing = next(path for path in (parent, *parent.parents) if path.exists())
    if not existing.resolve().is_relative_to(folder.resolve()):
        raise ActionError(f"no clip is written to '{printable(parent)}': a link leads out of '{folder}'")
    parent.mkdir(parents=True, exist_ok=True)


def _is_taken(path: Path, suffix: str) -> bool:
    file = with_suffix(path, suffix)
    return file in _taken or file.exists() or file.is_symlink()


def _first_free(is_taken: Callable[[Path], bool], wanted: Path) -> Path:
    """Put a number behind a name that is taken; of a hundred thousand such, a few are looked at."""

    def numbered(number: int) -> Path:
        return wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")

    taken, free = 0, 1
    while is_taken(numbered(free)):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if is_taken(numbered(middle)):
            taken = middle
        else:
            free = middle
    return numbered(free)
