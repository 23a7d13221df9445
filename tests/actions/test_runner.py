import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from listener.actions.base import MAX_AUDIO_S, Action, ActionContext
from listener.actions.runner import ActionRunner, lane
from listener.actions.runner.account import ActionStats
from listener.config import ActionSettings
from listener.errors import ActionError, ConfigError
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, eventually, onset, settings


@contextmanager
def running(
    *actions: Action | tuple[Action, ActionSettings], tap: FakeTap | None = None, cancel_s: float = LIMIT_S
) -> Iterator[ActionRunner]:
    pairs = [pair if isinstance(pair, tuple) else (pair, settings()) for pair in actions]
    runner = ActionRunner(pairs, tap or FakeTap(), cancel_s)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(LIMIT_S)


def until_cancelled(event: Event, context: ActionContext) -> None:
    assert context.cancelled.wait(LIMIT_S)


class Gate:
    """Lets an action hang until the test ends."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, event: Event, context: ActionContext) -> None:
        assert self.opened.wait(LIMIT_S * 3)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()
    for thread in threading.enumerate():
        if thread.name.startswith("action:"):
            thread.join(LIMIT_S)


def fail(error: BaseException) -> Callable[[Event, ActionContext], None]:
    def does(event: Event, context: ActionContext) -> None:
        raise error

    return does


# --- which events -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [ONSET]),
        ({"when": "offset"}, [OFFSET]),
        ({"when": "both"}, [ONSET, OFFSET]),
        ({"labels": ("d?g", "cat")}, [ONSET]),
        ({"labels": ("cat*",)}, []),
        ({"labels": ("Dog",)}, []),
        ({"labels": ()}, []),
        ({"sources": ("m*",)}, [ONSET]),
        ({"sources": ("garden",)}, []),
        ({"min_score": 0.91}, [ONSET]),
        ({"min_score": 0.92}, []),
        ({"when": "offset", "min_score": 0.95}, [OFFSET]),  # its peak counts: its last score is low by nature
    ],
)
def test_settings_choose_the_events(chosen: dict[str, object], expected: list[Event]) -> None:
    action = FakeAction()
    with running((action, settings(**chosen))) as runner:
        runner.submit(ONSET)
        runner.submit(OFFSET)
    assert action.seen == expected


def test_events_run_one_after_the_other_in_their_order() -> None:
    overlaps = []
    busy = threading.Lock()

    def does(event: Event, context: ActionContext) -> None:
        overlaps.append(not busy.acquire(blocking=False))
        busy.release()

    action = FakeAction(does=does)
    with running(action) as runner:
        for number in range(50):
            runner.submit(onset(number))
    assert [event.id for event in action.seen] == [f"e{number}" for number in range(50)]
    assert not any(overlaps)
    assert runner.stats() == {"fake": ActionStats(fired=50)}


# --- one in trouble, the others not --------------------------------------------------------


def test_others_go_on_while_one_hangs_and_one_fails(gate: Gate) -> None:
    hanging, good = FakeAction("hanging", gate), FakeAction("good")
    failing = FakeAction("failing", fail(ActionError("no")))
    with running(hanging, failing, good) as runner:
        for number in range(30):
            runner.submit(onset(number))
            good.wait_started()  # comes at once, though `hanging` never comes back from the first one
        hanging.wait_started()
        eventually(lambda: runner.stats()["failing"].failed == 30)
        assert runner.stats()["hanging"] == ActionStats(queued=29)
        gate.opened.set()
    assert len(hanging.seen) == 30


def test_an_expected_failure_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with running(FakeAction("photo", fail(ActionError("no camera")))) as runner:
        runner.submit(ONSET)
    (record,) = caplog.records
    assert record.getMessage() == "action 'photo' failed on dog: no camera"
    assert record.levelno == logging.ERROR
    assert record.exc_info is None


@pytest.mark.parametrize("error", [ValueError("a defect"), SystemExit(3), KeyboardInterrupt()])
def test_any_failure_is_kept_to_its_run(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    action = FakeAction(does=fail(error))
    with running(action) as runner:
        runner.submit(onset(1))
        runner.submit(onset(2))
    assert runner.stats()["fake"] == ActionStats(failed=2)
    assert type(error).__name__ in caplog.records[0].getMessage()
    assert caplog.records[0].exc_info  # a defect of the program: where it happened is shown


# --- bounds ----------------------------------------------------------------------------------


def test_what_does_not_fit_into_the_inbox_is_dropped_and_counted(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    action, tap = FakeAction(does=gate), FakeTap()
    action.wants_audio = True
    with running((action, settings(inbox=3)), tap=tap) as runner:
        runner.submit(onset(0))
        action.wait_started()
        for number in range(1, 11):
            runner.submit(onset(number))
        assert runner.stats()["fake"] == ActionStats(dropped=7, queued=3)
        assert tap.kept == 4
        gate.opened.set()
    assert [event.id for event in action.seen] == ["e0", "e1", "e2", "e3"]
    assert tap.kept == 0
    assert [record.getMessage() for record in caplog.records] == [
        "action 'fake': events are dropped: 3 wait already (inbox)"  # said once, not seven times
    ]


def test_an_event_past_its_deadline_is_not_acted_on(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    action, tap = FakeAction(does=gate), FakeTap()
    action.wants_audio = True
    with running((action, settings(deadline_s=0.05)), tap=tap) as runner:
        runner.submit(onset(1))
        action.wait_started()
        runner.submit(onset(2))
        time.sleep(0.1)  # the time itself is what is tested
        gate.opened.set()
        eventually(lambda: runner.stats()["fake"].late == 1)
        runner.submit(onset(3))
    assert [event.id for event in action.seen] == ["e1", "e3"]
    assert runner.stats()["fake"] == ActionStats(fired=2, late=1)
    assert tap.kept == 0
    assert "deadline_s" in caplog.text


def test_the_time_out_cancels() -> None:
    action, tap = FakeAction(does=until_cancelled), FakeTap()
    action.wants_audio = True
    with running((action, settings(timeout_s=0.05)), tap=tap) as runner:
        runner.submit(onset(1))
        eventually(lambda: runner.stats()["fake"].timed_out == 1)
        assert action.steps == ["open", "cancel"]
        action.does = lambda event, context: None
        runner.submit(onset(2))
    assert runner.stats()["fake"] == ActionStats(fired=1, timed_out=1)
    assert tap.kept == 0


def test_waiting_for_sound_ends_with_the_time_out() -> None:
    tap = FakeTap()
    action = FakeAction(does=lambda event, context: context.fetch_audio(0.0, 99.0))
    action.wants_audio = True
    with running((action, settings(timeout_s=0.05)), tap=tap) as runner:
        runner.submit(ONSET)
    stats = runner.stats()["fake"]
    assert (stats.timed_out, stats.failed) in ((1, 0), (0, 1))  # whichever clock is read first
    assert tap.kept == 0


def test_time_spent_on_hearing_what_comes_after_is_not_the_actions() -> None:
    tap = FakeTap(sample_rate=100)
    action = FakeAction(does=lambda event, context: context.fetch_audio(0.0, 1.0))
    action.wants_audio = True
    action.after_s = LIMIT_S
    with running((action, settings(timeout_s=0.01)), tap=tap) as runner:
        runner.submit(ONSET)
        assert tap.fetching.wait(LIMIT_S)
        time.sleep(0.1)  # far past `timeout_s`
        tap.hear(np.zeros(100, np.float32))
    assert runner.stats()["fake"] == ActionStats(fired=1)


def test_a_run_that_ignores_its_end_is_left_behind(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    action = FakeAction(does=gate)
    with running((action, settings(timeout_s=0.02)), cancel_s=0.02) as runner:
        runner.submit(onset(1))
        eventually(lambda: runner.stats()["fake"].hung == 1)
        action.does = lambda event, context: None
        runner.submit(onset(2))
        eventually(lambda: runner.stats()["fake"].fired == 1)
        runner.stop(LIMIT_S)
    assert runner.stats()["fake"] == ActionStats(fired=1, timed_out=1, hung=1)
    assert "still running at the end: action:fake:run" in caplog.text
    assert "close" not in action.steps  # a thread is still inside


def test_an_action_that_hangs_again_and_again_is_paused(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    action = FakeAction(does=gate)
    with running((action, settings(timeout_s=0.02)), cancel_s=0.02) as runner:
        for number in range(lane.MAX_HUNG + 2):
            runner.submit(onset(number))
        eventually(lambda: runner.stats()["fake"].dropped == 2)
        assert runner.stats()["fake"].hung == lane.MAX_HUNG
        assert len(action.seen) == lane.MAX_HUNG
        assert caplog.text.count("paused") == 1
        gate.opened.set()
        eventually(lambda: not any(thread.name == "action:fake:run" for thread in threading.enumerate()))
        runner.submit(onset(99))
        eventually(lambda: runner.stats()["fake"].fired == 1)
    assert action.seen[-1].id == "e99"


def test_an_action_whose_cancel_fails_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(FakeAction):
        def cancel(self) -> None:
            raise RuntimeError("no")

    action = Clumsy(does=until_cancelled)
    with running((action, settings(timeout_s=0.02))) as runner:
        runner.submit(onset(1))
        eventually(lambda: runner.stats()["fake"].timed_out == 1)
        action.does = lambda event, context: None
        runner.submit(onset(2))
    assert runner.stats()["fake"] == ActionStats(fired=1, timed_out=1)
    assert "could not be cancelled: RuntimeError: no" in caplog.text


# --- start and stop ------------------------------------------------------------------------


def test_stop_gives_what_runs_and_waits_its_time() -> None:
    action = FakeAction(does=lambda event, context: time.sleep(0.02))
    with running(action) as runner:
        for number in range(5):
            runner.submit(onset(number))
        runner.stop(LIMIT_S)
        assert runner.stats()["fake"] == ActionStats(fired=5)
    assert action.steps == ["open", "close"]


def test_stop_cancels_and_drops_what_is_over_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    action, tap = FakeAction(does=until_cancelled), FakeTap()
    action.wants_audio = True
    with running(action, tap=tap) as runner:
        for number in range(4):
            runner.submit(onset(number))
        action.wait_started()
        runner.stop(0.05)
        runner.submit(onset(9))
        assert runner.stats()["fake"] == ActionStats(timed_out=1, dropped=4)
    assert action.steps == ["open", "cancel", "close"]
    assert tap.kept == 0
    assert "3 events were dropped at the stop" in caplog.text
    assert "inbox" not in caplog.text


def test_stop_is_not_held_up_by_an_action_that_hangs(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    with running(FakeAction("stuck", gate), FakeAction("good"), cancel_s=0.1) as runner:
        runner.submit(ONSET)
        eventually(lambda: runner.stats()["good"].fired == 1)
        began_at = time.monotonic()
        runner.stop(0.1)
        assert time.monotonic() - began_at < LIMIT_S / 2
        assert "still running at the end: action:stuck:run" in caplog.text


def test_an_action_that_cannot_work_is_named_and_the_others_are_closed() -> None:
    class Broken(FakeAction):
        def open(self) -> None:
            raise ActionError("directory: there is none")

    first = FakeAction("first")
    runner = ActionRunner([(first, settings()), (Broken("photo"), settings())], FakeTap())
    with pytest.raises(ActionError, match=r"^action 'photo': directory: there is none$"):
        runner.start()
    assert first.steps == ["open", "close"]
    runner.stop(LIMIT_S)


def test_names_differ() -> None:
    with pytest.raises(ConfigError, match="2 actions are called 'fake'"):
        ActionRunner([(FakeAction(), settings()), (FakeAction(), settings())], FakeTap())


# --- sound and clips ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "from_s"),
    [
        (ONSET, 9.5),
        (replace(ONSET, onset_s=1.0), 0.0),
        (
            replace(OFFSET, offset_s=100.0),
            100.0 + 2.0 - MAX_AUDIO_S,
        ),  # the ring would be too short for all of it
    ],
)
def test_sound_is_kept_from_the_moment_of_the_event_on(event: Event, from_s: float) -> None:
    action, tap = FakeAction(), FakeTap()
    action.wants_audio, action.before_s, action.after_s = True, 3.0, 2.0
    runner = ActionRunner([(action, settings(when="both"))], tap)  # not even started: `submit` itself holds
    runner.submit(event)
    (hold,) = tap.holds
    assert (hold.source, hold.from_s, hold.released) == ("mic", from_s, False)
    runner.start()
    runner.stop(LIMIT_S)
    assert hold.released


def test_no_sound_is_kept_for_who_wants_none(caplog: pytest.LogCaptureFixture) -> None:
    tap = FakeTap()
    with running(FakeAction(does=lambda event, context: context.fetch_audio(0, 1)), tap=tap) as runner:
        runner.submit(ONSET)
    assert not tap.holds
    assert "wants_audio" in caplog.text


def clip_writer(does: Callable[[Event, ActionContext], object]) -> FakeAction:
    action = FakeAction("writer", does)
    action.writes_clip = True
    return action


def test_who_wants_the_clip_waits_for_it() -> None:
    may_write = threading.Event()
    clips: list[Path | None] = []

    def write(event: Event, context: ActionContext) -> None:
        assert may_write.wait(LIMIT_S)
        context.publish_clip(Path(f"{event.id}.flac"))

    sender = FakeAction("sender", lambda event, context: clips.append(context.clip))
    sender.wants_clip = True
    with running(sender, clip_writer(write)) as runner:  # whichever is named first
        runner.submit(onset(1))
        runner.submit(onset(2))
        assert not sender.seen
        may_write.set()
    assert clips == [Path("e1.flac"), Path("e2.flac")]


def test_who_wants_the_clip_runs_without_when_none_can_be_written() -> None:
    clips: list[Path | None] = []
    sender = FakeAction("sender", lambda event, context: clips.append(context.clip))
    sender.wants_clip = True
    with running(sender, clip_writer(fail(ActionError("disk full")))) as runner:
        runner.submit(ONSET)
    assert clips == [None]


def test_the_clip_of_the_onset_is_known_at_the_offset() -> None:
    clips: list[Path | None] = []
    writer = clip_writer(lambda event, context: context.publish_clip(Path("dog.flac")))
    sender = FakeAction("sender", lambda event, context: clips.append(context.clip))
    with running(writer, (sender, settings(when="offset"))) as runner:
        runner.submit(ONSET)
        eventually(lambda: runner.stats()["writer"].fired == 1)
        runner.submit(replace(OFFSET, id="another"))
        runner.submit(OFFSET)
    assert clips == [None, Path("dog.flac")]


def test_a_stop_while_waiting_for_a_clip_starts_nothing_new(gate: Gate) -> None:
    sender = FakeAction("sender")
    sender.wants_clip = True
    writer = clip_writer(until_cancelled)
    with running(writer, sender) as runner:
        runner.submit(ONSET)
        writer.wait_started()
        runner.stop(0.02)
        assert not sender.seen
        assert runner.stats() == {"writer": ActionStats(timed_out=1), "sender": ActionStats(dropped=1)}
