"""A clock that a test sets back and forth, for one process; the machine's own goes on as it is."""

import mmap
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")
_SIZE = 8


class SettableClock:
    """The time of day of every process with its `environment`.

    Parameters
    ----------
    folder
        For its files.
    """

    def __init__(self, folder: Path) -> None:
        library, offset = folder / "settable_clock.so", folder / "clock_set_by"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True, timeout=60
        )
        offset.write_bytes(bytes(_SIZE))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SET_BY": str(offset)}
        """Variables that give a process this clock."""
        with open(offset, "r+b") as file:
            self._offset = mmap.mmap(file.fileno(), _SIZE)

    def set(self, by_s: int) -> None:
        """Let it be so many seconds later than it is; earlier, if negative."""
        self._offset[:] = by_s.to_bytes(_SIZE, "little", signed=True)

    def close(self) -> None:
        """Let go of its files."""
        self._offset.close()


@pytest.fixture
def settable_clock(tmp_path: Path) -> Iterator[SettableClock]:
    clock = SettableClock(tmp_path)
    yield clock
    clock.close()
