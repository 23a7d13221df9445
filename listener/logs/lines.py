"""Records as lines of text: for a terminal or a file, and for whoever reads systemd's level prefixes."""

import logging
import os
import traceback
from typing import TextIO

from listener.logs.redaction import redact

COLOURS = {logging.CRITICAL: "1;31", logging.ERROR: "31", logging.WARNING: "33"}
"""Of the level's name, as a terminal knows them: red, yellow. What is no trouble has none."""

PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog's number of each level; all below is 7 (debug)."""


def text_of(record: logging.LogRecord) -> str:
    """Give what a record says, as it is. Never raises: a line that was put wrongly is told all the same."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - values that do not fit, or cannot be written
        return f"{record.msg} (the values of this line cannot be told)"


def message_of(record: logging.LogRecord) -> str:
    """Give a record's text and traceback, without secrets and control characters; line breaks stay."""
    told = text_of(record)
    if record.exc_info and record.exc_info[1] is not None:
        told += "\n" + _traceback(record.exc_info[1])
    if record.stack_info:
        told += "\n" + record.stack_info
    return plain(told)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip()
    except Exception:  # noqa: BLE001 - a stranger's exception that cannot be told
        return f"{type(error).__name__} (it cannot be told)"


def plain(text: str) -> str:
    """Give text without secrets and without what would move a terminal's cursor; line breaks stay."""
    text = redact(text)
    if text.isprintable():
        return text
    lines = text.expandtabs().splitlines()
    return "\n".join("".join(letter if letter.isprintable() else "?" for letter in line) for line in lines)


def priority(level: int) -> int:
    """Give syslog's number of a level: 2 (critical) to 7 (debug)."""
    return next((number for least, number in PRIORITIES if level >= least), 7)


class LineFormatter(logging.Formatter):
    """``12:00:01 WARNING: mic is lost``.

    Parameters
    ----------
    coloured
        Whether the level of a trouble is coloured.
    """

    def __init__(self, coloured: bool = False) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """Form the line; a traceback follows on lines of its own."""
        level, colour = record.levelname, COLOURS.get(record.levelno)
        if self._coloured and colour is not None:
            level = f"\x1b[{colour}m{level}\x1b[0m"
        return f"{self.formatTime(record, self.datefmt)} {level}: {message_of(record)}"


class PriorityFormatter(logging.Formatter):
    """``<4>mic is lost``: systemd takes the level off, and has its own clock."""

    def format(self, record: logging.LogRecord) -> str:
        """Form the line, or lines: each one is an entry of its own there, so each has the level."""
        lines = message_of(record).split("\n")
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in lines)


def wants_colour(stream: TextIO | None) -> bool:
    """Tell whether colours can be seen and are wanted (https://no-color.org)."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()
