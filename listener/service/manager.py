"""Talking to systemd, through the ``systemctl`` and ``journalctl`` that are on ``PATH``."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from listener.errors import ServiceError
from listener.service.places import UNIT_NAME, Scope

PATIENCE_S = 300.0
"""Longest wait for systemd: a start may take the unit's TimeoutStartSec, after a stop of TimeoutStopSec."""

_ALIVE = frozenset({"initializing", "starting", "running", "degraded", "maintenance", "stopping"})
"""What ``systemctl is-system-running`` says where systemd runs, whatever it thinks of the machine."""

_WHY_LINES = 20
_OF_PROGRAM = re.compile(r"\S+ \S+ (?P<program>[^\[\s]+)(?:\[\d+\])?: (?P<message>.*)")
_INSTEAD = "let what starts services here run `listener run -c CONFIG`"


class ServiceManager:
    """The service manager of the machine, or of the user.

    Parameters
    ----------
    scope
        Which one.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._user = ("--user",) if scope is Scope.USER else ()
        # `journalctl --user` would look only where the journal is kept on disk.
        self._unit_of_log = f"--user-unit={UNIT_NAME}" if scope is Scope.USER else f"--unit={UNIT_NAME}"

    def problem(self) -> str | None:
        """Say why it cannot be talked to, and what to do; None: it can."""
        if shutil.which("systemctl") is None:
            return f"there is no systemd here (no systemctl on PATH): {_INSTEAD}"
        if self._run("systemctl", "is-system-running").stdout.strip() in _ALIVE:
            return None
        if self.scope is Scope.SYSTEM:
            return f"this system was not started by systemd: {_INSTEAD}"
        return (
            "no systemd session of this user can be reached: log in as the user (not with su or sudo), "
            "or type: loginctl enable-linger"
        )

    def call(self, *arguments: str) -> None:
        """Have ``systemctl`` do something.

        Raises
        ------
        ServiceError
            It refuses, or takes longer than `PATIENCE_S`.
        """
        done = self._run("systemctl", *arguments)
        if done.returncode:
            told = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise ServiceError(f"{self.line(*arguments)}: {told}")

    def line(self, *arguments: str) -> str:
        """Form the line that a user would type for `call`."""
        return " ".join(("systemctl", *self._user, *arguments))

    def properties(self, names: Sequence[str]) -> dict[str, str]:
        """Read properties of the unit; those that are not known are left out."""
        done = self._run("systemctl", "show", UNIT_NAME, f"--property={','.join(names)}")
        pairs = (line.partition("=") for line in done.stdout.splitlines())
        return {name: value for name, equals, value in pairs if equals}

    def log_line(self) -> str:
        """Form the line that shows a user the unit's log."""
        return f"journalctl {self._unit_of_log}"

    def log(self, n_lines: int) -> list[str]:
        """Read the last lines of the unit's log; none where there is no journal, or no right to read it."""
        if shutil.which("journalctl") is None:
            return []
        arguments = (self._unit_of_log, "-n", str(n_lines), "-o", "short-iso", "--quiet")
        return self._run("journalctl", *arguments, own=False).stdout.splitlines()

    def why(self) -> str | None:
        """Give the last thing that the program itself said; None where that is not known."""
        said = (_OF_PROGRAM.match(line) for line in reversed(self.log(_WHY_LINES)))
        return next((line["message"] for line in said if line and line["program"] != "systemd"), None)

    def lingers(self) -> bool:
        """Whether the user's services run while the user is not logged in."""
        if shutil.which("loginctl") is None:
            return False
        done = self._run("loginctl", "show-user", str(os.getuid()), "--property=Linger", own=False)
        return done.stdout.strip() == "Linger=yes"

    def _run(self, program: str, *arguments: str, own: bool = True) -> subprocess.CompletedProcess[str]:
        command = [program, *(self._user if own else ()), "--no-pager", *arguments]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE_S,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"{' '.join(command)}: no answer within {PATIENCE_S:.0f} s") from None
        except OSError as error:
            raise ServiceError(f"{program} cannot be run: {error.strerror or error}") from error
