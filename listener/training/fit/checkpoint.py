"""What a training needs to go on, in a file that is always whole.

The last two are kept: ``checkpoint.pt`` and ``checkpoint.previous.pt``. A new one is first written in full
as ``checkpoint.next.pt``; whoever is killed meanwhile leaves a whole file under one of the three names.
"""

import io
import logging
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from listener.errors import DatasetError, one_line, printable
from listener.files import is_file, whole_file
from listener.training.fit.identity import differences, is_same

FORMAT = 1
"""Of the file; another one cannot be read."""

_logger = logging.getLogger(__name__)


class CheckpointFile:
    """The checkpoint of one training.

    Parameters
    ----------
    path
        Of the newest; the one before lies beside it.
    what
        The training's `identity`: a checkpoint of another one is refused.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what

    def read(self) -> dict[str, Any] | None:
        """Give the newest that is whole; None if there is none at all. What was written half is deleted.

        Raises
        ------
        DatasetError
            It is of another training, it cannot be read, or all that there are are broken.
        """
        self._tidy_up()
        broken: list[str] = []
        for path in _newest_first(self.path):
            if not is_file(path):
                continue
            try:
                content = _content(path)
            except OSError as error:
                reason = error.strerror or one_line(error)
                raise DatasetError(f"{printable(path)}: the checkpoint cannot be read: {reason}") from error
            except Exception as error:  # noqa: BLE001 - zipfile and torch raise anything at a damaged file
                broken.append(f"{printable(path)}: the checkpoint is broken: {one_line(error)[:200]}")
                continue
            self._check(path, content)
            for problem in broken:
                _logger.warning("%s; the training goes on from %s", problem, path.name)
            if path == _newest_first(self.path)[0]:
                with suppress(OSError):
                    self._name()
            return content
        if broken:
            raise DatasetError(f"{broken[0]}; --fresh starts over")
        return None

    def write(self, content: dict[str, Any]) -> None:
        """Keep it, and the one before.

        Raises
        ------
        DatasetError
            It cannot be written; the one before is as it was.
        """
        in_memory = io.BytesIO()
        torch.save({"format": FORMAT, "what": self._what, **content}, in_memory)
        unnamed = _newest_first(self.path)[0]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(unnamed) as half_written:
                half_written.write_bytes(in_memory.getbuffer())
            self._name()
        except OSError as error:
            reason = error.strerror or one_line(error)
            raise DatasetError(
                f"{printable(self.path)}: the checkpoint cannot be written: {reason}; "
                "the same command goes on from the one before"
            ) from error

    def _name(self) -> None:
        """Give the newest its name, and the one that had it the name of the one before."""
        unnamed, newest, previous = _newest_first(self.path)
        if not is_file(unnamed):
            return
        if is_file(newest):
            newest.replace(previous)
        unnamed.replace(newest)

    def _tidy_up(self) -> None:
        """Delete what someone who was killed had not written in full: see `whole_file`."""
        for half_written in self.path.parent.glob(f".{_newest_first(self.path)[0].name}.*"):
            with suppress(OSError):
                half_written.unlink()

    def _check(self, path: Path, content: dict[str, Any]) -> None:
        if content.get("format") != FORMAT:
            raise DatasetError(f"{printable(path)}: is of another version of listener: --fresh starts over")
        if not is_same(content["what"], self._what):
            other = differences(content["what"], self._what)
            raise DatasetError(
                f"{printable(path)}: is of another recipe or other data{f' ({other})' if other else ''}: "
                "--fresh starts over, --runs keeps both"
            )


def forget(checkpoint: Path) -> None:
    """Delete a training's checkpoints, so that it starts over.

    Raises
    ------
    DatasetError
        They cannot be deleted.
    """
    for path in _newest_first(checkpoint):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DatasetError(f"{printable(path)}: cannot be deleted: {error.strerror}") from error


def _newest_first(checkpoint: Path) -> tuple[Path, Path, Path]:
    """Where a training's checkpoints may lie; the first was written in full, but not yet given its name."""
    return (
        checkpoint.with_name(f"{checkpoint.stem}.next{checkpoint.suffix}"),
        checkpoint,
        checkpoint.with_name(f"{checkpoint.stem}.previous{checkpoint.suffix}"),
    )


def _content(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:  # torch itself does not look at the checksums
            raise zipfile.BadZipFile(f"{damaged} is damaged")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or not isinstance(content.get("what"), str):
        raise zipfile.BadZipFile("it is no checkpoint")
    return content
