"""Which stages of the engine stand still: pure rules over `StageProgress`, for the watchdog.

A stage that has work and stays where it is for longer than a limit stands still. One that is held up
by something outside (a microphone that is away, and whose driver does not answer) is borne with while
another source is heard, and for a minute where none is: then a restart is the best chance that there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from listener.types import StageProgress

CAPTURE = "capture:"
"""What the names of stages begin with that hear a source."""

OUTSIDE_S = 60.0
"""How long a stage that is held up from outside may stand still where nothing else is heard, in seconds."""

HELD_UP_S = 1.0
"""Looks that are further apart than this show that the whole program was held up: no stage is to blame."""


@dataclass(slots=True)
class _Place:
    position: int
    since: float


class Watch:
    """Looks at the stages again and again.

    Parameters
    ----------
    limit_s
        How long a stage that has work may stay where it is, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._places: dict[str, _Place] = {}
        self._looked_at: float | None = None

    def look(self, stages: Sequence[StageProgress], now: float) -> list[str]:
        """Give the names of the stages that stand still.

        Parameters
        ----------
        stages
            How far each is. They may be others than at the last look.
        now
            Seconds of the monotonic clock.
        """
        held_up_s = 0.0 if self._looked_at is None else max(0.0, now - self._looked_at - HELD_UP_S)
        self._looked_at = now
        self._places = {stage.name: self._place(stage, now, held_up_s) for stage in stages}
        stays = {name: now - place.since for name, place in self._places.items()}
        is_heard = any(
            stage.name.startswith(CAPTURE) and stage.has_work and not stage.is_waiting
            for stage in stages
            if stays[stage.name] < self._limit_s
        )
        return [
            stage.name
            for stage in stages
            if stays[stage.name] >= self._limit_s
            and not (stage.is_waiting and (is_heard or stays[stage.name] < OUTSIDE_S))
        ]

    def _place(self, stage: StageProgress, now: float, held_up_s: float) -> _Place:
        before = self._places.get(stage.name)
        if before is None or before.position != stage.position or not stage.has_work:
            return _Place(stage.position, now)
        return _Place(stage.position, min(now, before.since + held_up_s))
