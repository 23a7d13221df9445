"""What every action is.

An action lives in a thread of its own: it may block, fail or hang, and nothing else
in the program notices. `listener.actions.runner` owns that thread.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from listener.config import Options
from listener.types import Event, Samples


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound around an event."""

    samples: Samples
    """Mono, float32, in [-1, 1]."""

    start_s: float
    """Stream time of the first sample, in seconds."""

    sample_rate: int
    """Hz."""

    has_gap: bool = False
    """Samples are missing inside of it, or it is shorter than asked for."""


FetchAudio = Callable[[float, float], Recording]
"""``fetch(start_s, end_s)``: the sound between two stream times of the event's source.

Waits until it has been heard. Raises `ActionError` when none of it is held any more.
"""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action may use beside the event itself."""

    fetch_audio: FetchAudio
    """The sound of the event's source; usable while the action runs."""

    clip: Path | None = None
    """The recording that a clip action wrote for this event, if one did already."""


class Action(ABC):
    """One thing to do when something was heard.

    Parameters
    ----------
    name
        From the configuration; stands in the log.
    options
        The action's validated part of the configuration.
    """

    Options: ClassVar[type[Options]] = Options
    """Settings that this action takes beside those that all actions have."""

    before_s: float = 0.0
    """Seconds before the onset that `run` will ask ``fetch_audio`` for; they are kept for it."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options

    def open(self) -> None:
        """Check and prepare what will be needed: called once, before sound flows.

        Raises
        ------
        ActionError
            It can never work as configured; the message names the setting.
        """

    @abstractmethod
    def run(self, event: Event, context: ActionContext) -> None:
        """Do it. May block; is given up after the action's ``timeout_s``.

        Raises
        ------
        ActionError
            It failed; the message is logged and counted.
        """

    def cancel(self) -> None:
        """Make a `run` that is under way return soon: called from another thread on time-out or stop."""

    def close(self) -> None:
        """Let go of what `open` took."""
