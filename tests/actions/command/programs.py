"""Shell scripts that a command runs, and how it is run."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.actions.base import ActionContext
from listener.actions.command.action import CommandAction, CommandOptions
from listener.errors import ActionError
from listener.types import Event
from tests.actions.fakes import LIMIT_S, ONSET, eventually, no_audio


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
