"""A small disk that a test may fill, empty, and make read-only: a tmpfs of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = 4096


class SmallDisk:
    """A mounted disk; unmounted with `close`.

    Parameters
    ----------
    folder
        Where it is mounted.
    size
        Bytes that it holds.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small-disk", str(folder))

    @property
    def free(self) -> int:
        """Bytes that are left."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Use up what is free, but for some bytes."""
        with open(self._filler, "ab", buffering=0) as filler:
            while (wanted := self.free - leave) >= PAGE:
                filler.write(bytes(min(wanted, 1 << 20)))

    def make_room(self) -> None:
        """Undo `fill`."""
        self._filler.unlink(missing_ok=True)

    def make_read_only(self) -> None:
        """Let nobody write any more, as a system does after a disk's error."""
        _run("mount", "-o", "remount,ro", str(self.folder))

    def make_writable(self) -> None:
        """Undo `make_read_only`."""
        _run("mount", "-o", "remount,rw", str(self.folder))

    def close(self) -> None:
        """Unmount it, also while somebody still has a file open there."""
        _run("umount", "--lazy", str(self.folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "small-disk"
    folder.mkdir()
    try:
        disk = SmallDisk(folder, 2_000_000)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    try:
        yield disk
    finally:
        disk.close()
