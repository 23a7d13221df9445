"""What a program says: its exit code, its last line, floods."""

import logging
import os
import time

import pytest

from listener.errors import ActionError
from tests.actions.command.programs import Background, Script, command, fire, is_running
from tests.actions.fakes import LIMIT_S, eventually


def test_a_failure_tells_the_code_and_the_last_line(script: Script) -> None:
    with pytest.raises(ActionError, match=r"^exit code 3: no camera found$"):
        fire(command(script("echo starting; echo no camera found >&2; exit 3")))


def test_a_silent_failure(script: Script) -> None:
    with pytest.raises(ActionError, match=r"^exit code 1$"):
        fire(command("false"))


def test_death_by_a_signal_is_told(script: Script) -> None:
    with pytest.raises(ActionError, match=r"^ended by signal 9 \(Killed\): so far$"):
        fire(command(script("echo so far; kill -9 $$")))


def test_output_goes_to_the_log(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fire(command(script("echo one; echo two >&2; printf three")))
    assert [record.getMessage() for record in caplog.records] == ["photo: one", "photo: two", "photo: three"]


def test_output_is_logged_while_the_program_runs(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = Background(command(script("echo ready; sleep 60")))
    try:
        eventually(lambda: "photo: ready" in caplog.messages)
    finally:
        run.cancel_and_wait()


@pytest.mark.parametrize("text", ["true", "exec 0<&-; sleep 0.05", "read line"])
def test_a_program_may_ignore_its_input(script: Script, text: str) -> None:
    action = command(script(text))
    for _ in range(10):
        fire(action)


def test_a_program_may_close_its_output_and_go_on(script: Script) -> None:
    fire(command(script('exec >&- 2>&-; sleep 0.3; echo done > "$OUT/done"')))
    assert script.read("done") == "done\n"


def test_a_flood_blocks_nobody_and_is_bounded(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(ActionError, match="exit code 5: the end"):
        fire(command(script("head -c 20000000 /dev/zero | tr '\\0' 'y'; echo; echo the end; exit 5")))
    assert len(caplog.records) < 20
    assert "bytes more of output are not shown" in caplog.text


def test_a_child_in_the_background_does_not_hold_the_action_up(script: Script) -> None:
    action = command(script('sleep 60 & echo $! > "$OUT/pid"; echo started'))
    began_at = time.monotonic()
    fire(action)
    assert time.monotonic() - began_at < LIMIT_S
    pid = int(script.read("pid"))
    assert is_running(pid)  # what a program leaves in the background on purpose stays
    os.kill(pid, 9)
