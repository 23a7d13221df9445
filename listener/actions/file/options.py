"""What a user may choose about a file of events."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from listener.actions import template
from listener.config import Options

FIELDS = ("label", "source")
"""What a path may contain."""

LineFormat = Literal["jsonl", "csv"]
"""How events are written."""


class FileOptions(Options):
    """Settings of the ``file`` action."""

    path: str = Field(min_length=1)
    """The file; ``{label}`` and ``{source}`` are filled in. Its folder is made where it is missing."""

    format: LineFormat = "jsonl"
    """One JSON object a line, or a table with a header."""

    rotate: Literal["never", "daily"] = "never"
    """``daily``: what was written on another day (of this machine's time zone) is put aside."""

    rotate_mb: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """A file that would become larger, in megabytes, is put aside."""

    keep: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """So many files that were put aside are kept; null: all of them."""

    sync: bool = False
    """Wait until each line is on the disk: it outlives a loss of power, and a memory card wears sooner."""

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        template.fields_of(value, FIELDS)
        if not value.isprintable():
            raise ValueError("must be letters that can be printed")
        if not Path(value).name.strip(".") or value.endswith("/"):
            raise ValueError("must be the path of a file")
        return value
