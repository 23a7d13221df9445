"""Recordings for training data: one after the other, into a folder for each label."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from listener.sources.microphone import Microphone
    from listener.types import AudioChunk


def refuse_contradictions(
    duration: float | None, out: Path | None, label: str | None, into: Path | None, count: int | None
) -> None:
    """Refuse options that do not go together."""
    if (label is None) != (into is None):
        raise click.UsageError("--label and --into go together.")
    if into is not None and out is not None:
        raise click.UsageError("--into names the files: leave out --out.")
    if count is not None and (into is None or duration is None):
        raise click.UsageError("--count needs --duration, --label and --into.")


def refuse_only_silence(n_kept: int) -> None:
    """Say that the microphone was silent all the time, if no recording is kept.

    Raises
    ------
    ListenerError
        So it was.
    """
    from listener.errors import ListenerError

    if not n_kept:
        raise ListenerError(
            "the microphone gave nothing but digital silence: is it muted, or its level at zero? "
            "`listener devices` names the others"
        )


@contextmanager
def take_paths(label: str, into: Path, count: int) -> Iterator[list[Path]]:
    """Give names for recordings of a label, and see to their folder; nothing stays of an empty one.

    They bear the time of the first, so that whoever splits the data can tell what was recorded together.

    Raises
    ------
    ListenerError
        The label cannot be a folder's name, or the folder cannot be made.
    """
    from listener.errors import ListenerError, printable

    if not label.strip() or label.startswith(".") or not label.isprintable() or set(label) & set("/\\"):
        raise ListenerError(f"--label {printable(label)}: cannot be the name of a folder")
    folder = into / label
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ListenerError(f"--into {printable(into)} cannot be written: {error.strerror}") from error
    started = datetime.now().strftime("%Y%m%d-%H%M%S")
    stem = f"{label.replace(' ', '_')}-{started}"
    while any(path.name.startswith(f"{stem}-") for path in folder.iterdir()):
        stem += "a"
    try:
        yield [folder / f"{stem}-{number:04d}.wav" for number in range(1, count + 1)]
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
            into.rmdir()


class TakeReader:
    """Reads a microphone; what one recording has no room for is the beginning of the next."""

    def __init__(self, microphone: "Microphone") -> None:
        self._microphone = microphone
        self._rest: AudioChunk | None = None

    def read(self, timeout_s: float) -> "AudioChunk | None":
        """Give the next samples; None if none came in time."""
        rest, self._rest = self._rest, None
        return rest or self._microphone.read(timeout_s)

    def give_back(self, chunk: "AudioChunk", n_used: int) -> None:
        """Keep what follows the first ``n_used`` samples of a chunk."""
        if n_used < len(chunk.samples):
            self._rest = replace(
                chunk,
                samples=chunk.samples[n_used:],
                first_sample=chunk.first_sample + n_used,
                overflowed=False,
            )
