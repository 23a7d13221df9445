"""Where the daemon keeps what it has to know after its next start."""

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Give the folder of the program's state; it may not exist yet.

    ``$STATE_DIRECTORY`` (systemd's, the first where there are several), else ``$XDG_STATE_HOME/listener``,
    else ``~/.local/state/listener``; None where the user has no home. A relative path is no answer: what
    it means depends on where the program is started.
    """
    given = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if Path(given).is_absolute():
        return Path(given)
    base = environment.get("XDG_STATE_HOME", "")
    if not Path(base).is_absolute():
        home = environment.get("HOME", "")
        if not Path(home).is_absolute():
            return None
        base = f"{home}/.local/state"
    return Path(base, "listener")
