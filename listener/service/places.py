"""Where a service's unit, configuration and secrets lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

UNIT_NAME = "listener.service"


class Scope(StrEnum):
    """Whose service it is."""

    SYSTEM = "system"
    """The whole machine's: it runs from boot on, hardened, as a user of its own."""

    USER = "user"
    """One user's: it sees the home folder and the session's sound server."""


@dataclass(frozen=True, slots=True)
class Places:
    """The files of a service."""

    unit: Path
    """The unit that is installed."""

    config: Path
    """The configuration that it reads."""

    secrets: Path | None = None
    """Folder whose files are handed to the service as credentials; None: the service reads its own."""

    @classmethod
    def of(cls, scope: Scope, environment: Mapping[str, str] = os.environ) -> Self:
        """Give the places that systemd and the documentation have for a scope."""
        if scope is Scope.SYSTEM:
            etc = Path("/etc")
            return cls(
                etc / "systemd/system" / UNIT_NAME, etc / "listener/config.yaml", etc / "listener/secrets"
            )
        folder = Path(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))  # noqa: PTH111
        return cls(folder / "systemd/user" / UNIT_NAME, folder / "listener/config.yaml")

    @property
    def drop_ins(self) -> Path:
        """Folder of the changes that a user made to the unit; never touched."""
        return self.unit.with_name(f"{self.unit.name}.d")
