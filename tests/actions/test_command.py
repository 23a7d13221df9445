import json
import logging
import os
import pwd
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from listener.actions.base import ActionContext, Recording
from listener.actions.command.action import ENVIRONMENT, CommandAction, CommandOptions
from listener.actions.command.process import attend
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.config_file import validate
from listener.errors import ActionError, ConfigError
from listener.event_format import event_dict
from listener.types import Event
from tests.actions.fakes import LIMIT_S, OFFSET, ONSET, FakeAction, FakeTap, onset, settings
from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone


def no_audio(start_s: float, end_s: float) -> Recording:
    raise NotImplementedError


def command(*run: str, cwd: Path | None = None, **options: Any) -> CommandAction:
    action = CommandAction("photo", CommandOptions(run=run, cwd=cwd, **options))
    action.open()
    return action


def fire(
    action: CommandAction, event: Event = ONSET, clip: Path | None = None, picture: Path | None = None
) -> None:
    action.run(event, ActionContext(no_audio, clip, picture=picture))


@dataclass
class Script:
    """A shell script; its ``$OUT`` is a folder of the test."""

    folder: Path
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.folder / "out"
        self.out.mkdir()

    def __call__(self, text: str, name: str = "script.sh") -> str:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nOUT='{self.out}'\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def read(self, name: str) -> str:
        return (self.out / name).read_bytes().decode()

    def wait_for(self, name: str) -> str:
        """Wait until the script has written a file (with ``mv``, so that it is whole)."""
        eventually(lambda: (self.out / name).exists())
        return self.read(name)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def eventually(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether a process does anything any more: a zombie that nobody fetched does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@dataclass
class Background:
    """A run in a thread, as the runner would do it."""

    action: CommandAction
    cancelled: threading.Event = field(default_factory=threading.Event)
    error: ActionError | None = None

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="test run")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.action.run(ONSET, ActionContext(no_audio, cancelled=self.cancelled))
        except ActionError as error:
            self.error = error

    def cancel_and_wait(self) -> None:
        self.cancelled.set()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()


# --- what the program gets ------------------------------------------------------------------


def test_the_event_is_in_the_environment_and_on_standard_input(script: Script) -> None:
    action = command(script('env > "$OUT/env"; cat > "$OUT/stdin"'))
    fire(action, OFFSET, Path("/clips/dog.flac"), Path("/pictures/dog.jpg"))
    environment = dict(line.split("=", 1) for line in script.read("env").splitlines() if "=" in line)
    assert {name: environment[name] for name in ENVIRONMENT} == {
        "LISTENER_EVENT_ID": "e1",
        "LISTENER_PHASE": "offset",
        "LISTENER_SOURCE": "mic",
        "LISTENER_LABEL": "dog",
        "LISTENER_SCORE": "0.2",
        "LISTENER_ONSET_S": "12.5",
        "LISTENER_OFFSET_S": "15.0",
        "LISTENER_STARTED_AT": "2026-01-31T06:12:03.250Z",
        "LISTENER_ENDED_AT": "2026-01-31T06:12:05.750Z",
        "LISTENER_PEAK_SCORE": "0.97",
        "LISTENER_CLIP": "/clips/dog.flac",
        "LISTENER_PICTURE": "/pictures/dog.jpg",
    }
    assert environment["PATH"] == os.environ["PATH"]
    assert script.read("stdin").count("\n") == 1
    assert json.loads(script.read("stdin")) == event_dict(OFFSET)


def test_what_is_not_known_is_empty_in_the_environment(script: Script) -> None:
    text = (
        'echo "<$LISTENER_OFFSET_S><$LISTENER_STARTED_AT><$LISTENER_CLIP>${LISTENER_CLIP+set}" > "$OUT/text"'
    )
    fire(command(script(text)), replace(ONSET, started_at=None))
    assert script.read("text") == "<><><>set\n"


def test_arguments_are_filled_in(script: Script) -> None:
    action = command(
        script('printf "%s\\n" "$@" > "$OUT/arguments"'), "{label}", "--at={onset_s} s", "{{x}}", ""
    )
    fire(action)
    assert script.read("arguments").split("\n") == ["dog", "--at=12.5 s", "{x}", "", ""]


HOSTILE = pytest.mark.parametrize(
    "label",
    [
        "$(touch injected)",
        "${HOME}",
        '" ; touch injected ; "',
        "x\r\ntouch injected\r\n",
        "--help",
        "a=b",
        "../../../../etc/passwd",
        "\x1b]0;title\x07",
        "`touch injected`",
        "; touch injected",
        "../x",
        "-rf",
        "a b\tc\nd",
        "{source}",
        "*",
        "🐕",
        "'\"",
    ],
)


@HOSTILE
def test_a_label_is_one_argument_whatever_it_says(script: Script, label: str) -> None:
    program = script('printf "%s|" "$#" "$@" > "$OUT/arguments"')
    fire(command(program, "{label}", "end", cwd=script.folder), replace(ONSET, label=label))
    assert script.read("arguments") == f"2|{label}|end|"
    assert sorted(path.name for path in script.folder.iterdir()) == ["out", "script.sh"]


@HOSTILE
def test_a_label_is_one_variable_whatever_it_says(script: Script, label: str) -> None:
    program = script('printf "%s|" "$LISTENER_LABEL" "$OWN" > "$OUT/variables"; env -0 > "$OUT/env"')
    fire(command(program, cwd=script.folder, env={"OWN": "<{label}>"}), replace(ONSET, label=label))
    assert script.read("variables") == f"{label}|<{label}>|"
    assert (script.out / "env").read_bytes().split(b"\0").count(f"OWN=<{label}>".encode()) == 1
    assert sorted(path.name for path in script.folder.iterdir()) == ["out", "script.sh"]


def test_variables_of_ones_own(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("ROOM", "cellar")
    env = {"ROOM": "nursery", "WHAT": "{label} at {onset_s} s {{x}}", "EMPTY": ""}
    fire(command(script('echo "$TZ|$ROOM|$WHAT|${EMPTY-unset}" > "$OUT/text"'), env=env))
    assert script.read("text") == "Asia/Tokyo|nursery|dog at 12.5 s {x}|\n"


@pytest.mark.parametrize(
    ("run", "env", "clip", "picture"),
    [
        (("true", "{clip}"), {}, True, False),
        (("true", "{picture}"), {}, False, True),
        (("true",), {"X": "{clip} {picture}"}, True, True),
        (("true", "{label}"), {}, False, False),
    ],
)
def test_it_waits_for_the_files_that_it_names(
    run: tuple[str, ...], env: dict[str, str], clip: bool, picture: bool
) -> None:
    action = command(*run, env=env)
    assert (action.wants_clip, action.wants_picture) == (clip, picture)


def test_a_zero_byte_cannot_be_passed_and_is_left_out(script: Script) -> None:
    fire(command(script('printf "%s" "$1" > "$OUT/argument"'), "{label}"), replace(ONSET, label="d\0og"))
    assert script.read("argument") == "dog"


def test_it_runs_where_it_was_told(script: Script) -> None:
    script('pwd > "$OUT/pwd"')
    fire(command("./script.sh", cwd=script.folder))
    assert script.read("pwd").strip() == str(script.folder.resolve())


def test_only_who_names_the_clip_waits_for_it() -> None:
    assert CommandAction("photo", CommandOptions(run=("true", "--file={clip}"))).wants_clip
    assert not CommandAction("photo", CommandOptions(run=("true", "{label}"))).wants_clip


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


# --- how it ends -------------------------------------------------------------------------------


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


# --- from the microphone ----------------------------------------------------------------------------


def test_a_program_answers_the_microphone(
    script: Script, tmp_path: Path, virtual_microphone: VirtualMicrophone
) -> None:
    """A source whose name longs for a shell, a program that vanishes and comes back, and one that fails."""
    name = "$(touch injected) `touch injected`; '\"../🐕"
    program = script(
        'printf "%s\\0" "$@" "$LISTENER_SOURCE" "$WHAT" "$(nice)" > "$OUT/part"; cat >> "$OUT/part"\n'
        'mv "$OUT/part" "$OUT/$LISTENER_PHASE"'
    )
    flaky = script('echo "$LISTENER_PHASE" > "$OUT/half"; mv "$OUT/half" "$OUT/flaky"', "flaky.sh")
    failing = script("echo no film in it >&2; exit 3", "failing.sh")
    loudness_bundle(tmp_path / "loudness.pt")
    settings = {
        "sources": [{"use": "microphone", "name": name}],
        "model": {"path": "loudness.pt"},
        "events": {"only": ["loud"], "default": {"cooldown_s": 0.0}},
        "actions": [
            {
                "use": "command",
                "name": "note",
                "when": "both",
                "run": [program, "{source}", "--at={onset_s}", "-{label}"],
                "env": {"WHAT": "{label} in {source}"},
                "cwd": str(tmp_path),
                "nice": 19,
            },
            {"use": "command", "name": "flaky", "when": "both", "run": [flaky]},
            {"use": "command", "name": "failing", "run": [failing]},
        ],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    with Program("run", "-c", "config.yaml", "--json", cwd=tmp_path) as running:
        running.wait_for_log("listening to ")
        Path(flaky).rename(tmp_path / "away")
        player = virtual_microphone.play_array(_bursts(1))
        first = running.wait_for_event("loud", "onset")
        running.wait_for_log("action 'flaky' failed on loud: run: ")
        onset = script.wait_for("onset")
        (tmp_path / "away").rename(flaky)
        ended = running.wait_for_event("loud", "offset")
        offset = script.wait_for("offset")
        assert script.wait_for("flaky") == "offset\n"
        player.wait(LIMIT_S)
        running.interrupt()
        assert running.wait() == 130
        told = "".join(running.told)
    for text, event in ((onset, first), (offset, ended)):
        *arguments, source, what, _, stdin = text.split("\0")
        assert arguments == [name, f"--at={event['onset_s']}", "-loud"]
        assert (source, what) == (name, f"loud in {name}")
        assert json.loads(stdin) == event
    assert "action 'failing' failed on loud: exit code 3: no film in it" in told
    assert "action 'note': 2 fired" in told
    assert "action 'flaky': 1 fired, 1 failed" in told
    assert not list(tmp_path.rglob("injected"))


def _bursts(times: int) -> NDArray[np.int16]:
    """A second of noise, two of as good as nothing, so many times."""
    noise = np.random.default_rng(1).integers(-16_000, 16_000, 3 * 16_000)
    noise[16_000:] //= 1_000
    return np.tile(noise.astype(np.int16), times)
