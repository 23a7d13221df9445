"""What is fed to one part of the program, and what must come out."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from listener.errors import ListenerError

LONGEST_MESSAGE = 2_000
"""Nobody reads a longer line; a path and a few names fit."""


@dataclass(frozen=True, slots=True)
class Input:
    """One made-up input."""

    files: Mapping[str, bytes]
    """Contents, by file name."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the program is told."""


class Target(ABC):
    """A part of the program that takes what strangers made.

    Parameters
    ----------
    folder
        Where inputs are written; it is the target's own.
    """

    memory_mib = 512
    """What the process may take beyond what it has at the start: a header's claim must not be believed."""

    patience_s = 20.0
    """Longest that one input may take: a hang ends the process, and the trace says where it hung."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def make(self, random: Random) -> Input:
        """Make an input; the same for the same state of ``random``."""

    @abstractmethod
    def feed(self, made: Input) -> bool:
        """Feed an input and look at what comes out.

        Returns
        -------
        bool
            Whether it was taken; False if it was refused as a user may expect.

        Raises
        ------
        Exception
            A defect of the program, whatever it is.
        """

    def write(self, made: Input) -> None:
        """Put the files of an input into the target's folder."""
        for name, content in made.files.items():
            # Written anew each time: what a library has mapped must not change under it.
            path = self.folder / name
            path.unlink(missing_ok=True)
            path.write_bytes(content)


def assert_told_well(error: ListenerError, secret: str = "") -> None:
    """See that an error is some lines that can be read, and tells no secret."""
    problems = getattr(error, "problems", (str(error),))
    assert problems
    for line in problems:
        assert_line(line, secret)


def assert_line(line: str, secret: str = "") -> None:
    """See that a message is one line that can be read, and tells no secret."""
    assert line.strip(), "an empty message"
    assert line.isprintable(), f"not one printable line: {line[:LONGEST_MESSAGE]!a}"
    assert len(line) <= LONGEST_MESSAGE, f"{len(line)} characters: {line[:200]}..."
    assert not secret or secret not in line, "a secret is told"


class LogCheck(logging.Handler):
    """Holds log lines to the same rules as errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line."""
        assert_line(record.getMessage())
