"""The program as a user runs it: a process of its own, its output, its exit code."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self

PATIENCE_S = 90.0
"""Longest wait for anything: the machine may be busy."""


def command(*arguments: str | Path) -> list[str]:
    """Form the command line of `listener`."""
    return [sys.executable, "-c", "from listener.cli import main; main()", *map(str, arguments)]


def run(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `listener` to its end."""
    with tempfile.TemporaryDirectory(prefix="state-") as state:
        done = subprocess.run(
            command(*arguments),
            cwd=cwd,
            env={**os.environ, "XDG_STATE_HOME": state},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def events(jsonl: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in jsonl.splitlines()]


def comparable(event: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs between two runs over the same sound."""
    return {key: value for key, value in event.items() if key not in ("id", "started_at", "ended_at")}


class Program:
    """`listener` running beside the test; ended with the ``with`` block, whatever happens.

    Parameters
    ----------
    arguments
        Of the command line.
    cwd
        Where it runs.
    state
        Where it keeps its state: a folder that outlives it, for who starts it again.
    environment
        Variables beside those of the test.
    """

    def __init__(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        state: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._state = tempfile.TemporaryDirectory(prefix="state-")
        state_home = str(state or self._state.name)
        self._process = subprocess.Popen(
            command(*arguments),
            cwd=cwd,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "XDG_STATE_HOME": state_home,
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stdout: queue.Queue[str] = queue.Queue()
        self.stderr: queue.Queue[str] = queue.Queue()
        self.told: list[str] = []
        """All lines of both."""
        self.printed: list[str] = []
        """Those on standard output."""
        self._readers = [
            threading.Thread(target=self._collect, args=(pipe, lines), name="reader", daemon=True)
            for pipe, lines in ((self._process.stdout, self.stdout), (self._process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def wait_for_log(self, text: str) -> str:
        """Wait for a line on standard error that contains ``text``."""
        return self._wait_for(self.stderr, lambda line: text in line, text)

    def wait_for_event(self, label: str, phase: str) -> dict[str, Any]:
        """Wait for an event on standard output (``--json``)."""
        line = self._wait_for(
            self.stdout,
            lambda line: (event := json.loads(line))["label"] == label and event["phase"] == phase,
            f"{phase} of {label}",
        )
        event: dict[str, Any] = json.loads(line)
        return event

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal, as Ctrl-C does."""
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Wait for its end and give its exit code."""
        return self._process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._state.cleanup()

    def _collect(self, pipe: IO[str], lines: queue.Queue[str]) -> None:
        for line in pipe:
            self.told.append(line)
            if lines is self.stdout:
                self.printed.append(line)
            lines.put(line)

    def _wait_for(self, lines: queue.Queue[str], wanted: Callable[[str], bool], what: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                if self._process.poll() is not None and lines.empty():
                    break
                continue
            if wanted(line):
                return line
        raise AssertionError(f"'{what}' never came; the program said:\n{''.join(self.told)}")
