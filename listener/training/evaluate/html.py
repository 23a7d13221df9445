"""Pieces of a report: tables, tiles, pictures and numbers."""

import math
from collections.abc import Sequence
from html import escape

from listener.training.evaluate.intervals import Figure


def tiles(tiles: Sequence[tuple[str, str, str]]) -> str:
    """Lay out figures that are to be seen first: name, value, and what stands below it."""
    inner = "".join(
        f'<div class="tile">{name}<b>{value}</b><span>{below}</span></div>' for name, value, below in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows whose first cell is text, and whose others are HTML."""
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join(
        f"<tr><td>{escape(row[0])}</td>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(caption: str, svg: str) -> str:
    """Lay out a plot."""
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def value_and_range(figure: Figure) -> tuple[str, str]:
    """Give a figure for a tile."""
    return number(figure.value), span(figure)


def percent(figure: Figure) -> str:
    """Write a share."""
    return f"{100 * figure.value:.1f} %"


def span(figure: Figure, digits: int = 3, percent: bool = False) -> str:
    """Write an interval."""
    if math.isnan(figure.low):
        return ""
    if percent:
        return f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %"
    return f"{number(figure.low, digits)} to {number(figure.high, digits)}"


def cell(figure: Figure, digits: int = 2) -> str:
    """Write a figure with its interval, for a table."""
    if math.isnan(figure.value):
        return "&ndash;"
    return f"{number(figure.value, digits)} <small>{span(figure, digits).replace(' to ', '&ndash;')}</small>"


def number(value: float, digits: int = 3) -> str:
    """Write a number, which may be unknown or without end."""
    if math.isnan(value):
        return "&ndash;"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def duration(hours: float) -> str:
    """Write how long something is."""
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
