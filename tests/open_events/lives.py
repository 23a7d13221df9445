"""The program's life as far as open events go, and some events."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from listener.open_events import OpenEvents
from listener.types import Decision, Event, Phase, Reason
from tests.program import PATIENCE_S

START = datetime(2026, 1, 31, 6, 12, 3, 250_000, tzinfo=UTC)
DOG = Event("dog-1", Phase.ONSET, "mic", "dog", 12.5, None, 0.91, 0.97, "m/1", started_at=START)
CAT = replace(DOG, id="cat-1", label="cat", onset_s=14.0, started_at=START + timedelta(seconds=1.5))


def ended(event: Event, offset_s: float) -> Event:
    lasted = timedelta(seconds=offset_s - event.onset_s)
    clock = None if event.started_at is None else event.started_at + lasted
    return replace(event, phase=Phase.OFFSET, offset_s=offset_s, ended_at=clock)


def going_on(event: Event, end_s: float, reason: Reason = Reason.ONGOING) -> list[Decision]:
    return [Decision(event.source, event.label, end_s, 0.9, 0.9, 0.5, reason)]


class Life:
    """The program, from a start to its end or to a kill, as far as open events go."""

    def __init__(self, folder: Path, key: str = "key", is_service: bool = False) -> None:
        self.path = folder / f"open-events-{key}.jsonl"
        self.journal = OpenEvents(folder, key, is_service)
        self.journal.start()

    def kill(self) -> None:
        """Leave the file as it is: what is done at an end is done to another file."""
        left = self.path.read_bytes() if self.path.exists() else b""
        self.journal.close()
        self.path.write_bytes(left)

    def wait_for_text(self, text: str) -> None:
        wait_until(lambda: self.path.exists() and text in self.path.read_text(), f"'{text}' is written")


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"it never came to pass that {what}"
        time.sleep(0.005)
