"""Unpacking an archive that a stranger made: files and folders below one folder, and nothing else."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from listener.errors import DatasetError, one_line, printable

MOST_FILES = 200_000
MOST_TIMES = 50
"""No archive of sound unpacks to more than so many times its size."""

SMALL_BYTES = 50_000_000
"""One that unpacks to less than this is no bomb, however well it is packed."""

_COPIED_BYTES = 1 << 20
_ZIP, _GZIP, _XZ, _BZIP2 = b"PK\x03\x04", b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh"
_TAR_MAGIC_AT = 257

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are unpacked, and of how many; None where nobody knows."""


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a zip or tar archive; the one folder that holds all of it is left out.

    Parameters
    ----------
    archive
        ``.zip``, ``.tar``, or ``.tar`` packed with gzip, xz or bzip2: told by what is in it.
    folder
        Empty.
    progress
        Is told how far it is.

    Raises
    ------
    DatasetError
        It is no such archive, is damaged, holds what no data set should (absolute names, names that lead out
        of it, links, devices, encrypted files), or unpacks to too much. ``folder`` may hold some of it then.
    """
    kind = _kind(archive)
    if kind is None:
        raise DatasetError(
            f"{printable(archive)}: is no zip or tar archive: did the server send a page in its place?"
        )
    limit = max(MOST_TIMES * archive.stat().st_size, SMALL_BYTES)
    try:
        if kind == "zip":
            _unpack_zip(archive, folder, limit, progress)
        else:
            _unpack_tar(archive, folder, limit, progress)
    except _FORMAT_ERRORS as error:
        raise DatasetError(f"{printable(archive)}: is damaged: {one_line(error)}") from error
    _lift(folder)


_FORMAT_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a method of packing that zipfile does not know
    UnicodeDecodeError,
)


class _Places:
    """Where the members of an archive go; refuses those that go astray."""

    def __init__(self, archive: Path, folder: Path, limit: int, progress: Progress) -> None:
        self._archive = archive
        self._folder = folder
        self._limit = limit
        self._progress = progress
        self._taken: set[str] = set()
        self._n_bytes = 0
        self.n_total: int | None = None

    def write(self, name: str, source: IO[bytes]) -> None:
        """Write a file of the archive."""
        path = self._of(name)
        same = str(PurePosixPath(name)).casefold()  # on some disks, case makes no difference
        if same in self._taken:
            raise self.refused(name, "is in it twice")
        self._taken.add(same)
        if len(self._taken) > MOST_FILES:
            raise self.refused(name, f"is one of more than {MOST_FILES:,} files")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while block := source.read(_COPIED_BYTES):
                self.count(name, len(block))
                file.write(block)

    def make_folder(self, name: str) -> None:
        """Make a folder of the archive."""
        self._of(name).mkdir(parents=True, exist_ok=True)

    def count(self, name: str, n_bytes: int) -> None:
        """Note that more was unpacked."""
        self._n_bytes += n_bytes
        if self._n_bytes > self._limit:
            raise self.refused(name, f"unpacks to more than {self._limit / 1e6:,.0f} MB")
        self._progress(self._n_bytes, self.n_total)

    def refused(self, name: str, why: str) -> DatasetError:
        return DatasetError(f"{printable(self._archive)}: '{printable(name)}' {why}: nothing was unpacked")

    def _of(self, name: str) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise self.refused(name, "leads out of the archive")
        if "\\" in name or path.name[1:2] == ":" or str(path)[1:2] == ":":
            raise self.refused(name, "is a name of another system")
        return self._folder / path


def _unpack_zip(archive: Path, folder: Path, limit: int, progress: Progress) -> None:
    places = _Places(archive, folder, limit, progress)
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        places.n_total = sum(member.file_size for member in members)
        if places.n_total > limit:
            raise places.refused(archive.name, f"unpacks to {places.n_total / 1e6:,.0f} MB")
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise places.refused(member.filename, "is a link, or no file")
            if member.flag_bits & 0x1:
                raise places.refused(member.filename, "is encrypted")
            if member.is_dir():
                places.make_folder(member.filename)
                continue
            with zipped.open(member) as source:
                places.write(member.filename, source)


def _unpack_tar(archive: Path, folder: Path, limit: int, progress: Progress) -> None:
    places = _Places(archive, folder, limit, progress)
    with archive.open("rb") as packed, _opened(packed) as plain:
        # Headers may be bombs as well: what comes out of the packing is bounded as a whole.
        bounded = _Bounded(plain, limit + limit // 4, places)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|", errorlevel=2) as tar:
            for member in tar:
                if member.isdir():
                    places.make_folder(member.name)
                    continue
                source = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                if source is None:
                    raise places.refused(member.name, "is a link, or no file")
                places.write(member.name, source)
        while bounded.read(_COPIED_BYTES):  # behind the last file stands the check sum of the packing
            pass


class _Bounded:
    """Reads so much of a stream, and no more."""

    def __init__(self, stream: IO[bytes], limit: int, places: _Places) -> None:
        self._stream = stream
        self._left = limit
        self._places = places

    def read(self, n_bytes: int) -> bytes:
        data = self._stream.read(min(n_bytes, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise self._places.refused("its end", "is too far away")
        return data


@contextmanager
def _opened(packed: BinaryIO) -> Iterator[IO[bytes]]:
    import bz2
    import gzip

    start = packed.read(6)
    packed.seek(0)
    if start.startswith(_GZIP):
        opened: IO[bytes] = gzip.GzipFile(fileobj=packed)  # type: ignore[assignment]
    elif start.startswith(_XZ):
        opened = lzma.LZMAFile(packed)  # noqa: SIM115 - closed below
    elif start.startswith(_BZIP2):
        opened = bz2.BZ2File(packed)
    else:
        opened = packed
    with opened:
        yield opened


def _kind(archive: Path) -> str | None:
    with archive.open("rb") as file:
        start = file.read(512)
    if start.startswith(_ZIP):
        return "zip"
    is_tar = start[_TAR_MAGIC_AT:].startswith(b"ustar")
    return "tar" if is_tar or start.startswith((_GZIP, _XZ, _BZIP2)) else None


def _lift(folder: Path) -> None:
    """Take what lies in the one folder of an archive out of it."""
    found = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    if len(found) != 1 or not found[0].is_dir():
        return
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
    outer = found[0].rename(folder / ".outermost")  # a folder in it may have its name
    for path in list(outer.iterdir()):
        path.rename(folder / path.name)
    outer.rmdir()
