"""When everybody has been told of an event; and who is told of one whose sound is gone."""

import threading
from collections.abc import Callable

import pytest

from listener.actions.base import Action
from listener.actions.runner import ActionRunner
from listener.config import ActionSettings
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, onset, settings


class Listening(FakeAction):
    wants_audio = True


class Told:
    """Takes down which events all have been told of."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, n_events: int) -> list[Event]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= n_events, LIMIT_S)
            return list(self.events)


Start = Callable[..., tuple[ActionRunner, Told]]


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    def start(*actions: tuple[Action, ActionSettings]) -> tuple[ActionRunner, Told]:
        told = Told()
        runner = ActionRunner(actions, FakeTap(), LIMIT_S, told)
        runner.start()
        request.addfinalizer(lambda: runner.stop(LIMIT_S))
        return runner, told

    return start


def test_all_have_been_told_when_the_last_one_is_through(start: Start) -> None:
    goes_on = threading.Event()
    slow = FakeAction("slow", lambda event, context: goes_on.wait(LIMIT_S))
    quick = FakeAction("quick")
    runner, told = start((slow, settings()), (quick, settings()))
    runner.submit(ONSET)
    slow.wait_started()
    quick.wait_started()
    assert told.events == []
    goes_on.set()
    assert told.wait_for(1) == [ONSET]


def test_where_nobody_answers_all_have_been_told_at_once(start: Start) -> None:
    runner, told = start((FakeAction(), settings(when="offset")))
    runner.submit(ONSET)
    assert told.events == [ONSET]


def test_failure_is_an_end_too(start: Start) -> None:
    def fails(event: Event, context: object) -> None:
        raise RuntimeError("a defect")

    runner, told = start((FakeAction(does=fails), settings()))
    runner.submit(ONSET)
    assert told.wait_for(1) == [ONSET]


def test_what_is_dropped_is_not_waited_for(start: Start) -> None:
    goes_on = threading.Event()
    busy = FakeAction(does=lambda event, context: goes_on.wait(LIMIT_S))
    runner, told = start((busy, settings(inbox=1)))
    runner.submit(onset(1))
    busy.wait_started()
    runner.submit(onset(2))
    runner.submit(onset(3))
    assert told.events == [onset(3)]
    goes_on.set()
    assert told.wait_for(3) == [onset(3), onset(1), onset(2)]


def test_what_waits_for_sound_is_not_waited_for(start: Start) -> None:
    goes_on = threading.Event()
    listening = Listening("listening", lambda event, context: goes_on.wait(LIMIT_S))
    runner, told = start((listening, settings()), (FakeAction(), settings()))
    runner.submit(ONSET)
    listening.wait_started()
    assert told.wait_for(1) == [ONSET]
    goes_on.set()


def test_who_wants_sound_is_not_asked_where_there_is_none(start: Start) -> None:
    listening, other = Listening("listening"), FakeAction("other")
    runner, told = start((listening, settings(when="both")), (other, settings(when="both")))
    runner.submit(OFFSET, has_sound=False)
    assert told.wait_for(1) == [OFFSET]
    assert (listening.seen, other.seen) == ([], [OFFSET])


def test_what_a_stop_cuts_short_is_not_told(start: Start) -> None:
    busy = FakeAction(does=lambda event, context: context.cancelled.wait(LIMIT_S))
    runner, told = start((busy, settings()), (FakeAction("quick"), settings()))
    runner.submit(onset(1))
    busy.wait_started()
    runner.submit(onset(2))
    runner.stop(0.0)
    runner.submit(onset(3))
    assert busy.seen == [onset(1)]
    assert told.events == []


def test_what_is_given_up_in_time_is_told(start: Start) -> None:
    busy = FakeAction(does=lambda event, context: context.cancelled.wait(LIMIT_S))
    runner, told = start((busy, settings(timeout_s=0.1)))
    runner.submit(ONSET)
    assert told.wait_for(1) == [ONSET]
