"""The text of the unit, and whether an installed one is still as it was written.

The first line of a written unit holds a checksum of the others. So a unit that somebody changed by
hand, or wrote themselves, is known from one that may be replaced.
"""

import hashlib
import re
from enum import Enum, auto
from pathlib import Path

from listener.errors import ServiceError
from listener.resources import systemd_units
from listener.service.places import Scope

TEMPLATES = {Scope.SYSTEM: "listener.service", Scope.USER: "listener-user.service"}
"""Names of the shipped units."""

_MARK = "# Written by `listener service install`; sha256 of what follows: "
_PLAIN = re.compile(r"[\w./@:+,=-]+", re.ASCII)


class Origin(Enum):
    """Who wrote the unit that is there."""

    ABSENT = auto()
    """There is none."""

    WRITTEN = auto()
    """`listener service install`, and nobody changed it."""

    CHANGED = auto()
    """`listener service install`, and then somebody changed it."""

    FOREIGN = auto()
    """Somebody else."""


def render(scope: Scope, program: Path, config: Path) -> str:
    """Form the unit of an installation.

    Parameters
    ----------
    scope
        Whose service it is.
    program
        The ``listener`` program, an absolute path.
    config
        The configuration, an absolute path.

    Raises
    ------
    ServiceError
        systemd starts no program with such a path.
    """
    if not str(program).isprintable() or any(letter in "\"'\\" for letter in str(program)):
        raise ServiceError(f"{str(program)!r}: systemd starts no program in a folder with such a name")
    template = (systemd_units() / TEMPLATES[scope]).read_text(encoding="utf-8")
    # In the first word there are no variables, so a dollar there is one as it stands.
    start = f"ExecStart={_word(program)} run -c {_word(config).replace('$', '$$')} --no-console"
    text = re.sub(r"^ExecStart=.*$", lambda _: start, template, flags=re.MULTILINE)
    return f"{_MARK}{_checksum(text)}\n{text}"


def origin(path: Path) -> Origin:
    """Tell who wrote a unit.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Origin.ABSENT
    first, _, rest = text.partition("\n")
    if not first.startswith(_MARK):
        return Origin.FOREIGN
    return Origin.WRITTEN if first.removeprefix(_MARK) == _checksum(rest) else Origin.CHANGED


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _word(path: Path) -> str:
    """Write a path as one word of a command line in a unit."""
    text = str(path).replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return text
    escaped = "".join(f"\\{letter}" if letter in '\\"' else letter for letter in text)
    return f'"{escaped}"'
