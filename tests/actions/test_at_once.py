"""What happens to events that come while an action runs."""

import math
import threading
import time
from collections.abc import Iterator

import pytest

from listener.actions.base import Action, ActionContext
from listener.actions.runner import ActionRunner
from listener.config import ActionSettings
from listener.errors import TransientError
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, eventually, onset, settings
from tests.actions.runs import Away, running, until_idle


class Busy:
    """Runs that go on until a test lets them end."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.cancelled: list[str] = []

    def __call__(self, event: Event, context: ActionContext) -> None:
        self.begun.release()
        waiting = threading.Event()
        while not self.let_go.is_set() and not context.cancelled.is_set():
            waiting.wait(0.002)
        if context.cancelled.is_set():
            self.cancelled.append(event.id)

    def wait_begun(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.begun.acquire(timeout=LIMIT_S)


@pytest.fixture
def busy() -> Iterator[Busy]:
    busy = Busy()
    yield busy
    busy.let_go.set()


def submit_three(runner: ActionRunner, busy: Busy, begin: int) -> None:
    runner.submit(onset(1))
    busy.wait_begun()
    runner.submit(onset(2))
    runner.submit(onset(3))
    busy.wait_begun(begin - 1)


def test_events_wait(busy: Busy) -> None:
    action = FakeAction(does=busy)
    with running(action) as runner:
        submit_three(runner, busy, begin=1)
        assert runner.stats()["fake"].queued == 2
        busy.let_go.set()
        until_idle(runner)
        assert runner.stats()["fake"].fired == 3


def test_events_are_skipped_while_it_runs(busy: Busy) -> None:
    action = FakeAction(does=busy)
    with running(action, concurrency="skip") as runner:
        submit_three(runner, busy, begin=1)
        busy.let_go.set()
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert (stats.fired, stats.skipped, stats.dropped) == (1, 2, 0)


def test_an_end_is_not_skipped(busy: Busy) -> None:
    action = FakeAction(does=busy)
    with running(action, concurrency="skip", when="both") as runner:
        runner.submit(ONSET)
        busy.wait_begun()
        runner.submit(OFFSET)
        busy.let_go.set()
        until_idle(runner)
    assert action.seen == [ONSET, OFFSET]


def test_the_newest_event_takes_the_place_of_the_others(busy: Busy) -> None:
    action = FakeAction(does=busy)
    with running(action, concurrency="restart") as runner:
        submit_three(runner, busy, begin=2)
        busy.let_go.set()
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert action.seen[-1].id == "e3"
    assert "e1" in busy.cancelled
    assert (stats.fired, stats.skipped, stats.timed_out, stats.failed) == (1, 2, 0, 0)


def test_who_is_replaced_while_it_waits_for_a_clip_never_begins(busy: Busy) -> None:
    clip, light = FakeAction("clip", busy), FakeAction("light")
    clip.writes_clip = light.wants_clip = True
    pairs: list[tuple[Action, ActionSettings]] = [
        (clip, settings(labels=("dog",))),
        (light, settings(concurrency="restart")),
    ]
    runner = ActionRunner(pairs, FakeTap(), LIMIT_S)
    runner.start()
    try:
        runner.submit(onset(1))
        busy.wait_begun()
        eventually(lambda: runner.stats()["light"].queued == 0)
        runner.submit(onset(2, "cat"))  # of which nobody makes a clip
        light.wait_started()
        eventually(lambda: runner.stats()["light"].fired == 1)
        stats = runner.stats()["light"]
    finally:
        busy.let_go.set()
        runner.stop(LIMIT_S)
    assert [event.id for event in light.seen] == ["e2"]
    assert (stats.fired, stats.skipped, stats.timed_out) == (1, 1, 0)


@pytest.mark.parametrize("workers", [2, 3])
def test_so_many_run_at_once(workers: int, busy: Busy) -> None:
    action = FakeAction(does=busy)
    with running(action, concurrency={"parallel": workers}) as runner:
        submit_three(runner, busy, begin=workers)
        assert runner.stats()["fake"].queued == 3 - workers
        busy.let_go.set()
        until_idle(runner)
        assert runner.stats()["fake"].fired == 3
    assert action.steps == ["open", "close"]


def test_the_end_does_not_wait_for_one_that_is_left_alone_for_longer() -> None:
    action = FakeAction(does=Away(times=math.inf))
    runner = ActionRunner(
        [(action, settings(breaker={"failures": 1, "pause_s": 3600, "longest_pause_s": 3600}))],
        FakeTap(),
        1.0,
    )
    runner.start()
    runner.submit(onset(1))
    eventually(lambda: runner.stats()["fake"].failed == 1)
    runner.submit(onset(2))
    runner.hurry(600.0)
    assert runner.wait(time.monotonic() + LIMIT_S) == []
    assert runner.stats()["fake"].dropped == 1


def test_all_workers_of_one_that_is_left_alone_go_home_together() -> None:
    gate = threading.Event()

    def fail(event: Event, context: ActionContext) -> None:
        if event.id == "e1":
            gate.wait(LIMIT_S)
        raise TransientError("it does not answer")

    breaker = {"failures": 1, "pause_s": 3600, "longest_pause_s": 3600}
    action = FakeAction(does=fail)
    runner = ActionRunner(
        [(action, settings(breaker=breaker, concurrency={"parallel": 2}))], FakeTap(), LIMIT_S
    )
    runner.start()
    runner.submit(onset(1))
    runner.submit(onset(2))
    eventually(lambda: runner.stats()["fake"].failed == 1)
    runner.submit(onset(3))
    runner.hurry(600.0)
    gate.set()
    assert runner.wait(time.monotonic() + LIMIT_S) == []
    assert runner.stats()["fake"].dropped == 1
