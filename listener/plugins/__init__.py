"""Sources, classifiers and actions: found through entry points, built-in ones like any other, or in a file.

A plug-in that cannot be imported gets a status line; the rest goes on without it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from listener.errors import BrokenPluginError, PluginError, one_line, printable
from listener.plugins import python_file

Kind = Literal["sources", "classifiers", "actions"]
KINDS: tuple[Kind, ...] = ("sources", "classifiers", "actions")

HIDDEN = frozenset({"faulty"})
"""What can be used, but is offered to nobody: see docs/reliability.md."""

OWN = "listener"
"""The distribution whose plug-ins nobody can put others in place of."""

Check = Callable[[Kind, Any], object]
"""Raises a `PluginError` where something that was imported is no plug-in of its kind."""


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One line of ``listener plugins``."""

    kind: Kind
    """What it extends."""

    name: str
    """What stands behind ``use:`` in the configuration."""

    origin: str
    """Distribution and version that brings it, or the file that it is in."""

    problem: str | None
    """Why it cannot be used; None if it can."""


def load(kind: Kind, use: str, folder: Path | None = None) -> Any:
    """Import the plug-in that a ``use:`` means: one that is installed, or ``python:FILE:NAME``.

    Parameters
    ----------
    kind
        What it extends.
    use
        As it stands in the configuration.
    folder
        That of the configuration, from which a relative FILE counts; the working folder unless told.

    Raises
    ------
    PluginError
        There is none of that name.
    BrokenPluginError
        It cannot be imported.
    """
    if python_file.is_reference(use):
        return python_file.load(use, folder)
    found = {point.name: point for point in _in_use(_points(kind))}
    if use not in found:
        offered = sorted(found.keys() - HIDDEN)
        near = get_close_matches(use, offered, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(offered)}"
        raise PluginError(f"no {kind.removesuffix('s')} is called '{use}': {hint}")
    return _import(found[use])


def statuses(
    files: Iterable[tuple[Kind, str]] = (),
    folder: Path | None = None,
    check: Check = lambda kind, plugin: None,
) -> Iterator[PluginStatus]:
    """Try every plug-in and say how it stands.

    Parameters
    ----------
    files
        Kind and ``use: python:...`` of those in files.
    folder
        As in `load`.
    check
        Looks at what was imported.
    """
    in_files = list(dict.fromkeys(files))
    for kind in KINDS:
        points = [point for point in _points(kind) if point.name not in HIDDEN]
        in_use = _in_use(points)
        for point in sorted(points, key=lambda point: point.name):
            if any(point is used for used in in_use):
                problem = _problem(kind, partial(_import, point), check)
            else:
                problem = f"not used: {_origin(_namesake(point, in_use))} brings one of that name"
            yield PluginStatus(kind, point.name, _origin(point), problem)
        for use in (use for its_kind, use in in_files if its_kind == kind):
            problem = _problem(kind, partial(load, kind, use, folder), check)
            yield PluginStatus(kind, printable(use), _origin_of_file(use, folder), problem)


def _problem(kind: Kind, get: Callable[[], Any], check: Check) -> str | None:
    try:
        check(kind, get())
    except PluginError as error:
        return str(error)
    return None


def _points(kind: Kind) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"listener.{kind}"))


def _in_use(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Of several with one name, give the program's own, or else that of the first distribution."""
    chosen: dict[str, EntryPoint] = {}
    for point in sorted(points, key=lambda point: (_distribution(point) != OWN, _origin(point))):
        chosen.setdefault(point.name, point)
    return list(chosen.values())


def _namesake(point: EntryPoint, points: Iterable[EntryPoint]) -> EntryPoint:
    return next(other for other in points if other.name == point.name)


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def _origin_of_file(use: str, folder: Path | None) -> str:
    try:
        return printable(python_file.parse(use, folder).path)
    except PluginError:
        return "unknown"


def _import(point: EntryPoint) -> Any:
    # What a package logs is part of the program's log, unless it has set a level of its own.
    logger = logging.getLogger(point.module.partition(".")[0])
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.getLogger(OWN).level)
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything at import
        raise BrokenPluginError(
            f"{point.group.removeprefix('listener.')} plug-in '{point.name}' ({point.value}) "
            f"cannot be imported: {type(error).__name__}: {one_line(error)}"
        ) from error
