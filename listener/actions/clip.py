"""``use: clip``: write the sound around an event as a FLAC file.

The samples are those that were captured, to the bit: what came as 16-bit integers is
written as 16-bit integers.
"""

import io
import os
import threading
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from listener.actions import template
from listener.actions.base import MAX_AUDIO_S, Action, ActionContext, Recording
from listener.actions.names import cut, safe_name
from listener.config import Options
from listener.errors import ActionError
from listener.levels import to_int16
from listener.types import Event

FIELDS = ("time", "label", "source", "score", "phase", "id")
"""What a file name may contain."""

MAX_STEM_BYTES = 220
"""Longest file name without its suffix, a counter and the temporary name's own."""

UNFINISHED = ".flac.part"
"""Suffix of the hidden file that is written; it gets its name when it is whole."""

LEFT_S = 3600.0
"""An unfinished file that is this old was left by a program that was killed."""

_naming = threading.Lock()
"""Held from the choice of a name to the file of that name: several clip actions may share a folder."""

Seconds = Annotated[float, Field(ge=0, le=MAX_AUDIO_S)]


class ClipOptions(Options):
    """Settings of the ``clip`` action."""

    directory: Path = Path("clips")
    """Folder of the files; made where it is missing."""

    before_s: Seconds = 3.0
    """Seconds of sound before the onset."""

    after_s: Seconds = 2.0
    """Seconds of sound after the onset, or after the offset where the action runs on that."""

    filename: str = "{time}_{source}_{label}"
    """Name of a file, without ``.flac``; ``{time}``, ``{label}``, ``{source}``, ``{score}``, ``{phase}`` and
    ``{id}`` are filled in. A name that is taken gets a number behind it."""

    @field_validator("filename")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if "/" in value or not value.strip("."):
            raise ValueError("must be a file name without a folder; 'directory' names the folder")
        template.fields_of(value, FIELDS)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.before_s + self.after_s > MAX_AUDIO_S:
            raise ValueError(f"before_s and after_s together may be {MAX_AUDIO_S:g} s at most")
        return self


class ClipAction(Action):
    """Writes clips."""

    Options = ClipOptions
    options: ClipOptions
    wants_audio = True
    writes_clip = True

    def __init__(self, name: str, options: ClipOptions) -> None:
        super().__init__(name, options)
        self.before_s = options.before_s
        self.after_s = options.after_s
        self._folder = options.directory.expanduser().absolute()

    def open(self) -> None:
        """Make the folder and see that files can be written there.

        Raises
        ------
        ActionError
            They cannot.
        """
        import soundfile  # noqa: F401 - loads libsndfile now, not when the first sound is there

        probe = self._folder / f".{safe_name(self.name)}.{os.getpid()}{UNFINISHED}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            self._clear_away(until=probe.stat().st_mtime - LEFT_S)
            probe.unlink()
        except OSError as error:
            message = f"directory: nothing can be written to '{self._folder}': {error.strerror}"
            raise ActionError(message) from error

    def run(self, event: Event, context: ActionContext) -> None:
        """Wait until ``after_s`` has been heard, write the clip and make it known.

        Raises
        ------
        ActionError
            There is no sound, or it cannot be written.
        """
        end_s = event.onset_s if event.offset_s is None else event.offset_s
        recording = context.fetch_audio(max(0.0, event.onset_s - self.before_s), end_s + self.after_s)
        try:
            path = self._write(_flac(recording), self._stem(event))
        except OSError as error:
            raise ActionError(f"no clip can be written to '{self._folder}': {error.strerror}") from error
        context.publish_clip(path)

    def _clear_away(self, until: float) -> None:
        """Remove what was left unfinished, where it was last written before a time of the disk's clock."""
        for left in self._folder.glob(f".*{UNFINISHED}"):
            with suppress(FileNotFoundError):  # somebody else clears away too
                if left.stat().st_mtime < until:
                    left.unlink()

    def _stem(self, event: Event) -> str:
        values = template.field_values(event, clip=None) | {"time": _time_text(event)}
        stem = template.fill(self.options.filename, {name: safe_name(values[name]) for name in FIELDS})
        return cut(stem, MAX_STEM_BYTES).lstrip(".") or "clip"

    def _write(self, data: bytes, stem: str) -> Path:
        """Write a file that is never seen half-written, under a name that was free."""
        # A thread may be left behind while its successor writes: each has a file of its own.
        temporary = self._folder / f".{stem}.{threading.get_native_id()}{UNFINISHED}"
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with _naming:
                return temporary.rename(_free(self._folder, stem))
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _flac(recording: Recording) -> bytes:
    import soundfile

    memory = io.BytesIO()
    pcm = to_int16(recording.samples)
    soundfile.write(memory, pcm, recording.sample_rate, format="FLAC", subtype="PCM_16")
    return memory.getvalue()


def _time_text(event: Event) -> str:
    """Write when an event began, so that names sort by it: UTC where known, else stream time."""
    if event.started_at is None:
        return f"{event.onset_s:010.3f}s"
    utc = event.started_at.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%S}.{utc.microsecond // 1000:03d}Z"


def _free(folder: Path, stem: str) -> Path:
    path = folder / f"{stem}.flac"
    number = 2
    while path.exists():
        path = folder / f"{stem}_{number}.flac"
        number += 1
    return path
