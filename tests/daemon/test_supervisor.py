"""What systemd is told of an engine, and when."""

import logging
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from listener.config import Config
from listener.config_file import ConfigFile
from listener.daemon import supervisor
from listener.daemon.engine import Engine
from listener.daemon.notify import Notifier
from listener.daemon.reload import Reloader
from listener.daemon.supervisor import EventNotes, Supervisor
from listener.logs import hide
from listener.types import OVERLOAD, PipelineStats, SourceState, StageProgress
from tests.console.scenes import offset, onset, source, stats
from tests.daemon.manager import ServiceManager


class Setup:
    file = ConfigFile(Config())


class FakeEngine:
    """An engine that is as the test says, and that moves on by itself."""

    def __init__(self) -> None:
        self.setup = Setup()
        self.now = stats(source(state=SourceState.OPENING), windows=0)
        self.stands: set[str] = set()
        self.looked = 0
        self._changed = threading.Condition()

    def stats(self) -> PipelineStats:
        with self._changed:
            self.looked += 1
            self._changed.notify_all()
        return self.now

    def progress(self) -> list[StageProgress]:
        names = ("capture:mic", "inference")
        return [StageProgress(name, 0 if name in self.stands else self.looked) for name in names]

    def wait_for_looks(self, count: int) -> None:
        """Wait until the supervisor has looked so many times more."""
        with self._changed:
            wanted = self.looked + count
            assert self._changed.wait_for(lambda: self.looked >= wanted, 60)


class FakeReloader:
    def __init__(self) -> None:
        self.problem = ""
        self.is_busy = False
        self.begun = 0

    def look(self) -> None:
        pass

    def begin(self) -> None:
        self.begun += 1


class Running:
    """A supervisor at work, and those whom it works with."""

    def __init__(self, watchdog_s: float | None) -> None:
        self.manager = ServiceManager()
        self.engine, self.reloader, self.notes = FakeEngine(), FakeReloader(), EventNotes()
        self.reload_asked: list[bool] = []
        self.supervisor = Supervisor(
            cast(Engine, self.engine),
            self.notes,
            cast(Reloader, self.reloader),
            lambda: bool(self.reload_asked and self.reload_asked.pop()),
            Notifier(self.manager.address, watchdog_s),
        )

    def told(self, what: str) -> list[str]:
        return [message for message in self.manager.told if what in message]


@pytest.fixture
def watchdog_s() -> float | None:
    """Of the service."""
    return 0.2


@pytest.fixture
def running(watchdog_s: float | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(supervisor, "STATUS_EVERY_S", 0.0)
    monkeypatch.setattr(supervisor, "LEAST_STANDS_STILL_S", 0.1)
    running = Running(watchdog_s)
    with running.manager:
        running.supervisor.start()
        yield running
        running.supervisor.close()


def test_ready_when_the_first_window_was_classified(running: Running) -> None:
    running.engine.now = stats(windows=0)
    running.engine.wait_for_looks(3)
    assert not running.told("READY")
    running.engine.now = stats(windows=1)
    running.manager.wait_for("READY=1")
    running.engine.wait_for_looks(3)
    assert running.told("READY") == ["READY=1"]


@pytest.mark.parametrize(
    ("states", "is_ready"),
    [
        ((SourceState.ABSENT,), True),
        ((SourceState.LOST,), True),
        ((SourceState.ABSENT, SourceState.LOST), True),
        ((SourceState.OPENING,), False),
        ((SourceState.STALLED,), False),
        ((SourceState.ABSENT, SourceState.OPENING), False),
        ((SourceState.ABSENT, SourceState.LIVE), False),
    ],
)
def test_ready_when_every_source_is_known_to_be_away(
    running: Running, states: tuple[SourceState, ...], is_ready: bool
) -> None:
    sources = [source(str(number), state=state) for number, state in enumerate(states)]
    running.engine.now = stats(*sources, windows=0)
    running.engine.wait_for_looks(3)
    assert bool(running.told("READY")) is is_ready


def test_the_status_is_told_when_it_changes(running: Running) -> None:
    running.engine.now = stats()
    running.manager.wait_for("STATUS=listening: mic (48 kHz), 100.00 % heard, no event yet")
    running.engine.wait_for_looks(5)
    assert len(running.told("STATUS=listening")) == 1
    running.notes.take(onset("dog"))
    running.manager.wait_for("last event dog just now")
    running.engine.now = stats(source(state=SourceState.LOST))
    running.manager.wait_for("STATUS=waiting for 'mic', last seen just now")


def test_troubles_are_no_last_event_and_overload_is_told(running: Running) -> None:
    running.engine.now = stats(hop_s=1.0)
    running.notes.take(onset("@source.lost"))
    running.notes.take(onset(OVERLOAD))
    running.manager.wait_for("STATUS=the model cannot keep up: it looks every 1 s; listening")
    count = running.manager.wait_for("no event yet")
    running.notes.take(offset(OVERLOAD))
    running.manager.wait_for("STATUS=listening", after=count)


def test_a_configuration_that_was_not_taken_is_told(running: Running) -> None:
    running.engine.now = stats()
    running.reloader.problem = "config.yaml:3: unknown key"
    running.manager.wait_for("STATUS=configuration not taken: config.yaml:3: unknown key; listening: mic")


def test_no_secret_is_told(running: Running) -> None:
    hide(["open-sesame"])
    running.engine.now = stats()
    running.reloader.problem = "no program 'open-sesame'"
    running.manager.wait_for("STATUS=configuration not taken: no program '")
    assert not running.told("open-sesame")


def test_a_stage_that_stands_still_stops_the_watchdogs_food(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.engine.now = stats()
    running.manager.wait_for("WATCHDOG=1")
    running.engine.stands.add("inference")
    running.manager.wait_for("STATUS=the stage inference stands still")
    fed = len(running.told("WATCHDOG"))
    running.engine.wait_for_looks(20)
    assert len(running.told("WATCHDOG")) == fed
    running.engine.stands.clear()
    running.manager.wait_for("WATCHDOG=1", after=len(running.manager.told))
    told = [(record.levelno, record.message) for record in caplog.records]
    assert told == [
        (logging.ERROR, "the stage inference stands still"),
        (logging.WARNING, "the stage inference moves again"),
    ]


def test_a_main_thread_that_stands_still(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.engine.now = stats()
    running.engine.wait_for_looks(20)  # it may take its time to begin
    assert not caplog.records
    running.supervisor.beat()
    running.manager.wait_for("STATUS=the stage main stands still")
    count = len(running.manager.told)
    running.supervisor.beat()
    running.manager.wait_for("STATUS=listening", after=count)


def test_the_watchdog_is_fed_while_the_program_ends(running: Running) -> None:
    running.engine.now = stats()
    running.manager.wait_for("WATCHDOG=1")
    running.engine.stands.update(("capture:mic", "inference"))
    running.supervisor.stopping()
    count = running.manager.wait_for("STOPPING=1\nSTATUS=stopping")
    for _ in range(3):
        count = running.manager.wait_for("WATCHDOG=1", after=count)


def test_a_reload_waits_until_the_program_is_ready_and_the_one_before_is_over(running: Running) -> None:
    running.reload_asked.append(True)
    running.engine.wait_for_looks(3)
    assert running.reloader.begun == 0
    running.reloader.is_busy = True
    running.engine.now = stats()
    running.engine.wait_for_looks(3)
    assert running.reloader.begun == 0
    running.reloader.is_busy = False
    running.engine.wait_for_looks(3)
    assert running.reloader.begun == 1


@pytest.mark.parametrize("watchdog_s", [None])
def test_nobody_watches(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.engine.now = stats()
    running.manager.wait_for("READY=1")
    running.engine.wait_for_looks(5)
    assert not running.told("WATCHDOG")


def test_closed_before_it_was_started() -> None:
    notifier = Notifier()
    unused: Any = None
    Supervisor(unused, EventNotes(), unused, lambda: False, notifier).close()
