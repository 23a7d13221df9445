"""What a program gets: environment, standard input, arguments, folder."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from listener.actions.command.action import ENVIRONMENT, CommandAction, CommandOptions
from listener.event_format import event_dict
from tests.actions.command.programs import Script, command, fire
from tests.actions.fakes import OFFSET, ONSET


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
