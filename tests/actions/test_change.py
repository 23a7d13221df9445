"""Other actions in place of those before, while events come."""

from collections.abc import Iterator

import pytest

from listener.actions.runner import ActionRunner
from listener.errors import ActionError, ConfigError
from tests.actions.fakes import LIMIT_S, FakeAction, FakeTap, eventually, onset, settings
from tests.actions.test_runner import Gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


class Broken(FakeAction):
    def open(self) -> None:
        raise ActionError("no such thing")


def test_one_that_stays_goes_on_as_it_is(gate: Gate) -> None:
    stays, goes, comes = FakeAction("stays", gate), FakeAction("goes"), FakeAction("comes")
    pair = (stays, settings())
    runner = ActionRunner([pair, (goes, settings())], FakeTap())
    runner.start()
    runner.submit(onset(1))
    stays.wait_started()
    goes.wait_started()
    runner.change([(comes, settings()), pair], LIMIT_S)
    runner.submit(onset(2))
    comes.wait_started()
    eventually(lambda: goes.steps == ["open", "close"])
    assert stays.steps == ["open"]
    gate.opened.set()
    stays.wait_started()
    eventually(lambda: runner.stats()["stays"].fired == 2)
    assert list(runner.stats()) == ["comes", "stays"]
    assert [event.id for event in goes.seen] == ["e1"]
    assert [event.id for event in comes.seen] == ["e2"]
    runner.stop(LIMIT_S)
    assert stays.steps == comes.steps == ["open", "close"]


def test_one_that_goes_sees_to_what_runs_and_what_waits(gate: Gate) -> None:
    goes = FakeAction("goes", gate)
    runner = ActionRunner([(goes, settings())], FakeTap())
    runner.start()
    runner.submit(onset(1))
    runner.submit(onset(2))
    goes.wait_started()
    runner.change([], LIMIT_S)
    runner.submit(onset(3))
    gate.opened.set()
    goes.wait_started()
    eventually(lambda: goes.steps == ["open", "close"])
    assert [event.id for event in goes.seen] == ["e1", "e2"]
    runner.stop(LIMIT_S)


def test_one_that_goes_and_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    goes = FakeAction("goes", lambda event, context: context.cancelled.wait(LIMIT_S))
    runner = ActionRunner([(goes, settings())], FakeTap())
    runner.start()
    runner.submit(onset(1))
    goes.wait_started()
    runner.change([], 0.01)
    eventually(lambda: goes.steps == ["open", "cancel", "close"])
    assert "is given up: the configuration has no such action any more" in caplog.text
    runner.stop(LIMIT_S)


def test_the_stop_also_ends_those_that_went(gate: Gate) -> None:
    goes = FakeAction("goes", lambda event, context: context.cancelled.wait(LIMIT_S))
    runner = ActionRunner([(goes, settings())], FakeTap())
    runner.start()
    runner.submit(onset(1))
    goes.wait_started()
    runner.change([], LIMIT_S)
    runner.stop(0.01)
    assert goes.steps == ["open", "cancel", "close"]


def test_one_that_cannot_work_changes_nothing() -> None:
    before, fresh = FakeAction("before"), FakeAction("fresh")
    runner = ActionRunner([(before, settings())], FakeTap())
    runner.start()
    with pytest.raises(ActionError, match="no such thing"):
        runner.change([(fresh, settings()), (Broken("broken"), settings())], LIMIT_S)
    with pytest.raises(ConfigError, match="2 actions are called 'fresh'"):
        runner.change([(fresh, settings()), (FakeAction("fresh"), settings())], LIMIT_S)
    assert fresh.steps == ["open", "close"]
    runner.submit(onset(1))
    before.wait_started()
    runner.stop(LIMIT_S)
    assert before.steps == ["open", "close"]


def test_one_that_is_switched_off_stays_so_under_its_name() -> None:
    runner = ActionRunner([(FakeAction("light"), settings())], FakeTap())
    runner.start()
    runner.pause("light", True)
    light, lamp = FakeAction("light"), FakeAction("lamp")
    runner.change([(light, settings(update_s=1, when="update")), (lamp, settings())], LIMIT_S)
    assert runner.paused == ["light"]
    runner.pause("light", False)
    assert runner.paused == []
    runner.stop(LIMIT_S)
