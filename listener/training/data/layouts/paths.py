"""Files as tables name them: from the folder on, from the one above, from where the program was called."""

import os
from pathlib import Path, PureWindowsPath

from listener.files import is_file


class Finder:
    """Finds the files that a table names, and calls them relative to a folder.

    Parameters
    ----------
    folder
        What the paths of clips are relative to.
    tables
        Where the table lies.
    """

    def __init__(self, folder: Path, tables: Path) -> None:
        self._folder = Path(os.path.abspath(folder))  # noqa: PTH100 - a link stays what it is called
        self._bases = [self._folder, Path(os.path.abspath(tables)), self._folder.parent, Path.cwd()]  # noqa: PTH100

    def __call__(self, named: str) -> str | None:
        """Give the path of a file relative to the folder; None if it is not there, or lies elsewhere."""
        found = self._find(named)
        if found is None or not found.is_relative_to(self._folder):
            return None
        return found.relative_to(self._folder).as_posix()

    def why(self, named: str) -> str:
        """Say why it was not found."""
        if self._find(named) is None:
            return "is missing"
        return "lies outside of the folder: scan one that holds everything, with --table"

    def _find(self, named: str) -> Path | None:
        # A table that was made on Windows has the parts of a path otherwise.
        for spelling in dict.fromkeys((named, PureWindowsPath(named).as_posix())):
            for base in self._bases:
                path = Path(os.path.normpath(base / spelling))
                if is_file(path):
                    return path
        return None
