"""How an event is written: as one JSON object, and as one line for a person.

The console, the offline analysis, the store and the actions all write events in these
two forms and no other.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from listener.types import Event, Phase

JsonValue = str | float | bool | None
"""What stands in a field of an event's JSON form."""

LONGEST_S = 1e10
"""Longest time that is believed when it is read, in seconds: three hundred years."""

YEARS = range(1900, 9000)
"""Those that a moment may lie in that is read; with `LONGEST_S` added to it, a calendar still has it."""


def event_dict(event: Event) -> dict[str, JsonValue]:
    """Give the fields of an event's JSON form, in their order.

    Stream times are rounded to 1 ms, scores to 4 decimals; UTC times are ISO 8601 with
    milliseconds and ``Z``. Fields may be added in later versions; none is ever renamed.
    """
    return {
        "id": event.id,
        "phase": event.phase.value,
        "source": event.source,
        "label": event.label,
        "onset_s": round(event.onset_s, 3),
        "offset_s": None if event.offset_s is None else round(event.offset_s, 3),
        "started_at": utc_text(event.started_at),
        "ended_at": utc_text(event.ended_at),
        "score": round(event.score, 4),
        "peak_score": round(event.peak_score, 4),
        "model": event.model,
        "after_gap": event.after_gap,
    }


def event_json(event: Event) -> str:
    """Write an event as one line of JSON, in ASCII, without a line end."""
    return json.dumps(event_dict(event), allow_nan=False)


def event_from_json(line: str) -> Event:
    """Read what `event_json` has written; a field that is not known is left alone.

    Raises
    ------
    ValueError
        It is no event.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("an event is a JSON object")
    offset_s = None if fields.get("offset_s") is None else _number(fields, "offset_s")
    phase = Phase(_text(fields, "phase"))
    if (phase is Phase.OFFSET) is not (offset_s is not None):
        raise ValueError("an event has an offset_s when it has ended, and only then")
    return Event(
        id=_text(fields, "id"),
        phase=phase,
        source=_text(fields, "source"),
        label=_text(fields, "label"),
        onset_s=_number(fields, "onset_s"),
        offset_s=offset_s,
        score=_number(fields, "score"),
        peak_score=_number(fields, "peak_score"),
        model=_text(fields, "model"),
        after_gap=fields.get("after_gap") is True,
        started_at=_utc(fields, "started_at"),
        ended_at=_utc(fields, "ended_at"),
    )


def event_line(event: Event) -> str:
    """Write an event as a person would say it.

    ``dog began at 12.5 s (0.91) in mic, 2026-01-31 06:12:03 UTC``
    """
    if event.phase is Phase.OFFSET and event.offset_s is not None:
        lasted_s = event.offset_s - event.onset_s
        told = f"ended at {event.offset_s:.1f} s after {lasted_s:.1f} s ({event.peak_score:.2f})"
        clock = event.ended_at
    else:
        goes_on = "goes on, it " if event.phase is Phase.UPDATE else ""
        told = f"{goes_on}began at {event.onset_s:.1f} s ({event.score:.2f})"
        clock = event.started_at
    when = "" if clock is None else f", {clock.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return printable(f"{event.label} {told} in {event.source}{when}")


def utc_text(moment: datetime | None) -> str | None:
    """Write a moment as ``2026-01-31T06:12:03.250Z``; None stays None."""
    if moment is None:
        return None
    nearest = moment.astimezone(UTC) + timedelta(microseconds=500)  # isoformat cuts, it does not round
    return nearest.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or break a log line by ``?``."""
    return "".join(character if character.isprintable() else "?" for character in text)


def is_time(value: object) -> TypeGuard[float]:
    """Tell whether something that was read is a number, and one that can be a time in seconds."""
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= LONGEST_S


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text: {value!r}")
    return value


def _number(fields: dict[str, object], name: str) -> float:
    value = fields.get(name)
    if not is_time(value):
        raise ValueError(f"{name} is no number that can be: {value!r}")
    return float(value)


def _utc(fields: dict[str, object], name: str) -> datetime | None:
    if fields.get(name) is None:
        return None
    moment = datetime.fromisoformat(_text(fields, name))
    if moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError(f"{name} is no time in UTC: {moment}")
    return moment.astimezone(UTC)
