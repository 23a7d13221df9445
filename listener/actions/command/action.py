"""``use: command``: run a program for every event.

No shell is involved: ``run`` is a list of arguments, and an event's text fills them
without being looked at again. The program gets the event as JSON on its standard input
and in its environment (``LISTENER_*``), a process group of its own, and its output goes
to the log. It may run as another user, and less urgently than the program that listens.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated

from pydantic import Field, field_validator

from listener.actions import template
from listener.actions.base import Action, ActionContext
from listener.actions.command.other_user import RunAs, run_as
from listener.actions.command.output import OutputLog
from listener.actions.command.process import attend, signal_group
from listener.config import Options
from listener.errors import ActionError, printable
from listener.event_format import event_json, utc_text
from listener.types import Event

FIELDS = (*template.FIELDS, "ended_at", "peak_score", "picture")
"""What an argument, or a variable of ``env``, may contain."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of environment variables that a shell can read."""

ENVIRONMENT = {
    "LISTENER_EVENT_ID": "id",
    "LISTENER_PHASE": "phase",
    "LISTENER_SOURCE": "source",
    "LISTENER_LABEL": "label",
    "LISTENER_SCORE": "score",
    "LISTENER_ONSET_S": "onset_s",
    "LISTENER_OFFSET_S": "offset_s",
    "LISTENER_STARTED_AT": "started_at",
    "LISTENER_ENDED_AT": "ended_at",
    "LISTENER_PEAK_SCORE": "peak_score",
    "LISTENER_CLIP": "clip",
    "LISTENER_PICTURE": "picture",
}
"""Variables that a program gets, and the field that is in each; empty where it is not known."""


class CommandOptions(Options):
    """Settings of the ``command`` action."""

    run: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments; ``{label}``, ``{source}``, ``{score}``, ``{phase}``, ``{id}``,
    ``{onset_s}``, ``{offset_s}``, ``{started_at}``, ``{ended_at}``, ``{peak_score}``, ``{clip}`` and
    ``{picture}`` are filled in in the arguments."""

    cwd: Path | None = None
    """Folder in which it runs; the daemon's own unless told. A relative program is looked for there."""

    env: Mapping[str, str] = {}
    """Variables that it gets beside the daemon's own; filled in as the arguments are."""

    user: str | None = None
    """As whom it runs, by name or number, with all groups of that user; for a daemon that is root."""

    nice: Annotated[int, Field(ge=-20, le=19)] | None = None
    """How much it stands back for others: 0 is usual, 19 the most; the daemon's own unless told."""

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
            template.fields_of(argument, FIELDS)
        return value

    @field_validator("env")
    @classmethod
    def _are_variables(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not VARIABLE.fullmatch(name):
                raise ValueError(f"'{printable(name)}' must be a name of letters, digits and _")
            if name in ENVIRONMENT:
                raise ValueError(f"{name} is set by the program itself; choose another name")
            template.fields_of(text, FIELDS)
        return value


class CommandAction(Action):
    """Runs a program."""

    Options = CommandOptions
    options: CommandOptions
    _program: str
    _cwd: Path
    _run_as: RunAs

    def __init__(self, name: str, options: CommandOptions) -> None:
        super().__init__(name, options)
        texts = (*options.run[1:], *options.env.values())
        fields = {field for text in texts for field in template.fields_of(text, FIELDS)}
        self.wants_clip = "clip" in fields
        self.wants_picture = "picture" in fields

    def open(self) -> None:
        """Find the program.

        Raises
        ------
        ActionError
            It does not exist or may not be executed, ``cwd`` is no folder, or ``user`` or ``nice`` ask for
            more than the daemon may do.
        """
        self._cwd = Path(self.options.cwd or ".").expanduser().absolute()
        if not self._cwd.is_dir():
            raise ActionError(f"cwd: there is no folder '{self._cwd}'")
        self._program = _find(self.options.run[0], self._cwd)
        self._run_as = run_as(self.options.user)
        if self.options.nice is not None:
            _check_nice(self.options.nice)

    def run(self, event: Event, context: ActionContext) -> None:
        """Run the program and wait for it.

        Raises
        ------
        ActionError
            It cannot be started, or ends with anything but exit code 0.
        """
        values = _values(event, context)
        output = OutputLog(self.name)
        with self._started(values, event_json(event)) as process:
            attend(process, output, context)
        output.close()
        if context.cancelled.is_set():
            raise ActionError("given up")
        if process.returncode:
            raise ActionError(_ending(process.returncode, output.last_line))

    @contextmanager
    def _started(self, values: dict[str, str], stdin: str) -> Iterator["subprocess.Popen[bytes]"]:
        filled = (template.fill(text, values) for text in self.options.run[1:])
        with _readable(stdin.encode() + b"\n") as stdin_file:
            try:
                process = subprocess.Popen(
                    [*self._run_as.prefix, self._program, *filled],
                    stdin=stdin_file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self._cwd,
                    env=self._environment(values),
                    start_new_session=True,
                    **self._run_as.popen,
                )
            except OSError as error:
                raise ActionError(f"run: '{self._program}' cannot be started: {error.strerror}") from error
        with process:
            try:
                self._make_nice(process)
                yield process
            except BaseException:
                signal_group(process, signal.SIGKILL)  # or `with` would wait for it
                raise

    def _environment(self, values: Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            **self._run_as.environment,
            **{variable: values[field] for variable, field in ENVIRONMENT.items()},
            **{variable: template.fill(text, values) for variable, text in self.options.env.items()},
        }

    def _make_nice(self, process: "subprocess.Popen[bytes]") -> None:
        # From outside, as what runs between fork and exec could deadlock in a program with threads.
        if self.options.nice is not None:
            with suppress(ProcessLookupError, PermissionError):  # it is done already, or is somebody else
                os.setpriority(os.PRIO_PGRP, process.pid, self.options.nice)


def _values(event: Event, context: ActionContext) -> dict[str, str]:
    return {
        **template.field_values(event, context.clip),
        "ended_at": utc_text(event.ended_at) or "",
        "peak_score": str(round(event.peak_score, 4)),
        "picture": "" if context.picture is None else str(context.picture),
    }


def _check_nice(nice: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if os.geteuid() != 0 and nice < own:
        raise ActionError(f"nice: only root may make a program more urgent than itself: {own} or more")
    try:
        os.setpriority(os.PRIO_PROCESS, 0, own)
    except PermissionError:  # as in the unit of the service, whose filter leaves out @resources
        raise ActionError(
            "nice: this process may not change priorities; leave it out, or open the unit: "
            "SystemCallFilter=setpriority"
        ) from None


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


def _ending(returncode: int, last_line: str) -> str:
    if returncode < 0:
        told = f"ended by signal {-returncode} ({signal.strsignal(-returncode)})"
    else:
        told = f"exit code {returncode}"
    return f"{told}: {last_line}" if last_line else told
