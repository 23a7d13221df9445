"""Being paused, dry runs, and what is told of them and of all others."""

import logging

import pytest

from listener.actions.base import Program
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.config import ActionSettings
from listener.pipeline.program import RunningProgram
from tests.actions.fakes import LIMIT_S, ONSET, FakeAction, FakeTap, onset, settings
from tests.actions.runs import running, until_idle


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
