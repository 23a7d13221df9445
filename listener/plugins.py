"""Sources, classifiers and actions are found through entry points, built-in ones like any other.

A plug-in that cannot be imported gets a status line; the rest goes on without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from listener.errors import PluginError

Kind = Literal["sources", "classifiers", "actions"]
KINDS: tuple[Kind, ...] = ("sources", "classifiers", "actions")

HIDDEN = frozenset({"faulty"})
"""What can be used, but is offered to nobody: see docs/reliability.md."""


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One line of ``listener plugins``."""

    kind: Kind
    """What it extends."""

    name: str
    """What stands behind ``use:`` in the configuration."""

    origin: str
    """Distribution and version that brings it."""

    problem: str | None
    """Why it cannot be used; None if it can."""


def load(kind: Kind, name: str) -> Any:
    """Import the plug-in called ``name``.

    Raises
    ------
    PluginError
        There is none of that name, or it cannot be imported.
    """
    found = {point.name: point for point in _points(kind)}
    if name not in found:
        offered = sorted(found.keys() - HIDDEN)
        near = get_close_matches(name, offered, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(offered)}"
        raise PluginError(f"no {kind.removesuffix('s')} is called '{name}': {hint}")
    return _import(found[name])


def statuses() -> Iterator[PluginStatus]:
    """Try every plug-in and say how it stands."""
    for kind in KINDS:
        offered = [point for point in _points(kind) if point.name not in HIDDEN]
        for point in sorted(offered, key=lambda point: point.name):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
            problem = None
            try:
                _import(point)
            except PluginError as error:
                problem = str(error)
            yield PluginStatus(kind, point.name, origin, problem)


def _points(kind: Kind) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"listener.{kind}"))


def _import(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # a stranger's module may raise anything at import
        raise PluginError(
            f"{point.group.removeprefix('listener.')} plug-in '{point.name}' ({point.value}) "
            f"cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
