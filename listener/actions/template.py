"""Text with ``{fields}`` of an event in it, filled in without any way to escape.

``str.format`` would follow attributes and indices of what it is given; here a field is a
name out of a fixed list, and what is put in is never looked at again.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from string import Formatter

from listener.event_format import JsonValue, event_dict
from listener.types import Event

FIELDS = ("label", "source", "score", "phase", "id", "onset_s", "offset_s", "started_at", "clip")
"""What an argument of a command may contain."""


def field_values(event: Event, clip: Path | None) -> dict[str, str]:
    """Give the text of every one of `FIELDS`; what is not known is empty."""
    values: dict[str, JsonValue] = {**event_dict(event), "clip": None if clip is None else str(clip)}
    # No argument, environment variable or file name can hold a zero byte.
    return {name: _text(values[name]).replace("\0", "") for name in FIELDS}


def _text(value: JsonValue) -> str:
    return "" if value is None else str(value)


def fields_of(template: str, allowed: Collection[str]) -> set[str]:
    """Give the names of the fields in a template.

    Raises
    ------
    ValueError
        A field is not one of ``allowed``, or a brace has no partner; the message says
        what to write instead.
    """
    return {name for _, name in _parts(template, allowed) if name is not None}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put ``values`` in place of the fields; ``{{`` and ``}}`` are braces."""
    return "".join(
        literal + ("" if name is None else values[name]) for literal, name in _parts(template, values)
    )


def _parts(template: str, allowed: Collection[str]) -> list[tuple[str, str | None]]:
    parts: list[tuple[str, str | None]] = []
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        raise ValueError(f"'{template}': a brace without a partner; write {{{{ or }}}} for a brace") from None
    for literal, name, spec, conversion in parsed:
        if name is not None and (name not in allowed or spec or conversion):
            raise ValueError(
                f"'{template}': there is no field '{{{name}}}'; there are {', '.join(allowed)}, "
                "and {{ and }} for braces"
            )
        parts.append((literal, name))
    return parts
