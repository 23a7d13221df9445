"""A user's own Python file beside the configuration: ``use: python:hooks.py:on_event``.

The file is run once, whoever names it, and anew when it has changed. It is a package of its
own, with its folder behind it: ``from . import neighbour`` finds the file beside it, and nothing
that is installed is ever hidden by it (``sys.path`` is left alone).
"""

import importlib.util
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import SourceFileLoader
from itertools import count
from pathlib import Path
from traceback import extract_tb
from types import CodeType, ModuleType
from typing import Any

from listener.errors import BrokenPluginError, PluginError, one_line, printable
from listener.files import is_file

PREFIX = "python:"
"""What such a ``use:`` begins with."""

Stamp = tuple[str, int, int, int]
"""Of a file: path, inode, size, and when it was written (ns)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a ``use: python:FILE:NAME`` means."""

    path: Path
    """The file, absolute."""

    name: str
    """A function or class in it."""


def is_reference(use: str) -> bool:
    """Tell whether a ``use:`` names a file, and no plug-in that is installed."""
    return use.startswith(PREFIX)


def parse(use: str, folder: Path | None = None) -> Reference:
    """Understand a ``use: python:FILE:NAME``.

    Parameters
    ----------
    use
        As it stands in the configuration.
    folder
        That of the configuration: a relative path counts from there; the working folder unless told.

    Raises
    ------
    PluginError
        It is written in another way.
    """
    path, _, name = use.removeprefix(PREFIX).rpartition(":")
    if not path or not name.isidentifier() or "\0" in path:
        raise PluginError(f"'{printable(use)}' must be written as python:FILE:NAME: python:hooks.py:on_event")
    try:
        known = Path(path).expanduser()
    except RuntimeError:  # a user of that name there is not
        known = Path(path)
    return Reference((folder or Path()).absolute() / known, name)


def load(use: str, folder: Path | None = None) -> Any:
    """Give the function or class that a ``use: python:FILE:NAME`` means.

    Raises
    ------
    PluginError
        There is no such file, or nothing of that name in it.
    BrokenPluginError
        The file cannot be run; the message names the line.
    """
    reference = parse(use, folder)
    if not is_file(reference.path):
        raise PluginError(f"there is no file '{printable(reference.path)}'")
    with _loading:
        module = _module(reference.path)
    if reference.name not in vars(module):
        raise PluginError(
            f"{printable(reference.path)} has no '{reference.name}': {_hint(module, reference)}"
        )
    return vars(module)[reference.name]


def stamp_of(path: Path) -> Stamp | None:
    """Give what tells whether a file has changed; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


class _Loader(SourceFileLoader):
    """Reads the file itself, each time.

    What Python keeps in ``__pycache__`` counts as good if size and second of writing are the same: who
    mends a word and reloads at once would get the old one.
    """

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


_loading = threading.RLock()
_loaded: dict[Path, tuple[Stamp | None, ModuleType]] = {}
_numbers = count(1)


def _module(path: Path) -> ModuleType:
    stamp = stamp_of(path)  # before it is read: what is written meanwhile is seen as a change
    known = _loaded.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    module = _run(path)
    _loaded[path] = stamp, module
    return module


def _run(path: Path) -> ModuleType:
    # A module that was replaced stays: its functions may be running, and import neighbours when called.
    # By its name, what it logs through `logging.getLogger(__name__)` is part of the program's log.
    name = f"listener.python_file_{next(_numbers)}_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}"
    spec = importlib.util.spec_from_file_location(
        name, path, loader=_Loader(name, str(path)), submodule_search_locations=[str(path.parent)]
    )
    assert spec is not None  # it was given a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pydantic and dataclasses look annotations up
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        for part in [part for part in sys.modules if part == name or part.startswith(f"{name}.")]:
            del sys.modules[part]
        if not isinstance(error, (Exception, SystemExit)):
            raise
        raise BrokenPluginError(f"{printable(_place(error, path))}: {_described(error, name)}") from error
    return module


def _described(error: BaseException, module: str) -> str:
    told = error.msg if isinstance(error, SyntaxError) else error  # its text would tell the line once more
    return f"{type(error).__name__}: {one_line(told).replace(module, '')}"


def _place(error: BaseException, path: Path) -> str:
    """Tell the file and line at fault: in the user's own file where it is, else the innermost."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path)]
    return f"{path}:{own[-1].lineno}" if own else str(path)


def _hint(module: ModuleType, reference: Reference) -> str:
    offered = _offered(vars(module), module.__name__)
    near = get_close_matches(reference.name, offered, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are: {', '.join(offered)}" if offered else "there is no function in it"


def _offered(names: Mapping[str, Any], module: str) -> list[str]:
    """Names of the functions and classes that a file defines itself."""
    return sorted(
        name
        for name, value in names.items()
        if callable(value) and getattr(value, "__module__", None) == module and not name.startswith("_")
    )
