"""Where this program is installed, and whether a hardened service can see it there."""

import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import listener
from listener.errors import ServiceError
from listener.resources import default_config

HIDDEN = {"ProtectHome=yes": ("/home", "/root", "/run/user"), "PrivateTmp=yes": ("/tmp", "/var/tmp")}
"""What lines of the system's unit hide from it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a unit starts."""

    program: Path
    """The ``listener`` program, an absolute path."""

    needed: tuple[Path, ...]
    """Files and folders without which it does not run."""

    @classmethod
    def current(cls) -> Self:
        """Find the installation that is running.

        Raises
        ------
        ServiceError
            It has no ``listener`` program that a unit could start.
        """
        for candidate in (
            Path(sys.argv[0]),
            Path(sys.executable).with_name("listener"),
            Path(sysconfig.get_path("scripts")) / "listener",
        ):
            if candidate.name == "listener" and candidate.is_file() and os.access(candidate, os.X_OK):
                needed = (
                    Path(sys.prefix),
                    Path(sys.base_prefix),
                    Path(listener.__file__).parent,
                    default_config(),
                )
                # Not resolved: a link such as /usr/local/bin/listener outlives what it leads to.
                return cls(Path(os.path.abspath(candidate)), needed)  # noqa: PTH100
        raise ServiceError(
            "this installation has no 'listener' program that a unit could start: install it with pip"
        )

    def out_of_sight(self, config: Path) -> str | None:
        """Say what the system's unit could not see or read, and what to do; None: all is well.

        Parameters
        ----------
        config
            The configuration, which need not be there yet.
        """
        for path in (self.program, *self.needed, config):
            for place in dict.fromkeys((path, path.resolve())):
                problem = _hidden(place) or _closed(place)
                if problem is not None:
                    return problem + (_OTHER_CONFIG if path is config else _OTHER_PROGRAM)
        return None


_OTHER_PROGRAM = (
    ": install the program elsewhere (python3 -m venv /opt/listener; /opt/listener/bin/pip install ...), "
    "or use --user"
)
_OTHER_CONFIG = ": name another with -c, or use --user"


def _hidden(place: Path) -> str | None:
    for line, folders in HIDDEN.items():
        for folder in folders:
            if place.is_relative_to(folder) or place.is_relative_to(Path(folder).resolve()):
                return f"{place} is out of the system unit's sight ({line})"
    return None


def _closed(place: Path) -> str | None:
    for path, bit in _to_be_passed(place):
        try:
            mode = path.stat().st_mode
        except OSError:
            return None  # not there yet
        if not mode & bit:
            return f"{path} is closed to the service's own user (mode {stat.S_IMODE(mode):04o})"
    return None


def _to_be_passed(place: Path) -> Iterator[tuple[Path, int]]:
    """Give the folders above a place, and itself, with the permission that each has to give to all."""
    for folder in reversed(place.parents):
        yield folder, stat.S_IXOTH
    yield place, stat.S_IXOTH if place.is_dir() else stat.S_IROTH
