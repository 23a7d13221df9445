import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from listener.logs import fields
from listener.logs.limit import LONGEST_KEPT, LimitedHandler, Line
from listener.logs.lines import text_of
from listener.logs.repeats import Repeats
from tests.logs.loggers import NAME, logger_of
from tests.program import PATIENCE_S


class Heard(logging.Handler):
    """Remembers what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.closed = False
        self.summed_up = threading.Event()

    @property
    def lines(self) -> list[str]:
        return [text_of(record) for record in self.records]

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if "more in" in text_of(record):
            self.summed_up.set()

    def close(self) -> None:
        self.closed = True
        super().close()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Log:
    """A logger whose lines go through the limit, and what came of them."""

    clock: Clock
    heard: Heard
    handler: LimitedHandler
    logger: logging.Logger


@pytest.fixture
def log() -> Iterator[Log]:
    clock, heard = Clock(), Heard()
    handler = LimitedHandler(heard, clock=clock)
    with logger_of(handler) as logger:
        yield Log(clock, heard, handler, logger)


def test_repeats_are_summed_up_when_the_minute_is_over(log: Log) -> None:
    for number in range(317):
        log.logger.warning("no answer (%d)", number, extra=fields(source="mic"))
    assert log.heard.lines == [f"no answer ({number})" for number in range(5)]
    log.clock.now_s += 60
    log.logger.info("something else")
    assert log.heard.lines[5:] == ["no answer (316) (said 312 times more in 60 s)", "something else"]
    summary = log.heard.records[5]
    assert (summary.levelno, summary.levelname, summary.name) == (logging.WARNING, "WARNING", NAME)
    assert summary.__dict__["fields"] == {"source": "mic", "repeated": 312}
    log.logger.warning("no answer (%d)", 400)
    assert log.heard.lines[-1] == "no answer (400)"


def test_the_end_tells_what_is_held_back(log: Log) -> None:
    for _ in range(6):
        log.logger.error("no answer")
    log.clock.now_s += 12
    log.handler.close()
    assert log.heard.lines[5:] == ["no answer (said once more in 12 s)"]
    assert log.heard.closed
    log.handler.close()
    assert len(log.heard.lines) == 6
    log.logger.error("no answer")
    assert log.heard.lines[6:] == ["no answer"], "nobody would sum it up any more"


def said(log: Log, tell: Callable[[int], None], times: int = 20) -> int:
    for number in range(times):
        tell(number)
    return len(log.heard.lines)


def test_the_same_of_another_one_is_no_repeat(log: Log) -> None:
    assert said(log, lambda n: log.logger.warning("%s is lost: %s", f"mic{n}", OSError(n))) == 20


def test_other_output_and_other_events_are_no_repeats(log: Log) -> None:
    assert said(log, lambda n: log.logger.info("%s: %s", "photo", f"line {n}")) == 20
    assert said(log, lambda n: log.logger.info("%s", f"dog began at {n} s")) == 40


def test_the_same_output_is_one(log: Log) -> None:
    assert said(log, lambda n: log.logger.info("%s: %s", "photo", "could not connect")) == 5


def test_levels_are_apart_and_debug_is_never_held_back(log: Log) -> None:
    assert said(log, lambda n: log.logger.info("told")) == 5
    assert said(log, lambda n: log.logger.warning("told")) == 10
    assert said(log, lambda n: log.logger.debug("told")) == 30


def test_every_traceback_is_seen(log: Log) -> None:
    def fail(number: int) -> None:
        try:
            if number < 10:
                raise KeyError(number)
            if number < 19:
                raise IndexError(number)
            raise KeyError(number)  # the same error, but from another line
        except LookupError as error:
            log.logger.exception("action failed: %s", error)

    assert said(log, fail) == 5 + 5 + 1


def test_texts_without_end_take_no_memory_without_end(log: Log) -> None:
    for number in range(3000):
        log.logger.error(f"text {number} {'x' * 100_000}")  # not the right way to log, but plug-ins may
    assert len(log.handler._repeats._periods) <= 1024
    for _ in range(10):
        log.logger.error("long: %s", ["x" * 100_000])
    log.handler.close()
    assert len(log.heard.lines[-1]) < LONGEST_KEPT + 100


def test_lines_that_cannot_be_formed_are_no_trouble(log: Log) -> None:
    assert said(log, lambda n: log.logger.error("%d", "no number")) == 5
    log.handler.close()
    assert log.heard.lines[-1].endswith("(said 15 times more in 0 s)")


def test_nothing_is_lost_between_threads(log: Log) -> None:
    def tell() -> None:
        for _ in range(500):
            log.logger.error("no answer")

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.handler.close()
    assert len(log.heard.lines) == 6
    assert log.heard.lines[-1] == "no answer (said 3995 times more in 0 s)"


def test_a_summary_comes_by_itself() -> None:
    heard = Heard()
    repeats = Repeats[Line](most=1, period_s=0.05)
    with logger_of(LimitedHandler(heard, repeats)) as logger:
        for _ in range(3):
            heard.summed_up.clear()
            while repeats.next_due_s() is None:  # a slow machine may need more than a period for two lines
                logger.error("no answer")
            assert heard.summed_up.wait(PATIENCE_S)
