"""Figures for TensorBoard, where that is installed; a training never fails for want of them."""

import importlib.util
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_logger = logging.getLogger(__name__)


class Scalars:
    """Writes figures of a training: ``tensorboard --logdir FOLDER`` shows them.

    Written at once, by no thread of its own as TensorBoard's writer does it: nothing is lost, nothing leaks.

    Parameters
    ----------
    folder
        Where to; None: nowhere.
    first_step
        What was written before of this step or later ones is not shown: the training was killed, and comes
        there again.
    """

    def __init__(self, folder: Path | None, first_step: int) -> None:
        self._folder = folder
        self._first_step = first_step
        self._file: Any = None
        self._records: Any = None

    def __enter__(self) -> Self:
        if self._folder is None or importlib.util.find_spec("tensorboard") is None:
            return self
        from tensorboard.compat.proto.event_pb2 import SessionLog  # type: ignore[import-untyped]
        from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            self._file = (self._folder / name).open("wb")
            self._records = RecordWriter(self._file)
        except OSError as error:
            self._give_up(error)
        self._write(0, file_version="brain.Event:2")
        self._write(self._first_step, session_log=SessionLog(status=SessionLog.START))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Write some figures of a step."""
        if self._records is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]
        self._write(step, summary=Summary(value=values))

    def _write(self, step: int, **content: Any) -> None:
        if self._records is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            event = Event(wall_time=time.time(), step=step, **content)
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        _logger.warning("%s: no figures for TensorBoard any more: %s", self._folder, error.strerror)
        self._close()

    def _close(self) -> None:
        file, self._file, self._records = self._file, None, None
        if file is not None:
            try:
                file.close()
            except OSError:  # what it still held could not be written
                _logger.debug("%s: not closed", self._folder)
