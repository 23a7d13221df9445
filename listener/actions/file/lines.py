"""An event as a line of a file."""

import csv
import io

from listener.actions.file.options import LineFormat
from listener.event_format import event_dict, event_json
from listener.types import Event, Phase

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What the text of a cell begins with that a spreadsheet takes for a formula; some know the wide letters."""


def line_of(form: LineFormat, event: Event) -> bytes:
    """Write an event as one line, with its end."""
    if form == "csv":
        return _row(tuple(_cell(value) for value in event_dict(event).values()))
    return event_json(event).encode() + b"\n"


def end_of(form: LineFormat, tail: bytes) -> bytes:
    """Give what ends a line that was cut off: in a table, it may have been inside of quotes."""
    last = tail.rsplit(b"\n", 1)[-1]
    return b'"\n' if form == "csv" and last.count(b'"') % 2 else b"\n"


def _row(values: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode(errors="replace")


def _cell(value: object) -> object:
    """Give what stands in a cell: one line, and no formula."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if not isinstance(value, str):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


HEADER = _row(tuple(event_dict(Event("", Phase.ONSET, "", "", 0.0, None, 0.0, 0.0, ""))))
"""First line of a table."""
