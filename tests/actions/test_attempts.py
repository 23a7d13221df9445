"""Retries and the breaker."""

import logging
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.base import ActionContext
from listener.actions.runner import ActionRunner
from listener.actions.runner.limits import JITTER, Breaker, limits_of, pause_before
from listener.config import BreakerSettings, RetrySettings
from listener.errors import ActionError, TransientError
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, eventually, onset, settings
from tests.actions.runs import QUICK, Away, running, until_idle

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
