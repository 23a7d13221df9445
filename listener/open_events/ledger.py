"""What is open, and how it is written down: lines of JSON, of which the newest may be missing.

::

    {"id": "...", "phase": "onset", ...}       an event that began
    {"still_on": {"ID": 12.5, ...}}            stream times at which events were still on, in seconds
    {"id": "...", "phase": "offset", ...}      an event that ended
    {"told": "ID"}                             whoever had to be told of its end has been

A line is whole or it is none. What cannot be understood is skipped: it is the rest of a line that was
cut off, or another program's.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from listener.event_format import event_from_json, event_json, is_time
from listener.types import Event, Phase

LONGEST_LINE = 65_536
"""Bytes; nobody here writes a longer one, and deep nesting in one would cost more than it is worth."""


@dataclass(slots=True)
class Entry:
    """An event of which somebody still has to be told the end."""

    event: Event
    """Its onset, or its offset once it has ended."""

    on_until_s: float
    """Stream time at which it was last known to be on, in seconds."""

    noted_at: float | None = None
    """``time.monotonic()`` at its onset; None for one of an earlier life of the program."""

    @property
    def is_on(self) -> bool:
        """It has not ended."""
        return self.event.phase is Phase.ONSET

    def offset(self) -> Event:
        """Give its offset: as it was, or else where it was last known to be on."""
        if not self.is_on:
            return self.event
        offset_s = max(self.event.onset_s, self.on_until_s)
        ended_at = None
        if self.event.started_at is not None:
            ended_at = self.event.started_at + timedelta(seconds=offset_s - self.event.onset_s)
        return replace(self.event, phase=Phase.OFFSET, offset_s=offset_s, ended_at=ended_at)


class Ledger:
    """Events of which somebody still has to be told the end, by id, in the order of their onsets."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def take(self, event: Event, now: float | None = None) -> None:
        """Take note of an onset or an offset, at ``now`` seconds of the monotonic clock."""
        before = self.entries.get(event.id)
        if event.phase is Phase.ONSET:
            if before is None:
                self.entries[event.id] = Entry(event, event.onset_s, now)
        elif before is None:
            self.entries[event.id] = Entry(event, event.onset_s)
        else:
            before.event = event

    def is_on(self, event_id: str, until_s: float) -> None:
        """Take note that an event was on until a stream time, in seconds."""
        entry = self.entries.get(event_id)
        if entry is not None:
            entry.on_until_s = max(entry.on_until_s, until_s)

    def forget(self, event_id: str) -> None:
        """Take note that the end of an event is told."""
        self.entries.pop(event_id, None)

    def read(self, data: bytes) -> None:
        """Take what is written; never raises."""
        for line in data.split(b"\n"):
            if len(line) > LONGEST_LINE or not line.startswith(b"{"):
                continue
            try:
                self._read_line(line.decode())
            except (ValueError, RecursionError):
                continue

    def text(self) -> str:
        """Write all of it."""
        events = "".join(note_line(entry.event) for entry in self.entries.values())
        return events + still_on_line(
            {event_id: entry.on_until_s for event_id, entry in self.entries.items() if entry.is_on}
        )

    def offsets(self) -> Iterator[Event]:
        """Give the offset of each."""
        for entry in self.entries.values():
            yield entry.offset()

    def _read_line(self, line: str) -> None:
        fields = json.loads(line)
        if isinstance(told := fields.get("told"), str):
            self.forget(told)
        elif isinstance(still_on := fields.get("still_on"), dict):
            for event_id, until_s in still_on.items():
                if is_time(until_s):
                    self.is_on(event_id, float(until_s))
        else:
            self.take(event_from_json(line))


def note_line(event: Event) -> str:
    """Write that an event began or ended."""
    return event_json(event) + "\n"


def still_on_line(until_s: dict[str, float]) -> str:
    """Write until when events were on at least, by id; nothing where there are none."""
    if not until_s:
        return ""
    rounded = {event_id: round(seconds, 3) for event_id, seconds in until_s.items()}
    return json.dumps({"still_on": rounded}, allow_nan=False) + "\n"


def told_line(event_id: str) -> str:
    """Write that the end of an event is told."""
    return json.dumps({"told": event_id}) + "\n"
