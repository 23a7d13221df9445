"""The pieces of a line: bars, meters, columns, and what of a list fits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from listener.event_format import printable

PLAIN = Style()
BOLD = Style(bold=True)
FAINT = Style(dim=True)
ACCENT = Style(color="cyan")
GOOD = Style(color="green")
FAIR = Style(color="yellow")
BAD = Style(color="red")
ACTIVE = Style(color="bright_green", bold=True)

METER_FLOOR_DB = -60.0
"""Level at which a meter is empty."""

ZONES = ((-18.0, GOOD), (-6.0, FAIR), (math.inf, BAD))
"""Up to which level a meter has which colour; the last 6 dB are too close to clipping."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What bars and lines are drawn with."""

    full: str
    half: str
    empty: str
    mark: str
    """A mark ahead of the bar's end."""
    mark_passed: str
    """A mark that the bar has reached."""
    peak: str
    dot: str
    rule: str


BOX = Glyphs(full="━", half="╾", empty="─", mark="┼", mark_passed="┿", peak="┃", dot="●", rule="─")
ASCII = Glyphs(full="=", half="-", empty=".", mark="|", mark_passed="|", peak="|", dot="*", rule="-")


def told(text: str, style: Style = PLAIN) -> Text:
    """Set a text in a style that ends with it, whatever is appended."""
    return Text.assemble((text, style))


def cell(text: str, width: int, style: Style = PLAIN) -> Text:
    """Set a text from outside into a column: nothing in it is markup or moves the cursor."""
    column = told(printable(text), style)
    column.truncate(max(0, width), overflow="ellipsis", pad=True)
    return column


def fitting(parts: Sequence[Text], width: int, gap: str = "  ") -> Text:
    """Join as many parts as fit, from the left; the first always stands."""
    line = Text()
    for part in parts:
        if line and line.cell_len + len(gap) + part.cell_len > width:
            break
        line.append(gap if line else "").append_text(part)
    return line


def aligned(left: Text, right: Text, width: int) -> Text:
    """Put one text at each end of a line."""
    return left.append(" " * max(1, width - left.cell_len - right.cell_len)).append_text(right)


def bar(fraction: float, width: int, glyphs: Glyphs, style: Style, mark: float | None = None) -> Text:
    """Draw a value in [0, 1] as a bar, with a mark somewhere along it."""
    if width < 1:
        return Text()
    halves = round(_clipped(fraction) * width * 2)
    full, half = divmod(halves, 2)
    line = told(glyphs.full * full + glyphs.half * half, style)
    line.append(glyphs.empty * (width - full - half), FAINT)
    if mark is None:
        return line
    place = _place(mark, width)
    if place < full:
        return _put(line, place, glyphs.mark_passed, style)
    return _put(line, place, glyphs.mark, PLAIN)


def meter(level_db: float, peak_db: float, width: int, glyphs: Glyphs) -> Text:
    """Draw a level as a bar and a peak as a mark, both below full scale; silence is an empty meter."""
    if width < 1:
        return Text()
    line = Text()
    lit = round(_meter_fraction(level_db) * width)
    for limit_db, style in ZONES:
        line.append(glyphs.full * (min(lit, round(_meter_fraction(limit_db) * width)) - len(line)), style)
    line.append(glyphs.empty * (width - lit), FAINT)
    if not peak_db > METER_FLOOR_DB:
        return line
    zone = next(style for limit_db, style in ZONES if peak_db < limit_db)
    return _put(line, _place(_meter_fraction(peak_db), width), glyphs.peak, zone)


def _put(line: Text, place: int, glyph: str, style: Style) -> Text:
    return Text.assemble(line[:place], (glyph, style), line[place + 1 :])


def _place(fraction: float, width: int) -> int:
    return min(width - 1, int(_clipped(fraction) * width))


def _clipped(fraction: float) -> float:
    return min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0


def _meter_fraction(level_db: float) -> float:
    return _clipped(1 - min(level_db, 0.0) / METER_FLOOR_DB)
