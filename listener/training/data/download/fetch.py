"""From the name of a data set to a folder that holds it: fetched, checked, unpacked; or nothing."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from listener.errors import DatasetError, printable
from listener.files import whole_file
from listener.training.data.download.catalogue import Dataset
from listener.training.data.download.transfer import Transfer
from listener.training.data.download.unpack import unpack
from listener.training.data.whole_folder import locked_folder, whole_folder

Progress = Callable[[int, int | None], None]
"""Is told how many bytes are done, and of how many; None where nobody knows."""

Shows = Callable[[str], AbstractContextManager[Progress]]
"""Gives what is told of a step with that name."""

_HASHED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Pin:
    """What an archive was when it was first downloaded: kept beside the data, in ``NAME.lock.json``."""

    name: str
    """Of the data set."""

    url: str
    """Where it came from, after no redirection."""

    n_bytes: int
    """Of the archive."""

    md5: str
    """Of the archive."""

    sha256: str
    """Of the archive."""

    fetched_at: str
    """When it was found to be so; UTC."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came of it."""

    folder: Path
    """Where the data lie."""

    was_there: bool
    """Nothing had to be done."""

    pin: Pin
    """Of the archive."""

    is_published: bool
    """The publisher's own check sum was met; else there is none, or none for this address."""


def download(
    dataset: Dataset,
    into: Path,
    shows: Shows,
    url: str | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Downloaded:
    """Download a data set, or go on where that was cut off.

    Parameters
    ----------
    dataset
        Which.
    into
        Folder in which one of its name is made; what is half downloaded lies there in ``.NAME.download``.
    shows
        Is told how far each step is.
    url
        Another address of the same archive.
    pause
        Waits so many seconds between attempts.

    Raises
    ------
    DatasetError
        It cannot be had, is not what it was or should be, cannot be unpacked, or there is no room.
    """
    folder = into / dataset.name
    lock = into / f"{dataset.name}.lock.json"
    pinned = _read_pin(lock)
    if folder.is_dir() and any(folder.iterdir()):
        if pinned is None:
            raise DatasetError(
                f"{printable(folder)} is there already, and was not downloaded: --into names another place"
            )
        return Downloaded(folder, True, pinned, pinned.md5 == dataset.md5)
    workshop = into / f".{dataset.name}.download"
    try:
        with locked_folder(workshop):
            transfer = Transfer(
                url or dataset.url,
                workshop / "archive.part",
                dataset.unpacked_bytes,
                pause,
            )
            with shows("download") as progress:
                transfer.run(progress)
            pin = _checked(dataset, transfer, workshop / "archive.part", url or dataset.url, pinned, shows)
            with whole_folder(folder) as unpacked:
                _unpack(dataset, transfer, workshop / "archive.part", unpacked, shows)
                if pinned is None:
                    _write_pin(lock, pin)
            shutil.rmtree(workshop)
    except OSError as error:
        raise DatasetError(f"{printable(into)}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # something is in it that is gone on with
            workshop.rmdir()
    return Downloaded(folder, False, pinned or pin, pin.md5 == dataset.md5)


def _checked(
    dataset: Dataset, transfer: Transfer, archive: Path, url: str, pinned: Pin | None, shows: Shows
) -> Pin:
    """Compare an archive with what it should be; one that is something else is removed."""
    with shows("check") as progress:
        md5, sha256 = _hashes(archive, progress)
    if dataset.md5 is not None and md5 != dataset.md5:
        transfer.forget()
        raise DatasetError(
            f"{printable(url)}: is not {dataset.name}: its MD5 is {md5}, {dataset.md5} is published; "
            "it was removed: try again, or --url"
        )
    if pinned is not None and sha256 != pinned.sha256:
        transfer.forget()
        raise DatasetError(
            f"{printable(url)}: is not the {dataset.name} of {pinned.fetched_at[:10]}: its SHA-256 is "
            f"{sha256}, {pinned.sha256} stands in {dataset.name}.lock.json; it was removed: "
            "who trusts the new one removes that file"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Pin(dataset.name, url, archive.stat().st_size, md5, sha256, now)


def _unpack(dataset: Dataset, transfer: Transfer, archive: Path, folder: Path, shows: Shows) -> None:
    """Unpack an archive; what is none, or of something else, is removed."""
    try:
        with shows("unpack") as progress:
            unpack(archive, folder, progress)
        wanted = folder / dataset.holds
        if not (wanted.is_dir() if dataset.holds.endswith("/") else wanted.is_file()):
            raise DatasetError(f"{printable(archive)}: holds no {dataset.holds}: it is not {dataset.name}")
    except DatasetError:
        transfer.forget()
        raise


def _hashes(archive: Path, progress: Progress) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    total, done = archive.stat().st_size, 0
    with archive.open("rb") as file:
        while block := file.read(_HASHED_BYTES):
            md5.update(block)
            sha256.update(block)
            done += len(block)
            progress(done, total)
    return md5.hexdigest(), sha256.hexdigest()


def _read_pin(path: Path) -> Pin | None:
    try:
        return Pin(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(f"{printable(path)}: cannot be read: remove it to download anew") from error


def _write_pin(path: Path, pin: Pin) -> None:
    with whole_file(path) as half_written:
        half_written.write_text(json.dumps(asdict(pin), indent=2) + "\n", encoding="utf-8")
