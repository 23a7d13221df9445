"""What every source of sound is.

A source is opened, read and closed by one thread, its capture thread. It hands over
mono chunks at its own rate; resampling to the model's rate is done behind it. It
counts its samples and never looks at the clock, except to pace itself.
"""

import threading
from abc import ABC, abstractmethod
from typing import ClassVar

from listener import config
from listener.clock import MONOTONIC, Clock
from listener.types import AudioChunk


class EndOfSource(Exception):  # noqa: N818 - an outcome, as StopIteration is, not an error
    """The source has no more sound to give: the file is at its end."""


class Source(ABC):
    """One stream of sound.

    Parameters
    ----------
    name
        Under which its events appear.
    options
        The source's validated part of the configuration.
    """

    Options: ClassVar[type[config.Options]] = config.Options
    """Settings that this source takes beside ``name`` and ``use``."""

    live: bool = True
    """It lives as a microphone does: it may be absent, silent or lost, and is tried again and again."""

    clock: Clock = MONOTONIC
    """The time that its sound is measured against."""

    health: config.HealthSettings = config.HealthSettings()
    """When it counts as stalled, silent and so on; set from the configuration."""

    preferred_rate: int = 16_000
    """The model's rate, in Hz, set before opening: a source that has a choice gives it."""

    has_clock: bool = True
    """Its samples are taken as time goes by, so that its events have a UTC time."""

    def __init__(self, name: str, options: config.Options) -> None:
        self.name = name
        self.options = options

    @property
    def waits(self) -> bool:
        """It can be made to wait for those who listen; else sound that is not taken now is lost."""
        return not self.live

    @abstractmethod
    def open(self) -> int:
        """Take hold of the device or file.

        Returns
        -------
        int
            Sample rate of the chunks to come, in Hz.

        Raises
        ------
        SourceError
            It cannot be had; the message says why and what to do.
        """

    @abstractmethod
    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next chunk, or None if none came within ``timeout_s`` seconds.

        Raises
        ------
        EndOfSource
            There will be no more.
        SourceError
            The device is gone. `close` and `open` may bring it back.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go. Closing twice, or before opening, does nothing."""

    def await_return(self, timeout_s: float, stopping: threading.Event) -> None:
        """Wait until it may be worth opening again: less than ``timeout_s`` where it is told of a chance."""
        self.clock.pause(timeout_s, stopping)
