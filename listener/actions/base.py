"""What every action is.

An action runs in threads of its own: it may block, fail or hang, and nothing else in
the program notices. `listener.actions.runner` owns those threads.

Sound around an event comes from the pipeline through an `AudioTap`. Live sound goes on
whatever happens, a source that is not live waits while a `Hold` keeps what it would
overwrite; so whoever takes a hold releases it, always.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import ClassVar, Protocol

from listener import config
from listener.types import Event, PipelineStats, Samples

MAX_AUDIO_S = 20.0
"""The longest stretch of sound that an action may ask for, in seconds.

Less than the 30 s that are kept, by what the event logic and the inbox may be behind;
a longer one would make a source that is not live wait for itself.
"""


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


class Hold(Protocol):
    """Sound of one source that is kept until it is released."""

    def fetch(self, start_s: float, end_s: float, timeout_s: float) -> Recording:
        """Give the sound between two stream times, in seconds; may be called more than once.

        Waits until it has been heard, ``timeout_s`` seconds at most. A source that has
        ended gives what it had. Releasing the hold from another thread ends the wait.

        Raises
        ------
        ActionError
            None of it is kept any more, it was not heard in time, or the hold was released.
        """

    def release(self) -> None:
        """Let go. Never raises; doing it twice does nothing."""


class AudioTap(Protocol):
    """Where actions get their sound from: the rings of all sources."""

    def hold(self, source: str, from_s: float) -> Hold:
        """Keep what was heard from the stream time ``from_s`` on, in seconds.

        Never waits and never raises: sound that is gone already is not kept, and
        `Hold.fetch` says so.
        """


FetchAudio = Callable[[float, float], Recording]
"""``fetch(start_s, end_s)``: the sound between two stream times of the event's source.

Waits until it has been heard. Raises `ActionError` when none of it is held any more, or
when the action's time is over.
"""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action may use beside the event itself."""

    fetch_audio: FetchAudio
    """The sound of the event's source; for actions that say ``wants_audio``."""

    clip: Path | None = None
    """The recording that an action wrote for this event, if one did already."""

    publish_clip: Callable[[Path], None] = lambda path: None
    """Makes a recording of this event known to the actions that run after this one."""

    picture: Path | None = None
    """The picture that an action took for this event, if one did already."""

    publish_picture: Callable[[Path], None] = lambda path: None
    """Makes a picture known likewise."""

    cancelled: Flag = field(default_factory=Flag)
    """Set when the run was given up: it should return at once."""

    key: str = ""
    """Names what is to be done: the same for every attempt at it, and for nothing else."""

    attempt: int = 1
    """Counts from 1; more if it failed for a reason that may have passed."""


class Program(Protocol):
    """What an action may see of the program that it is part of, and do to it."""

    @property
    def labels(self) -> Sequence[str]:
        """Of the model that listens."""

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources."""

    @property
    def actions(self) -> Sequence[str]:
        """Names of the actions."""

    def stats(self) -> PipelineStats | None:
        """How all is; None before sound flows."""

    def pause(self, action: str, paused: bool) -> None:
        """Let an action begin nothing, or again; what it has begun it ends. An unknown one is left alone."""

    def is_paused(self, action: str) -> bool:
        """Say whether an action is paused."""


class Action(ABC):
    """One thing to do when something was heard.

    Runs of one action overlap only where ``concurrency: {parallel: N}`` asks for it, or where one was
    given up and did not return.

    Parameters
    ----------
    name
        From the configuration; stands in the log.
    options
        The action's validated part of the configuration.
    """

    Options: ClassVar[type[config.Options]] = config.Options
    """Settings that this action takes beside those that all actions have."""

    wants_audio: bool = False
    """`run` asks for sound: what it needs is kept from the moment of the event on."""

    before_s: float = 0.0
    """Seconds before the onset from which `run` wants sound."""

    after_s: float = 0.0
    """Seconds of sound after the event that `run` waits for; they are added to its time-out."""

    writes_clip: bool = False
    """`run` publishes a clip."""

    wants_clip: bool = False
    """`run` needs the clip: it starts when the event's clips are written, or have failed."""

    writes_picture: bool = False
    """`run` publishes a picture."""

    wants_picture: bool = False
    """`run` needs the picture: it starts when the event's pictures are taken, or have failed."""

    is_remote: bool = False
    """It talks to another machine, which may be away: see `listener.actions.runner.limits`."""

    patience_s: float | None = None
    """Its deadline, unless its settings tell one, in seconds; None: that of its kind."""

    def __init__(self, name: str, options: config.Options) -> None:
        self.name = name
        self.options = options

    @property
    def lost(self) -> int:
        """Events that it had taken into a keeping of its own, and lost there; counted since it was made."""
        return 0

    def adapt(self, settings: config.ActionSettings) -> config.ActionSettings:
        """Give the settings that all actions have as they suit this one; called once, before `join`.

        Raises
        ------
        ActionError
            It cannot work with them; the message names the setting.
        """
        return settings

    def join(self, program: Program) -> None:
        """Get to know the program; called once, before `open`. Most actions have no need of it."""

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
        TransientError
            It failed for a reason that may pass: it is tried again, within the limits of its settings.
        ActionError
            It failed; the message is logged and counted.
        """

    def cancel(self) -> None:
        """Make a `run` that is under way return soon: called from another thread on time-out or stop.

        ``context.cancelled`` is set already. Must not wait. Needed only where `run` waits
        for something that neither that flag nor ``fetch_audio`` ends.
        """

    def close(self) -> None:
        """Let go of what `open` took."""
