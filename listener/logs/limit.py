"""The rate limit of the log: a handler in front of the one that shows the lines.

The first five lines of a kind in a minute are told. The others are counted, and one line at the end of
that minute, or of the program, sums them up. Lines are of one kind when they come from one logger, at one
level, with

- the same text before anything was filled in. Where that has no words (``"%s: %s"``, a program's output;
  ``"%s"``, an event) it is the text that was filled in that counts: other output and other events are no
  repeats, so each is told;
- the same first value, if that is a string: messages name first whom they are about, and what is said of
  one microphone must not hide what is said of another;
- an exception of the same kind from the same line of code, so that no traceback goes unseen.

What is below INFO is never held back: who asks for that asks for all of it.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from typing import Any

from listener.logs.lines import text_of
from listener.logs.redaction import redact
from listener.logs.repeats import Repeated, Repeats

LONGEST_KEPT = 2_000
"""Letters of a held-back line that are kept for its summary: memory is bounded whatever is logged."""

CLOSE_S = 1.0
"""How long the end of the program waits for a line that another thread is writing, in seconds."""

KEPT = ("name", "levelno", "levelname", "pathname", "lineno", "funcName", "threadName", "fields")
"""What else is kept of it: not its values, which may be large, nor its traceback, which holds frames."""

Line = dict[str, Any]
"""What is kept of a held-back line: attributes of its record."""

_FILLED_IN = re.compile(r"%(\(\w*\))?[-#0 +]*[\d*]*(\.[\d*]+)?[a-zA-Z%]")
_WORD = re.compile(r"[^\W\d_]")


def kind_of(record: logging.LogRecord) -> Hashable:
    """Give what a record counts as: equal for repeats, small whatever the record holds."""
    template = str(record.msg)
    args = record.args if isinstance(record.args, tuple) else ()
    about = args[0] if args and isinstance(args[0], str) else ""
    told = template if _has_words(template) else text_of(record)
    return record.name, record.levelno, hash(told), hash(about), _raised(record)


@lru_cache(maxsize=256)
def _has_words(template: str) -> bool:
    return _WORD.search(_FILLED_IN.sub("", template)) is not None


def _raised(record: logging.LogRecord) -> Hashable:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = None if trace is None else hash((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
    return type(error).__qualname__, place


class LimitedHandler(logging.Handler):
    """Passes records on to another handler, but for endless repeats.

    Parameters
    ----------
    target
        Shows what is passed on; may be replaced at any time.
    repeats
        Keeps account.
    clock
        Gives the time in seconds; never goes back.
    """

    def __init__(
        self,
        target: logging.Handler,
        repeats: Repeats[Line] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.target = target
        self._repeats = Repeats[Line]() if repeats is None else repeats
        self._clock = clock
        self._alarm: threading.Timer | None = None
        self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, or count it."""
        try:
            is_told = self._closed or record.levelno < logging.INFO or self._admits(record)
        except Exception:  # noqa: BLE001 - values that cannot be told: the target knows what to do with them
            is_told = True
        if is_told:
            self.target.handle(record)

    def sum_up(self) -> None:
        """Tell what was held back in minutes that are over."""
        self.acquire()
        try:
            self._alarm = None
            self._tell(self._repeats.due(self._clock()))
            self._set_alarm()
        finally:
            self.release()

    def flush(self) -> None:
        """Write out what the target may keep."""
        self.target.flush()

    def close(self) -> None:
        """Tell all that was held back, and close the target.

        Where another thread is stuck in the middle of a line, as on a terminal that was stopped
        with Ctrl-S, nothing is told: the program shall end.
        """
        if self.lock is None or not self.lock.acquire(timeout=CLOSE_S):
            return
        try:
            self._closed = True
            if self._alarm is not None:
                self._alarm.cancel()
            self._tell(self._repeats.rest(self._clock()))
            self.target.close()
            super().close()
        finally:
            self.lock.release()

    def _admits(self, record: logging.LogRecord) -> bool:
        now_s = self._clock()
        is_told = self._repeats.admit(kind_of(record), lambda: _line(record), now_s)
        self._tell(self._repeats.due(now_s))
        if not is_told:
            self._set_alarm()
        return is_told

    def _tell(self, repeated: Iterable[Repeated[Line]]) -> None:
        for each in repeated:
            self.target.handle(_summary(each))

    def _set_alarm(self) -> None:
        """See to it that what is held back is told in time, even if nothing is logged any more."""
        due_s = self._repeats.next_due_s()
        if self._closed or self._alarm is not None or due_s is None:
            return
        self._alarm = threading.Timer(max(0.0, due_s - self._clock()), self.sum_up)
        self._alarm.name = "log"
        self._alarm.daemon = True
        try:
            self._alarm.start()
        except RuntimeError:  # no thread can be started: the next line, or the end, brings it
            self._alarm = None


def _line(record: logging.LogRecord) -> Line:
    kept = {name: getattr(record, name, None) for name in KEPT}
    return {**kept, "msg": redact(text_of(record))[:LONGEST_KEPT]}


def _summary(repeated: Repeated[Line]) -> logging.LogRecord:
    """Make the line that stands for those held back; its time is now, its text that of the last of them."""
    last, times = repeated.last, "once" if repeated.times == 1 else f"{repeated.times} times"
    fields = {**(last["fields"] or {}), "repeated": repeated.times}
    told = f"{last['msg']} (said {times} more in {repeated.over_s:.0f} s)"
    return logging.makeLogRecord({**last, "msg": told, "fields": fields})
