"""The log of the real program: nothing secret in it, and in the journal what systemd shall know."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile

from tests.bundles import loudness_bundle
from tests.logs.journald import Journald
from tests.program import PATIENCE_S

RATE = 16_000
TIME = re.compile(r"\d\d:\d\d")

SECRETS = {"HOOK_KEY": "k3y-4f2a\"9'9\\c", "HOOK_TOKEN": "t0ken/77+c0e1=="}
IN_A_FILE = "p4ss word\nof two lines"
PARTS = ("4f2a", "t0ken", "c0e1", "p4ss", "two lines")
"""What must not be found in any spelling."""

MAIN = """
import sys
from pathlib import Path
from listener.logs import journal
journal.SOCKET = Path(sys.argv.pop(1))
from listener.cli import main
main()
"""

PROGRAMS = {
    "hook.sh": r"""#!/bin/sh
printf '%s\n' "sending $*"
printf 'curl: (22) refused: %s\n' "$2" >&2
exit 22
""",
    "long.sh": r"""#!/bin/sh
for n in 5 6 7 8; do printf "%98${n}s%s\n" '' "$2"; done
""",
    "hook.py": """
import sys, json
print(json.dumps(sys.argv))
print(sys.argv)
raise ValueError(sys.argv)
""",
}
"""They tell all their arguments, the second one also where a line of 1000 bytes ends within it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Programs, a model and a recording with ten loud sounds."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "password.txt").write_text(IN_A_FILE + "\n")
    loudness_bundle(tmp_path / "loudness.pt")
    samples = np.random.default_rng(1).uniform(-1e-3, 1e-3, 30 * RATE)
    for second in range(1, 30, 3):
        samples[second * RATE : (second + 1) * RATE] *= 500
    soundfile.write(tmp_path / "recording.wav", samples, RATE)
    return tmp_path


def configured(folder: Path, *actions: str) -> Path:
    path = folder / "config.yaml"
    lines = "".join(f"  - {action}\n" for action in actions)
    path.write_text(
        f"model: {{path: {folder}/loudness.pt}}\n"
        "events: {only: [loud], default: {cooldown_s: 0}}\n"
        f"sources: [{{use: file, name: yard, path: {folder}/recording.wav, speed: max}}]\n"
        f"actions:\n{lines}"
    )
    return path


def failing(folder: Path) -> Path:
    arguments = '"https://hooks/${HOOK_KEY}", "Bearer ${HOOK_TOKEN}", !file password.txt, "{label}"'
    return configured(
        folder,
        "{use: log}",
        f"{{name: shell, use: command, run: [./hook.sh, {arguments}]}}",
        f"{{name: long, use: command, run: [./long.sh, {arguments}]}}",
        f"{{name: python, use: command, run: [{sys.executable}, hook.py, {arguments}]}}",
    )


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with Journald(tmp_path / "socket") as journald:
        yield journald


def run(folder: Path, *arguments: str | Path, journal: bool = False) -> str:
    """Run the program in a folder, and give all that it wrote."""
    with (folder / "stderr").open("w+") as stderr:
        stat = os.fstat(stderr.fileno())
        environment = {**os.environ, **SECRETS, "HOME": str(folder)}
        environment["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino + (not journal)}"
        command = [sys.executable, "-c", MAIN, folder / "socket", *arguments]
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        stderr.seek(0)
        return done.stdout + stderr.read()


class Reader:
    """Reads entries while the program runs: only so many fit into the socket."""

    def __init__(self, journald: Journald) -> None:
        self.entries: list[dict[str, str]] = []
        self._journald = journald
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._ended.is_set():
            self._journald.wait(0.05)
            self.entries += self._journald.entries()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self.entries += self._journald.entries()


def assert_nothing_secret(told: str) -> None:
    found = [line for line in told.splitlines() if any(part in line for part in PARTS)]
    assert not found


def test_no_secret_on_a_terminal(folder: Path) -> None:
    told = run(folder, "run", "-v", "-c", failing(folder), "--no-console")
    assert "action 'shell' failed on loud: exit code 22: curl: (22) refused: Bearer •••" in told
    assert "shell: sending https://hooks/••• Bearer ••• •••" in told
    assert "action 'python' failed on loud: exit code 1: ValueError: ['hook.py', 'https://hooks/•••'" in told
    assert "Bearer ••• ..." in told
    assert_nothing_secret(told)


def test_no_secret_in_the_journal_and_every_field_of_an_event(folder: Path, journald: Journald) -> None:
    config = failing(folder)
    with Reader(journald) as reader:
        assert run(folder, "run", "-v", "-c", config, "--no-console", journal=True) == ""
    assert_nothing_secret("\n".join(text for entry in reader.entries for text in entry.values()))
    assert any("refused: Bearer •••" in entry["MESSAGE"] for entry in reader.entries)
    assert {entry["SYSLOG_IDENTIFIER"] for entry in reader.entries} == {"listener"}
    assert not any(TIME.match(entry["MESSAGE"]) for entry in reader.entries), "journald has a clock"
    events = [entry for entry in reader.entries if "LISTENER_EVENT_ID" in entry]
    # The kernel keeps ten datagrams for a reader; a busy machine may need more. Then that is said.
    missing = [
        re.match(r"\d+(?= lines of the log are missing)", entry["MESSAGE"]) for entry in reader.entries
    ]
    assert len(events) + sum(int(count[0]) for count in missing if count) >= 10, "no event is a repeat"
    assert events
    for event in events:
        assert event["PRIORITY"] == "6"
        assert (event["LISTENER_LABEL"], event["LISTENER_SOURCE"]) == ("loud", "yard")
        assert (event["LISTENER_PHASE"], event["LISTENER_MODEL"]) == ("onset", "loudness/1.0.0")
        assert float(event["LISTENER_SCORE"]) == 1.0
        assert event["LISTENER_LOGGER"] == "listener.actions.log"


def test_repeats_are_summed_up_at_the_end(folder: Path) -> None:
    told = run(folder, "run", "-c", failing(folder), "--no-console")
    refused = [line for line in told.splitlines() if "action 'shell' failed" in line]
    held_back = [int(times) for line in refused for times in re.findall(r"said (\d+) times more", line)]
    assert held_back
    assert len(refused) - len(held_back) + sum(held_back) == 10


@pytest.mark.parametrize(
    "actions",
    [
        ['use: log, when: "${HOOK_TOKEN}"', 'use: log, min_score: "${HOOK_KEY}"'],
        [
            'use: command, run: ["true", "{${HOOK_KEY}"]',
            'use: command, run: ["true", "{x} ${HOOK_TOKEN}"]',
            'use: command, run: "curl ${HOOK_TOKEN}"',
            'use: "${HOOK_KEY}"',
            'use: log, level: "x${HOOK_KEY}"',
            'use: log, labels: ["${HOOK_TOKEN}"]',
        ],
        [
            'use: command, run: ["${HOOK_TOKEN}"]',
            'use: command, run: ["true"], cwd: "${HOOK_TOKEN}"',
            'use: command, run: ["true"], cwd: !file password.txt',
        ],
    ],
)
def test_no_secret_in_what_the_command_line_says_is_wrong(folder: Path, actions: list[str]) -> None:
    numbered = [f"{{name: a{number}, {action}}}" for number, action in enumerate(actions)]
    told = run(folder, "check", "-c", configured(folder, *numbered))
    assert sum(line.startswith("listener: ") for line in told.splitlines()) >= len(actions)
    assert_nothing_secret(told)


def test_what_is_wrong_is_an_error_in_the_journal(folder: Path, journald: Journald) -> None:
    assert run(folder, "run", "-c", "missing.yaml", journal=True) == ""
    told = journald.entry()
    assert (told["MESSAGE"], told["PRIORITY"]) == ("missing.yaml: no such configuration file", "3")


def test_without_journald_the_levels_are_there(folder: Path) -> None:
    lines = run(
        folder, "run", "-c", configured(folder, "{use: log}"), "--no-console", journal=True
    ).splitlines()
    assert lines
    assert all(line.startswith("<6>") for line in lines)
    assert not any(TIME.match(line[3:]) for line in lines)


BEGIN = """
import logging, sys, threading
from listener import logs
from listener.cli import _leave
logs.setup()
logs.hide(["s3cret-4f2a"])
log = logging.getLogger("listener.test")
log.setLevel(logging.INFO)
"""

LOST_THREAD = """
def fail(): raise ValueError('s3cret-4f2a')
thread = threading.Thread(target=fail, name='capture:mic')
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('s3cret-4f2a')", ["CRITICAL: a defect", "Traceback", "ValueError: •••"]),
        (LOST_THREAD, ["CRITICAL: the thread capture:mic has ended", "Traceback", "ValueError: •••"]),
        ("log.info('%d', 's3cret-4f2a')", ["INFO: %d (the values of this line cannot be told)"]),
        ("log.info('told', stack_info=True, extra=logs.fields(x='s3cret-4f2a'))", ["told\nStack"]),
        ("for n in range(8): log.error('told')", ["told (said 3 times more in "]),
        ("for n in range(8): log.error('told')\n_leave(1)", ["told (said 3 times more in "]),
        (
            "for n in range(8): log.error('told')\nlogs.close()\nlog.error('told')",
            ["told (said 3 times more in ", "told\n"],
        ),
    ],
)
def test_whatever_ends_the_program(code: str, words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    position = 0
    for word in words:
        position = done.stderr.index(word, position) + len(word)
    assert "4f2a" not in done.stderr + done.stdout
