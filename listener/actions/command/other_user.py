"""Another user, as whom root may run a program.

Python itself would have to fork for it, which copies the tables of all the memory that a loaded model takes
(17 ms for 300 MB, on a machine with two cores), and lets every thread that listens pay for it afterwards,
page by page. ``setpriv`` (util-linux) is started without that, and becomes the user by itself.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from listener.errors import ActionError


@dataclass(frozen=True, slots=True)
class RunAs:
    """As whom a program is run."""

    prefix: tuple[str, ...] = ()
    """What stands before the program and its arguments."""

    popen: Mapping[str, Any] = field(default_factory=dict)
    """What `subprocess.Popen` takes for it where there is no such prefix."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that say who one is."""


def run_as(user: str | None) -> RunAs:
    """Look a user up, by name or number; None: who we are.

    Raises
    ------
    ActionError
        There is no such user, or we may not become it.
    """
    if user is None:
        return RunAs()
    entry = _entry(user)
    environment = {
        "HOME": entry.pw_dir,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "SHELL": entry.pw_shell or "/bin/sh",
    }
    if entry.pw_uid == os.geteuid():
        return RunAs(environment=environment)
    if os.geteuid() != 0:
        raise ActionError(
            f"user: only root may run a program as '{entry.pw_name}', and this is '{_own_name()}': "
            "leave it out, or run the service as that user"
        )
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        popen = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
        return RunAs(popen=popen, environment=environment)
    prefix = (setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", "--")
    return RunAs(prefix, environment=environment)


def _entry(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError, ValueError):
        raise ActionError(f"user: there is no user '{user}' on this machine") from None


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
