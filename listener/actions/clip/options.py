"""What a user may choose about clips."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from listener.actions import template
from listener.actions.base import MAX_AUDIO_S
from listener.config import Options

FIELDS = ("time", "date", "label", "source", "score", "phase", "id")
"""What a file name may contain."""

MAX_PARTS = 8
"""Folders and the file's name in ``filename``."""

ClipFormat = Literal["flac", "wav", "opus"]
"""How sound is written."""

Seconds = Annotated[float, Field(ge=0, le=MAX_AUDIO_S)]


def _below_its_folder(value: str) -> str:
    parts = value.split("/")
    if not all(part.strip(".") for part in parts):
        raise ValueError("must name a file below 'directory', such as {date}/{label}/{time}")
    if len(parts) > MAX_PARTS:
        raise ValueError(f"may have {MAX_PARTS - 1} folders at most")
    if not value.isprintable():
        raise ValueError("must be letters that can be printed")
    template.fields_of(value, FIELDS)
    return value


FileName = Annotated[str, AfterValidator(_below_its_folder)]
"""Template of a file's name below a folder, with `FIELDS` in it."""


class ClipOptions(Options):
    """Settings of the ``clip`` action."""

    directory: Path = Path("clips")
    """Folder of the files; made where it is missing."""

    format: ClipFormat = "flac"
    """``flac`` and ``wav`` hold the sound to the bit; ``opus`` is a tenth as large, and for ears."""

    before_s: Seconds = 3.0
    """Seconds of sound before the onset."""

    after_s: Seconds = 2.0
    """Seconds of sound after the onset, or after the offset where the action runs on that."""

    filename: FileName = "{time}_{source}_{label}"
    """Name of a file, without its suffix; ``{time}``, ``{date}``, ``{label}``, ``{source}``, ``{score}``,
    ``{phase}`` and ``{id}`` are filled in, and ``/`` makes folders. A name that is taken gets a number."""

    spectrogram: bool = False
    """Write a picture of the sound beside it: the same name with ``.png``."""

    sidecar: bool = False
    """Write what is known of it beside it, as JSON: the same name with ``.json``."""

    keep_days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """Clips that are older are deleted."""

    keep_count: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """So many clips are kept at most, with all that belongs to them; the oldest go first."""

    keep_mb: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Clips and what belongs to them take so many megabytes at most; the oldest go first."""

    least_free_mb: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """The disk keeps so many megabytes free: the oldest clips go; if that is not enough, clips pause."""

    keep_best: Annotated[int, Field(ge=0, le=100_000)] = 0
    """So many clips of each label, those with the highest score, are never deleted."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.before_s + self.after_s > MAX_AUDIO_S:
            raise ValueError(f"before_s and after_s together may be {MAX_AUDIO_S:g} s at most")
        if self.keep_best and not self.has_retention:
            raise ValueError("keep_best needs keep_days, keep_count, keep_mb or least_free_mb")
        return self

    @property
    def has_retention(self) -> bool:
        """Some clips are deleted some time."""
        limits = (self.keep_days, self.keep_count, self.keep_mb, self.least_free_mb)
        return any(limit is not None for limit in limits)
