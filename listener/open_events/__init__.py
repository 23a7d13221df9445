"""What has begun and not ended is written down, so that it gets its end even after a crash.

Whoever was told that a siren began may have turned something on, and waits to be told that it ended. So
every event is noted in a small file before it is told, and once more when all who had to be told of its
end have been; what the file still holds on the next start is told then. An end is therefore told at least
once. It is told twice, with the same id and the same times, only where the program was killed in the
moment between.

A disk is slow, full, read-only or gone at times. The engine waits no longer than a moment for it, and goes
on without; that is said once, counted, and mended when the disk is back.
"""

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from listener.open_events.file import JournalFile
from listener.open_events.ledger import Ledger, note_line, still_on_line, told_line
from listener.open_events.writer import Writer
from listener.types import STATUS, Decision, Event, Phase, Reason

log = logging.getLogger(__name__)

NOTE_WAITS_S = 0.1
"""The longest that the engine waits for the disk, in seconds."""

_GOES_ON = (Reason.ONSET, Reason.ONGOING)


def journal_key(config: Path | None, overrides: Sequence[str]) -> str:
    """Name a daemon, so that it finds its own file on its next start, and nobody else's.

    Parameters
    ----------
    config
        Its configuration; None where it has none.
    overrides
        What its command line says of sources and devices.
    """
    words = ["" if config is None else str(config.resolve()), *overrides]
    return hashlib.sha256("\0".join(words).encode(errors="surrogateescape")).hexdigest()[:16]


class OpenEvents:
    """Events of which somebody still has to be told the end, here and on the disk.

    Parameters
    ----------
    folder
        Of the file, made where it is missing; None: there is nowhere to write.
    key
        Whose events they are: see `journal_key`.
    is_service
        That another process has the file is worth a warning.
    """

    def __init__(self, folder: Path | None, key: str, is_service: bool = False) -> None:
        self._ledger = Ledger()
        self._recovered: list[Event] = []
        self._on: dict[tuple[str, str], str] = {}
        self._told_on: dict[str, float] = {}
        self._writer: Writer | None = None
        if folder is not None:
            file = JournalFile(folder, f"open-events-{key}")
            level = logging.WARNING if is_service else logging.DEBUG
            self._writer = Writer(file, self._ledger.read, self._ledger.text, self._still_on, level)

    @property
    def missed(self) -> int:
        """Events that could not be noted before they were told."""
        return 0 if self._writer is None else self._writer.missed

    def start(self) -> None:
        """Read what was left, and begin to write. Never raises; waits for the disk."""
        if self._writer is None:
            log.debug("there is no folder for what the program has to remember: open events are not noted")
            return
        self._writer.start()
        with self._writer.changed:
            self._recovered = list(self._ledger.offsets())

    def recovered(self) -> list[Event]:
        """Give the ends that are still to be told, of events in earlier lives of the program.

        Whoever tells them notes them first, as any other event.
        """
        return self._recovered

    def note(self, event: Event) -> None:
        """Take note of an event that is about to be told. Waits for a moment at most, and never raises."""
        if self._writer is None or self._writer.is_off:
            return
        with self._writer.changed:
            self._ledger.take(event, time.monotonic())
            self._follow(event)
            self._writer.put(note_line(event), NOTE_WAITS_S)

    def watch(self, decisions: Sequence[Decision]) -> None:
        """See from what was made of a window which events go on. Waits for nothing."""
        if self._writer is None or not self._on:
            return
        with self._writer.changed:
            for decision in decisions:
                event_id = self._on.get((decision.source, decision.label))
                if event_id is not None and decision.reason in _GOES_ON:
                    self._ledger.is_on(event_id, decision.end_s)

    def told(self, event: Event) -> None:
        """Take note that all have been told of an event who had to be. Waits for nothing; never raises."""
        if self._writer is None or self._writer.is_off or event.phase is Phase.ONSET:
            return
        with self._writer.changed:
            self._ledger.forget(event.id)
            self._writer.put(told_line(event.id))

    def close(self) -> None:
        """Write what is still to be written, and remove the file where nothing is open."""
        if self._writer is not None:
            self._writer.close()

    def _follow(self, event: Event) -> None:
        """See to it that `watch` knows the event while it is on."""
        place = (event.source, event.label)
        if event.phase is Phase.ONSET and not event.label.startswith(STATUS):
            self._on[place] = event.id
        elif self._on.get(place) == event.id:
            del self._on[place]

    def _still_on(self) -> str:
        """Say until when events were on. What no model hears is on for as long as time goes by."""
        now = time.monotonic()
        of_this_life = {
            event_id: entry for event_id, entry in self._ledger.entries.items() if entry.noted_at is not None
        }
        for event_id, entry in of_this_life.items():
            if entry.event.label.startswith(STATUS):
                self._ledger.is_on(event_id, entry.event.onset_s + now - (entry.noted_at or now))
        until_s = {event_id: entry.on_until_s for event_id, entry in of_this_life.items() if entry.is_on}
        before, self._told_on = self._told_on, until_s
        return "" if until_s == before else still_on_line(until_s)
