"""Processes that send notifications, as seen from the program: see `listener.actions.notify_process`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event as Flag

import listener
from listener.errors import TransientError

END_S = 1.0
"""Seconds that a process has to end by itself."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    title: str
    """One line."""

    body: str
    """Plain text."""

    type: str
    """``info``, ``success``, ``warning`` or ``failure``."""

    attach: tuple[str, ...] = ()
    """Paths of files."""


class Courier:
    """One process. Whoever asks it waits for it; `kill` ends the wait."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: nothing is imported from the folder that the program happens to run in
            [sys.executable, "-P", "-m", "listener.actions.notify_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(listener.__file__).parents[1])},
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C ends the program, and the program this
        )

    def ask(self, urls: Mapping[int, str], message: Message | None) -> Iterator[tuple[int, str]]:
        """Have a message sent, or, without one, the URLs looked at.

        Gives the number of each URL as soon as it is through, and what went wrong, if anything did.

        Raises
        ------
        TransientError
            The process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018 - for mypy
        fields = None if message is None else asdict(message)
        with suppress(BrokenPipeError):  # its silence is told below
            self._process.stdin.write(json.dumps({"urls": urls, "message": fields}) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            reply = json.loads(line)
            if not reply:
                return
            yield int(reply["index"]), reply["problem"]
        raise TransientError("the process that sends has ended")

    def kill(self) -> None:
        """End it now. Never waits; safe from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what nobody has read is lost
                    pipe.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Couriers:
    """The processes of one action: one for each run that is under way; they are kept for the next."""

    def __init__(self) -> None:
        self._idle: list[Courier] = []
        self._busy: dict[Courier, Flag] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one(self, cancelled: Flag) -> Iterator[Courier]:
        """Give a process for a run; one in whose time anything went wrong is not used again."""
        with self._lock:
            courier = self._idle.pop() if self._idle else Courier()
            self._busy[courier] = cancelled
        try:
            yield courier
        except BaseException:
            courier.kill()
            courier.close()
            with self._lock:
                del self._busy[courier]
                self._idle.append(Courier())  # which gets ready meanwhile
            raise
        with self._lock:
            del self._busy[courier]
            self._idle.append(courier)

    def cut(self) -> None:
        """End the processes of the runs that were given up. Never waits."""
        with self._lock:
            for courier, cancelled in self._busy.items():
                if cancelled.is_set():
                    courier.kill()

    def close(self) -> None:
        """End those that wait for work."""
        with self._lock:
            idle, self._idle = self._idle, []
        for courier in idle:
            courier.close()
