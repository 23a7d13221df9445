"""``use: command``: run a program for every event.

No shell is involved: ``run`` is a list of arguments, and an event's text fills them
without being looked at again. The program gets the event as JSON on its standard input
and in its environment (``LISTENER_*``), a process group of its own, and its output goes
to the log.
"""

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import Field, field_validator

from listener.actions import template
from listener.actions.base import Action, ActionContext
from listener.actions.output import OutputLog
from listener.config import Options
from listener.errors import ActionError
from listener.event_format import event_json
from listener.types import Event

KILL_AFTER_S = 2.0
"""Seconds between the polite end of a process group (SIGTERM) and the other (SIGKILL)."""

LOOK_EVERY_S = 0.1
"""How often a silent program is looked after: it may have left its output to a child."""

PIPE_BYTES = 65_536
"""What a pipe holds: all that a program can have written and nobody read when it ends."""

FLOOD_PAUSE_S = 0.001
"""Rest between two reads of output that is thrown away: reading it must not take the interpreter from the
threads that listen, and at 64 KiB a read the program still gets rid of 60 MB/s."""

ENVIRONMENT = {
    "LISTENER_EVENT_ID": "id",
    "LISTENER_PHASE": "phase",
    "LISTENER_SOURCE": "source",
    "LISTENER_LABEL": "label",
    "LISTENER_SCORE": "score",
    "LISTENER_ONSET_S": "onset_s",
    "LISTENER_OFFSET_S": "offset_s",
    "LISTENER_STARTED_AT": "started_at",
    "LISTENER_CLIP": "clip",
}
"""Variables that a program gets, and the field that is in each; empty where it is not known."""


class CommandOptions(Options):
    """Settings of the ``command`` action."""

    run: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments; ``{label}``, ``{source}``, ``{score}``, ``{phase}``, ``{id}``,
    ``{onset_s}``, ``{offset_s}``, ``{started_at}`` and ``{clip}`` are filled in in the arguments."""

    cwd: Path | None = None
    """Folder in which it runs; the daemon's own unless told. A relative program is looked for there."""

    @field_validator("run", mode="before")
    @classmethod
    def _is_no_shell_line(cls, value: object) -> object:
        if isinstance(value, str):
            words = ", ".join(f'"{word}"' for word in value.split())
            raise ValueError(f"must be a list of arguments, as there is no shell: write [{words}]")
        return tuple(value) if isinstance(value, list) else value

    @field_validator("run")
    @classmethod
    def _has_known_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for argument in value[1:]:
            template.fields_of(argument, template.FIELDS)
        return value


class CommandAction(Action):
    """Runs a program."""

    Options = CommandOptions
    options: CommandOptions
    _program: str
    _cwd: Path

    def __init__(self, name: str, options: CommandOptions) -> None:
        super().__init__(name, options)
        arguments = options.run[1:]
        self.wants_clip = any("clip" in template.fields_of(text, template.FIELDS) for text in arguments)

    def open(self) -> None:
        """Find the program.

        Raises
        ------
        ActionError
            It does not exist or may not be executed, or ``cwd`` is no folder.
        """
        self._cwd = Path(self.options.cwd or ".").expanduser().absolute()
        if not self._cwd.is_dir():
            raise ActionError(f"cwd: there is no folder '{self._cwd}'")
        self._program = _find(self.options.run[0], self._cwd)

    def run(self, event: Event, context: ActionContext) -> None:
        """Run the program and wait for it.

        Raises
        ------
        ActionError
            It cannot be started, or ends with anything but exit code 0.
        """
        values = template.field_values(event, context.clip)
        output = OutputLog(self.name)
        with self._started(values, event_json(event)) as process:
            _attend(process, output, context)
        output.close()
        if context.cancelled.is_set():
            raise ActionError("given up")
        if process.returncode:
            raise ActionError(_ending(process.returncode, output.last_line))

    @contextmanager
    def _started(self, values: dict[str, str], stdin: str) -> Iterator["subprocess.Popen[bytes]"]:
        arguments = [self._program, *(template.fill(text, values) for text in self.options.run[1:])]
        environment = os.environ | {variable: values[field] for variable, field in ENVIRONMENT.items()}
        with _readable(stdin.encode() + b"\n") as stdin_file:
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=stdin_file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self._cwd,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise ActionError(f"run: '{self._program}' cannot be started: {error.strerror}") from error
        with process:
            try:
                yield process
            except BaseException:
                _signal_group(process, signal.SIGKILL)  # or `with` would wait for it
                raise


def _find(program: str, cwd: Path) -> str:
    """Give the absolute path of a program, as a shell would find it."""
    if "/" not in program:
        found = shutil.which(program)
        if found is None:
            raise ActionError(f"run: there is no program '{program}' on the PATH")
        return found
    path = cwd / Path(program).expanduser()
    if not path.is_file():
        raise ActionError(f"run: there is no program '{path}'")
    if not os.access(path, os.X_OK):
        raise ActionError(f"run: '{path}' is not executable: chmod +x '{path}'")
    return str(path)


@contextmanager
def _readable(data: bytes) -> Iterator[IO[bytes]]:
    """Give the read end of a pipe that holds ``data`` already.

    Nothing is written once the program runs, so that one which never reads its input, or
    closes it, does no harm.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as readable:
        with os.fdopen(write_end, "wb", buffering=0) as writable:
            os.set_blocking(write_end, False)
            if writable.write(data) != len(data):
                raise ActionError("the event is too long for a program's standard input")
        yield readable


def _attend(process: "subprocess.Popen[bytes]", output: OutputLog, context: ActionContext) -> None:
    """Log what a program writes until it ends; end it when the run is given up."""
    with _Reader(process, output) as reader:
        while process.poll() is None:
            if context.cancelled.is_set():
                _end(process, reader)
            elif reader.at_end:  # it is about to go, or has closed its output
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_S)
            else:
                reader.read(LOOK_EVERY_S)
        # Never until the end of the output: a child in the background may hold it open for ever.
        reader.read(0)


def _end(process: "subprocess.Popen[bytes]", reader: "_Reader") -> None:
    """End a program and the children that stayed in its group."""
    _signal_group(process, signal.SIGTERM)
    kill_at = time.monotonic() + KILL_AFTER_S
    while time.monotonic() < kill_at and _group_lives(process):
        if reader.at_end:
            time.sleep(LOOK_EVERY_S)  # nothing tells when a group is gone
        else:
            reader.read(LOOK_EVERY_S)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # takes the leader out of the group once it has ended
    return _signal_group(process, 0)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Send a signal to a program's group; tell whether anybody was there."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def _ending(returncode: int, last_line: str) -> str:
    if returncode < 0:
        told = f"ended by signal {-returncode} ({signal.strsignal(-returncode)})"
    else:
        told = f"exit code {returncode}"
    return f"{told}: {last_line}" if last_line else told


class _Reader:
    """Reads what a program writes, without ever being held up by it."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: OutputLog) -> None:
        assert process.stdout is not None  # it was asked for
        self.at_end = False
        self._file = process.stdout.fileno()
        self._output = output
        os.set_blocking(self._file, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._file, selectors.EVENT_READ)

    def read(self, timeout_s: float) -> None:
        """Take what is there, or what comes first within ``timeout_s`` seconds."""
        if not self._selector.select(timeout_s):
            return
        data = os.read(self._file, PIPE_BYTES)
        self.at_end = not data
        self._output.feed(data)
        if self._output.is_full:
            time.sleep(FLOOD_PAUSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
