"""What can be asked of a program, and what cannot: variables, priority, another user."""

import json
import logging
import os
import pwd
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from listener.actions.command.action import CommandAction, CommandOptions
from listener.actions.command.process import attend
from listener.config_file import validate
from listener.errors import ActionError, ConfigError
from tests.actions.command.programs import Background, Script, command, fire
from tests.actions.fakes import LIMIT_S, ONSET

# --- what is refused ---------------------------------------------------------------------------


def test_settings_as_they_stand_in_a_file() -> None:
    options = validate(CommandOptions, {"run": ["./take-photo.sh", "{label}"], "cwd": "/srv"})
    assert options == CommandOptions(run=("./take-photo.sh", "{label}"), cwd=Path("/srv"))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("./photo.sh {label}", r'run: must be a list of .* no shell: write \["\./photo\.sh", "\{label\}"\]'),
        ([], "run: must have at least 1 entry"),
        (["true", 3], r"run\[1\]: must be a valid string"),
        (["true", "{lable}"], r"run: '\{lable\}': there is no field '\{lable\}'; there are label, source"),
        (["true", "{"], "run: '{': a brace without a partner"),
        (None, "run: must be"),
    ],
)
def test_impossible_settings_are_refused_with_what_to_write(run: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(CommandOptions, {"run": run})


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("no-such-program-anywhere", "run: there is no program 'no-such-program-anywhere' on the PATH"),
        ("./missing.sh", "run: there is no program '.*/missing.sh'"),
        ("./plain.txt", "run: '.*/plain.txt' is not executable: chmod \\+x"),
        ("./out", "run: there is no program '.*/out'"),
    ],
)
def test_a_program_that_cannot_run_is_found_at_once(script: Script, run: str, message: str) -> None:
    plain = script.folder / "plain.txt"
    plain.write_text("no program")
    plain.chmod(0o644)
    with pytest.raises(ActionError, match=message):
        command(run, cwd=script.folder)


def test_a_folder_that_is_not_there_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="cwd: there is no folder"):
        command("true", cwd=tmp_path / "missing")


def test_a_program_that_vanished_is_an_error_of_this_run(script: Script) -> None:
    action = command(script("true"))
    (script.folder / "script.sh").unlink()
    with pytest.raises(ActionError, match="cannot be started: No such file"):
        fire(action)


def test_a_file_that_is_no_program_is_an_error_of_this_run(script: Script) -> None:
    path = Path(script("true"))
    path.write_bytes(b"\x00\x01\x02")
    with pytest.raises(ActionError, match="cannot be started: Exec format error"):
        fire(command(str(path)))


# --- as whom, and how urgently ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"A-B": "x"}, "env: 'A-B' must be a name of letters, digits and _"),
        ({"": "x"}, "env: '' must be a name"),
        ({"A=B": "x"}, "env: 'A=B' must be a name"),
        ({"LISTENER_LABEL": "x"}, "env: LISTENER_LABEL is set by the program itself"),
        ({"X": "{lable}"}, "env: '{lable}': there is no field"),
        ({"X": 1}, "env.X: must be a valid string"),
    ],
)
def test_impossible_variables_are_refused(env: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(CommandOptions, {"run": ["true"], "env": env})


def test_a_program_that_stands_back(script: Script) -> None:
    nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    # It is made so at once after it has started: it may see that happen.
    wait = f'while [ "$(nice)" != {nice} ]; do sleep 0.01; done; echo done > "$OUT/done"'
    fire(command(script(wait), nice=nice))
    assert script.read("done") == "done\n"


def test_more_urgent_than_the_daemon_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ActionError, match="nice: only root may make a program more urgent than itself"):
        command("true", nice=-20)


def test_priorities_that_a_unit_keeps_from_being_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, who: int, nice: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refuse)
    with pytest.raises(ActionError, match=r"nice: .* open the unit: SystemCallFilter=setpriority"):
        command("true", nice=19)


def test_another_user_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(
        ActionError, match=f"user: only root may run a program as '{own}', and this is '12345'"
    ):
        command("true", user=own)


@pytest.mark.parametrize("user", ["no-such-user", "4000000000", "", "99999999999999999999", "³"])
def test_a_user_that_there_is_not(user: str) -> None:
    with pytest.raises(ActionError, match="user: there is no user"):
        command("true", user=user)


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("has_setpriv", [False, True])
def test_another_user(
    by_number: bool, has_setpriv: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root becomes somebody else; anybody else is himself."""
    caplog.set_level(logging.INFO)
    if not has_setpriv:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    monkeypatch.setenv("HOME", "/somewhere/else")
    user = str(entry.pw_uid) if by_number else entry.pw_name
    text = 'id -u; id -g; id -G; echo "$HOME $USER $LOGNAME"; echo "$1"; cat'
    action = CommandAction("photo", CommandOptions(run=("/bin/sh", "-c", text, "sh", "{label}"), user=user))
    action.open()
    fire(action, replace(ONSET, label="$(id) --reuid=0"))
    uid, gid, groups, home, label, event = (line.removeprefix("photo: ") for line in caplog.messages)
    assert (int(uid), int(gid)) == (entry.pw_uid, entry.pw_gid)
    assert {int(group) for group in groups.split()} == set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    assert home == f"{entry.pw_dir} {entry.pw_name} {entry.pw_name}"
    assert label == "$(id) --reuid=0"
    assert json.loads(event)["label"] == "$(id) --reuid=0"


def test_a_program_of_another_user_is_ended_like_any(tmp_path: Path) -> None:
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    tmp_path.chmod(0o777)
    started = threading.Event()
    action = command("sleep", "1000", user=user)

    def attend_and_tell(*arguments: Any) -> None:
        started.set()
        attend(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("listener.actions.command.action.attend", attend_and_tell)
        run = Background(action)
        assert started.wait(LIMIT_S)
        run.cancel_and_wait()
    assert isinstance(run.error, ActionError)
