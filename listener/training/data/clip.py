"""One recording of a manifest."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording, or one piece of a longer one."""

    path: str
    """Relative to the folder of the manifest, with ``/`` between its parts."""

    label: str
    """What is heard in it."""

    fold: str = ""
    """Part of the data that is held out as a whole; empty where it was put into none."""

    group: str = ""
    """What must stay on one side of any split: the recording that it was cut from, who speaks; empty where
    that is not known."""

    split: str = ""
    """``train`` or ``test``, where whoever published the data said so; else empty."""

    first_s: float = 0.0
    """Where its sound begins in the file, in seconds; what lies before is silence, or another clip."""

    active_s: float | None = None
    """How long it lasts from there, in seconds; None: to the end of the file."""

    duration_s: float | None = None
    """Length of the file, in seconds; None where nobody has looked."""

    sha256: str = ""
    """Of the file; empty where nobody has looked."""

    dataset: str = ""
    """Where it was collected."""

    title: str = ""
    """As its author calls it."""

    author: str = ""
    """Whom to thank for it."""

    licence: str = ""
    """Under which it may be used."""

    source_url: str = ""
    """Where it was published."""

    judged: bool = True
    """Whether models are judged by it; a background is learnt from alone."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Every other column of the manifest, as it stands there; a recipe may choose by them."""

    def column(self, name: str) -> str:
        """What stands in a column of the manifest, as text; empty where there is no such column."""
        if name in CLIP_COLUMNS:
            value = getattr(self, name)
            return "" if value is None else str(int(value) if isinstance(value, bool) else value)
        return self.tags.get(name, "")


CLIP_COLUMNS = tuple(name for name in Clip.__dataclass_fields__ if name != "tags")
"""The columns that a manifest may have, in their order; others are kept as tags."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Clips, in the order of their paths."""

    folder: Path
    """What their paths are relative to."""

    clips: tuple[Clip, ...]
    """No two of the same piece of a file."""

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def sha256(self) -> str:
        """Hash of what decides a training: each clip's content, label, cut and fold."""
        rows = (f"{c.path},{c.label},{c.fold},{c.first_s},{c.active_s},{c.sha256}" for c in self.clips)
        return sha256("\n".join(rows).encode()).hexdigest()

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, sorted."""
        return tuple(sorted({clip.label for clip in self.clips}))

    @property
    def folds(self) -> tuple[str, ...]:
        """Every fold, sorted; numbers by their value."""
        return tuple(sorted({clip.fold for clip in self.clips if clip.fold}, key=by_value))

    def without(self, folds: Collection[str]) -> "Manifest":
        """Leave some folds out."""
        return Manifest(self.folder, tuple(clip for clip in self.clips if clip.fold not in folds))

    def only(self, folds: Collection[str]) -> "Manifest":
        """Keep nothing but some folds."""
        return Manifest(self.folder, tuple(clip for clip in self.clips if clip.fold in folds))


def by_value(fold: str) -> tuple[float, str]:
    """Sort key of folds: numbers by their value, before names."""
    return (float(fold) if fold.isdecimal() else float("inf"), fold)
