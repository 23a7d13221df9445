"""The log: readable lines on a terminal or in a file, entries with fields in systemd's journal.

Everything is logged through Python's ``logging``; this package decides where it goes and how it looks:

- Standard error is the journal (`journal.stderr_is_journal`): entries with a level, ``CODE_*``, and what
  is given as ``log.info("...", extra=fields(source="mic"))`` as ``LISTENER_SOURCE=mic``. journald has a
  clock of its own, so the message has no time in it.
- Anything else: ``12:00:01 WARNING: mic is lost``, coloured on a terminal unless ``NO_COLOR`` is set.

In both, endless repeats are held back and summed up (`limit`), and no secret is told (`redaction`).
`setup` is for the command line; a program that uses the package as a library keeps its own log, and may
use the handlers.
"""

import atexit
import logging
import sys
import threading
from types import TracebackType
from typing import Any

from listener.logs.journal import JournalHandler, stderr_is_journal
from listener.logs.limit import LimitedHandler
from listener.logs.lines import LineFormatter, wants_colour
from listener.logs.redaction import hide, redact

__all__ = ["close", "complain", "fields", "hide", "redact", "send_to", "setup"]

log = logging.getLogger(__name__)


def setup() -> None:
    """Give the program its log, on standard error; does nothing where there is one already."""
    root = logging.getLogger()
    if root.handlers:
        return
    root.addHandler(LimitedHandler(JournalHandler() if stderr_is_journal() else _stderr_handler()))
    # The library's own complaint of a line that cannot be written shows its values, secrets and all.
    logging.raiseExceptions = False
    sys.excepthook = _tell_defect
    threading.excepthook = _tell_lost_thread
    atexit.register(close)


def send_to(handler: logging.Handler) -> None:
    """Let another handler show the lines from now on: without colours, free of secrets and repeats."""
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    limited = _limited()
    if limited is None:
        root.handlers = [handler]
    else:
        limited.target = handler


def fields(**values: str | float | bool | None) -> dict[str, Any]:
    """Give what a log line is about, for its ``extra``.

    Parameters
    ----------
    values
        ``source="mic"`` becomes the journal's ``LISTENER_SOURCE=mic``; what is None is left out.
        Names in use: those of an event (``label``, ``source``, ...), ``action``, ``state``.
    """
    return {"fields": values}


def complain(problem: str) -> None:
    """Tell the user of the command line what is wrong, one line for each problem: ``listener: ...``."""
    for line in redact(problem).splitlines():
        if stderr_is_journal():
            log.error("%s", line)
        else:
            print(f"listener: {line}", file=sys.stderr)  # noqa: T201 - it is for whoever typed the command


def close() -> None:
    """Tell what is still held back: the program ends. What is logged later is told as it comes."""
    limited = _limited()
    if limited is not None:
        limited.close()


def _limited() -> LimitedHandler | None:
    handlers = logging.getLogger().handlers
    return next((handler for handler in handlers if isinstance(handler, LimitedHandler)), None)


def _stderr_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(coloured=wants_colour(sys.stderr)))
    return handler


def _tell_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("a defect of the program has ended it", exc_info=(kind, error, trace))


def _tell_lost_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = "?" if args.thread is None else args.thread.name
        trace = (args.exc_type, args.exc_value, args.exc_traceback)
        log.critical("the thread %s has ended by a defect of the program", name, exc_info=trace)
