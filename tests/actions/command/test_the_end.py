"""How a program ends that is given up, and what it may not do to others."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from listener.actions.base import ActionContext
from listener.actions.command.action import CommandAction, CommandOptions
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.errors import ActionError
from tests.actions.command.programs import Background, Script, command, is_running
from tests.actions.fakes import LIMIT_S, ONSET, FakeAction, FakeTap, eventually, no_audio, onset, settings

# --- when it is given up -------------------------------------------------------------------------


@pytest.fixture
def tree(script: Script) -> Iterator[Callable[[str, str], tuple[Background, list[int]]]]:
    """Start a program with a child and a grandchild whose parent is gone; give all three ids."""
    pids: list[int] = []

    def start(trap: str, wait: str) -> tuple[Background, list[int]]:
        script(
            f'{trap}\necho $$ > "$OUT/grandchild.part"; mv "$OUT/grandchild.part" "$OUT/grandchild"\n{wait}',
            "leaf.sh",
        )
        script(f'{trap}\n"{script.folder}/leaf.sh" &\n', "middle.sh")  # ends at once: the leaf is an orphan
        program = script(
            f'{trap}\nsleep 60 & echo $! > "$OUT/child"\n"{script.folder}/middle.sh"\n'
            f'echo $$ > "$OUT/leader.part"; mv "$OUT/leader.part" "$OUT/leader"\n{wait}'
        )
        run = Background(command(program))
        pids.extend(int(script.wait_for(name)) for name in ("leader", "grandchild", "child"))
        return run, pids

    yield start
    for pid in filter(is_running, pids):
        os.kill(pid, 9)


def test_the_whole_group_ends(tree: Callable[[str, str], tuple[Background, list[int]]]) -> None:
    run, pids = tree("", "sleep 60")
    assert all(map(is_running, pids))
    began_at = time.monotonic()
    run.cancel_and_wait()
    assert time.monotonic() - began_at < LIMIT_S
    eventually(lambda: not any(map(is_running, pids)))


def test_a_group_that_ignores_the_polite_signal_is_killed(
    tree: Callable[[str, str], tuple[Background, list[int]]],
) -> None:
    run, pids = tree("trap '' TERM", "while :; do sleep 0.05; done")
    run.cancel_and_wait()
    eventually(lambda: not any(map(is_running, pids)))


def test_a_program_may_tidy_up_when_it_is_given_up(script: Script) -> None:
    text = (
        "trap 'head -c 300000 /dev/zero; echo tidy > \"$OUT/tidy\"; exit 0' TERM\n"
        'echo > "$OUT/ready"\nwhile :; do sleep 0.05; done'
    )
    run = Background(command(script(text)))
    script.wait_for("ready")
    run.cancel_and_wait()
    assert script.read("tidy") == "tidy\n"  # though it writes more than a pipe holds before
    assert isinstance(run.error, ActionError)


def test_a_flooding_program_can_be_given_up() -> None:
    run = Background(command("yes"))
    run.cancel_and_wait()
    assert isinstance(run.error, ActionError)


def test_a_run_that_was_given_up_before_it_began_ends_at_once(script: Script) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(ActionError):
        command("sleep", "60").run(ONSET, ActionContext(no_audio, cancelled=cancelled))


# --- in the runner ---------------------------------------------------------------------------------


def test_hanging_failing_and_flooding_programs_change_nothing_for_others(script: Script) -> None:
    hanging = CommandAction("hanging", CommandOptions(run=("sleep", "60")))
    failing = CommandAction("failing", CommandOptions(run=("false",)))
    flooding = CommandAction("flooding", CommandOptions(run=("yes",)))
    good = FakeAction("good")
    pairs = [(action, settings(timeout_s=1.0)) for action in (hanging, failing, flooding, good)]
    runner = ActionRunner(pairs, FakeTap())
    runner.start()
    try:
        delays_s = []
        for number in range(20):
            began_at = time.monotonic()
            runner.submit(onset(number))
            good.wait_started()
            delays_s.append(time.monotonic() - began_at)
        assert sorted(delays_s)[10] < 0.25  # the median: single ones may suffer from a busy machine
        eventually(
            lambda: runner.stats()["hanging"].timed_out > 0 and runner.stats()["flooding"].timed_out > 0
        )
        eventually(lambda: runner.stats()["failing"].failed == 20)
    finally:
        runner.stop(0.1)
    assert runner.stats()["good"] == ActionStats(fired=20)
    assert runner.stats()["hanging"].hung == runner.stats()["flooding"].hung == 0


def test_no_program_outlives_the_stop(script: Script) -> None:
    action = CommandAction(
        "photo", CommandOptions(run=(script('echo $$ > "$OUT/p"; mv "$OUT/p" "$OUT/pid"; sleep 60'),))
    )
    runner = ActionRunner([(action, settings())], FakeTap())
    runner.start()
    runner.submit(ONSET)
    pid = int(script.wait_for("pid"))
    runner.stop(0.05)
    assert not is_running(pid)
    assert runner.stats()["photo"] == ActionStats(timed_out=1)
