"""Troubles as events, so that a user is told that the ears are gone.

``@source.lost`` begins when a source is lost and ends when its sound is back; so it is with
every state that is a trouble, and with ``@overload``, whose source is the program itself.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from listener import __version__
from listener.events import new_id
from listener.types import OVERLOAD, Event, Phase, SourceChange, source_label

log = logging.getLogger(__name__)

PROGRAM = "listener"
"""Source of what concerns all sources."""

MODEL = f"listener/{__version__}"
"""It was no model that noticed."""

SOURCE_KIND, MODEL_KIND = "source", "model"
"""What a trouble is about: a source may be called as the program is."""


class Troubles:
    """Makes events of what goes wrong.

    Parameters
    ----------
    on_event
        Called with each event, in the thread that noticed.
    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._open: dict[tuple[str, str], tuple[Event, float]] = {}
        self._lock = threading.Lock()
        self._started_at = time.monotonic()

    def of_source(self, change: SourceChange) -> None:
        """Tell that a source came to be in another state."""
        with self._lock:
            self._end((SOURCE_KIND, change.source), change.at_s)
            if change.state.is_trouble:
                label = source_label(change.state)
                self._begin((SOURCE_KIND, change.source), label, change.at_s, change.utc)

    def of_model(self, is_overloaded: bool, sentence: str) -> None:
        """Tell that the model cannot keep up, or that it does again."""
        log.warning("%s", sentence)
        at_s, utc = time.monotonic() - self._started_at, datetime.now(UTC)
        with self._lock:
            self._end((MODEL_KIND, PROGRAM), at_s)
            if is_overloaded:
                self._begin((MODEL_KIND, PROGRAM), OVERLOAD, at_s, utc)

    def finish(self) -> None:
        """End what goes on: nobody is left to notice its end."""
        with self._lock:
            for about in list(self._open):
                self._end(about, self._open[about][0].onset_s)

    def _begin(self, about: tuple[str, str], label: str, at_s: float, utc: datetime) -> None:
        event = Event(
            id=new_id(),
            phase=Phase.ONSET,
            source=about[1],
            label=label,
            onset_s=at_s,
            offset_s=None,
            score=1.0,
            peak_score=1.0,
            model=MODEL,
            started_at=utc,
        )
        self._open[about] = event, time.monotonic()
        self._on_event(event)

    def _end(self, about: tuple[str, str], at_s: float) -> None:
        event, began_at = self._open.pop(about, (None, 0.0))
        if event is None or event.started_at is None:
            return
        # Not what the clock says now: somebody may have set it meanwhile.
        ended_at = event.started_at + timedelta(seconds=time.monotonic() - began_at)
        offset_s = max(at_s, event.onset_s)
        self._on_event(replace(event, phase=Phase.OFFSET, offset_s=offset_s, ended_at=ended_at))
