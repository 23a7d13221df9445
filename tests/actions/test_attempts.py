"""Retries, the breaker, concurrency, and being switched off."""

import logging
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.base import Action, ActionContext, Program
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.actions.runner.limits import JITTER, Breaker, limits_of, pause_before
from listener.config import ActionSettings, BreakerSettings, RetrySettings
from listener.errors import ActionError, TransientError
from listener.pipeline.program import RunningProgram
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, onset, settings
from tests.actions.test_runner import eventually

QUICK = {"times": 5, "pause_s": 0.01, "longest_pause_s": 0.02}


class Away:
    """A server that does not answer for a while."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.keys: list[tuple[str, int]] = []

    def __call__(self, event: Event, context: ActionContext) -> None:
        self.keys.append((context.key, context.attempt))
        if len(self.keys) <= self.times:
            raise TransientError("it does not answer")


@contextmanager
def running(action: Action, is_dry: bool = False, **chosen: object) -> Iterator[ActionRunner]:
    runner = ActionRunner([(action, settings(**chosen))], FakeTap(), LIMIT_S, is_dry=is_dry)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(LIMIT_S)


def until_idle(runner: ActionRunner) -> None:
    waiting = threading.Event()
    for _ in range(int(LIMIT_S * 200)):
        if not runner.is_busy:
            return
        waiting.wait(0.005)
    raise AssertionError("it is still busy")


# --- tried again ---------------------------------------------------------------------------


def test_it_is_tried_again_until_it_works(caplog: pytest.LogCaptureFixture) -> None:
    server = Away(times=3)
    with running(FakeAction(does=server), retry=QUICK) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert (stats.fired, stats.retried, stats.failed) == (1, 3, 0)
    assert [attempt for _, attempt in server.keys] == [1, 2, 3, 4]
    assert len({key for key, _ in server.keys}) == 1
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_both_ends_of_an_event_have_keys_of_their_own() -> None:
    server = Away(times=0)
    with running(FakeAction(does=server), when="both") as runner:
        runner.submit(ONSET)
        runner.submit(OFFSET)
        until_idle(runner)
    assert len({key for key, _ in server.keys}) == 2


def test_every_update_has_a_key_of_its_own() -> None:
    server = Away(times=0)
    with running(FakeAction(does=server), when="all", update_s=1.0) as runner:
        runner.submit(ONSET)
        for second in range(1, 4):
            runner.follow(ONSET.source, ONSET.onset_s + 1.5 * second, {ONSET.label: 0.9})
        until_idle(runner)
    assert len({key for key, _ in server.keys}) == len(server.keys) == 4


def test_after_so_many_tries_it_has_failed() -> None:
    server = Away(times=99)
    with running(FakeAction(does=server), retry=QUICK | {"times": 2}) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert (stats.failed, stats.retried, len(server.keys)) == (1, 2, 3)


@pytest.mark.parametrize(
    ("error", "retry"),
    [(ActionError("refused"), QUICK), (TransientError("away"), "never"), (TransientError("away"), "auto")],
)
def test_what_is_final_is_not_tried_again(error: ActionError, retry: object) -> None:
    def fail(event: Event, context: ActionContext) -> None:
        raise error

    action = FakeAction(does=fail)
    with running(action, retry=retry) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        assert runner.stats()["fake"].failed == 1
    assert len(action.seen) == 1


def test_it_is_not_tried_again_after_its_deadline() -> None:
    server = Away(times=99)
    retry = {"times": 1000, "pause_s": 60.0}
    with running(FakeAction(does=server), retry=retry, deadline_s=5.0) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        assert runner.stats()["fake"].failed == 1
    assert len(server.keys) == 1


def test_a_time_out_may_pass_too() -> None:
    def hang_once(event: Event, context: ActionContext) -> None:
        if context.attempt == 1:
            assert context.cancelled.wait(LIMIT_S)

    with running(FakeAction(does=hang_once), retry=QUICK, timeout_s=0.05) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert (stats.fired, stats.retried, stats.timed_out) == (1, 1, 0)


def test_the_stop_does_not_wait_for_another_try() -> None:
    server = Away(times=99)
    action = FakeAction(does=server)
    told: list[Event] = []
    chosen = settings(retry={"times": 1000, "pause_s": 600.0, "longest_pause_s": 600.0}, deadline_s=3600.0)
    runner = ActionRunner([(action, chosen)], FakeTap(), LIMIT_S, on_told=told.append)
    runner.start()
    runner.submit(ONSET)
    action.wait_started()
    runner.stop(0.05)
    assert runner.stats()["fake"].dropped == 1
    assert told == []  # on the next start somebody is


@given(attempt=st.integers(2, 10_000), seed=st.integers())
def test_pauses_grow_to_their_limit(attempt: int, seed: int) -> None:
    retry = RetrySettings(pause_s=0.5, longest_pause_s=60.0)
    pause_s = pause_before(attempt, retry, random.Random(seed))
    meant_s = min(60.0, 0.5 * 2.0 ** min(attempt - 2, 100))
    assert meant_s * (1 - JITTER) <= pause_s <= meant_s * (1 + JITTER)


@pytest.mark.parametrize(("is_remote", "patient"), [(True, True), (False, False)])
def test_who_talks_to_another_machine_has_patience(is_remote: bool, patient: bool) -> None:
    action = FakeAction()
    action.is_remote = is_remote
    limits = limits_of(action, settings())
    assert (limits.retry is not None, limits.breaker is not None) == (patient, patient)
    assert limits.deadline_s == (3600.0 if patient else 60.0)
    assert limits_of(action, settings(retry="never", breaker="never", deadline_s=1.0)).retry is None


# --- left alone ----------------------------------------------------------------------------


@given(results=st.lists(st.booleans(), max_size=200))
def test_the_breaker_opens_after_failures_in_a_row(results: list[bool]) -> None:
    breaker = Breaker(BreakerSettings(failures=3, pause_s=10.0, longest_pause_s=35.0))
    in_a_row = 0
    for now, is_good in enumerate(results, 1):
        if is_good:
            assert breaker.worked() is (in_a_row >= 3)
            in_a_row = 0
            assert breaker.open_until < now
        else:
            in_a_row += 1
            pause_s = breaker.failed(now)
            expected = None if in_a_row < 3 else min(35.0, 10.0 * 2 ** (in_a_row - 3))
            assert pause_s == expected
            assert expected is None or breaker.open_until == now + expected


def test_what_fails_all_the_time_is_left_alone_and_taken_up_again(caplog: pytest.LogCaptureFixture) -> None:
    broken = threading.Event()
    broken.set()

    def fails(event: Event, context: ActionContext) -> None:
        if broken.is_set():
            raise ActionError("no")

    action = FakeAction(does=fails)
    with running(action, breaker={"failures": 2, "pause_s": 0.5}) as runner:
        for number in range(6):
            runner.submit(onset(number))
        action.wait_started(2)
        broken.clear()
        until_idle(runner)
        stats = runner.stats()["fake"]
    assert (stats.failed, stats.fired) == (2, 4)
    told = [record.getMessage() for record in caplog.records]
    assert "action 'fake' fails all the time: it pauses for 0 s" in told
    assert "action 'fake' works again" in told


def test_the_stop_does_not_wait_for_a_breaker() -> None:
    def fails(event: Event, context: ActionContext) -> None:
        raise ActionError("no")

    action = FakeAction(does=fails)
    with running(action, breaker={"failures": 1, "pause_s": 600.0, "longest_pause_s": 600.0}) as runner:
        runner.submit(onset(1))
        action.wait_started()
        runner.submit(onset(2))
        eventually(lambda: 0 < runner.stats()["fake"].rests_s <= 600)
        runner.stop(0.05)
        assert runner.stats()["fake"].dropped == 1


# --- several at once -----------------------------------------------------------------------


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


# --- switched off, and only looked at --------------------------------------------------------


def test_a_paused_action_answers_nothing() -> None:
    action = FakeAction()
    with running(action) as runner:
        runner.pause("fake", True)
        runner.pause("nobody", True)
        runner.submit(onset(1))
        assert runner.is_paused("fake")
        assert runner.stats()["fake"].paused
        runner.pause("fake", False)
        runner.submit(onset(2))
        until_idle(runner)
        assert runner.stats()["fake"].held == 1
    assert [event.id for event in action.seen] == ["e2"]


def test_a_dry_run_does_nothing_and_says_what_it_would_do(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    action = FakeAction()
    with running(action, is_dry=True, min_score=0.5, labels=("dog",)) as runner:
        runner.submit(ONSET)
        until_idle(runner)
    assert action.seen == []
    (record,) = caplog.records
    assert record.getMessage().startswith("action 'fake' would answer the onset of dog at ")


def test_in_a_dry_run_an_action_gets_to_know_nothing() -> None:
    class Joined(FakeAction):
        def join(self, program: Program) -> None:
            self.steps.append("join")

    for is_dry, steps in ((True, ["open", "close"]), (False, ["join", "open", "close"])):
        action = Joined()
        runner = ActionRunner([(action, settings())], FakeTap(), LIMIT_S, is_dry=is_dry)
        runner.start(RunningProgram(runner, list, [], lambda: pytest.fail("nobody asks")))
        runner.stop(LIMIT_S)
        assert action.steps == steps


def test_delays_are_measured() -> None:
    with running(FakeAction()) as runner:
        runner.submit(ONSET)
        until_idle(runner)
        p50, p99 = runner.stats()["fake"].decided_s
    assert 0 <= p50 <= p99 < LIMIT_S


def test_what_an_action_loses_later_is_counted() -> None:
    class Forgetful(FakeAction):
        @property
        def lost(self) -> int:
            return 2

    with running(Forgetful()) as runner:
        assert runner.stats()["fake"].in_words() == "2 lost on the way"


def test_what_became_of_it_is_told_in_words() -> None:
    assert ActionStats().in_words() == ""
    stats = ActionStats(fired=3, retried=1, heard_s=(0.5, 1.25))
    told = "3 fired, 1 tried again, begun 0.50 s after the sound (one in a hundred 1.25 s)"
    assert stats.in_words() == told


@pytest.mark.parametrize("chosen", [{"concurrency": {"parallel": 0}}, {"retry": {"times": -1}}, {"count": 2}])
def test_impossible_settings_are_refused(chosen: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"parallel|times|within_s"):
        ActionSettings.model_validate({"use": "fake"} | chosen)
