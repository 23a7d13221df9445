"""Extracting features, here or in processes of their own that write into the same mapped files."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from listener.errors import DatasetError, ListenerError
from listener.training.data.clip import Clip
from listener.training.data.features.pipeline import Pipeline, Runner
from listener.training.data.features.store import check_of

TASKS_AT_ONCE = 16
"""Handed to a process together."""


@dataclass(frozen=True, slots=True)
class Task:
    """A clip whose features are wanted."""

    index: int
    """Its row."""

    path: Path
    """Of its file."""

    clip: Clip
    """What is known of it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task."""

    index: int
    """Its row."""

    check: int = 0
    """Of its features."""

    problem: str | None = None
    """Why there are none."""


class Worker:
    """Does tasks and writes what comes of them.

    Parameters
    ----------
    pipeline
        What to do.
    features, ranges
        Files of the arrays to write to: see `listener.training.data.features.store`.
    """

    def __init__(self, pipeline: Pipeline, features: Path, ranges: Path) -> None:
        self._run = Runner(pipeline)
        self._features: Any = np.lib.format.open_memmap(features, mode="r+")
        self._ranges: Any = np.lib.format.open_memmap(ranges, mode="r+")

    def __call__(self, task: Task) -> Done:
        """Do one."""
        try:
            row = self._run(task.path, task.clip)
        except ListenerError as error:
            return Done(task.index, problem=str(error))
        if row.shape != self._features.shape[1:]:
            problem = f"its features are of shape {row.shape}, not {self._features.shape[1:]}"
            return Done(task.index, problem=f"{task.path}: {problem}")
        self._features[task.index] = row
        self._ranges[task.index] = row.min(axis=1), row.max(axis=1)
        return Done(task.index, check_of(row))


def results(
    pipeline: Pipeline, features: Path, ranges: Path, tasks: Sequence[Task], processes: int
) -> Iterator[Done]:
    """Do all tasks and give what came of each, in any order.

    Raises
    ------
    DatasetError
        A process was ended from outside.
    """
    if not tasks:
        return
    if processes <= 1 or len(tasks) <= TASKS_AT_ONCE:  # to start a process takes longer
        yield from map(Worker(pipeline, features, ranges), tasks)
        return
    batches = [tasks[first : first + TASKS_AT_ONCE] for first in range(0, len(tasks), TASKS_AT_ONCE)]
    pool = ProcessPoolExecutor(
        min(processes, len(batches)), get_context("spawn"), _begin, (pipeline, features, ranges)
    )
    try:
        for future in as_completed([pool.submit(_do, batch) for batch in batches]):
            yield from future.result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "a process that made features was ended from outside: was there too little memory? --processes 1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: list[Worker] = []
"""Of this process."""


def _begin(pipeline: Pipeline, features: Path, ranges: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _worker.append(Worker(pipeline, features, ranges))


def _end_with_parent() -> None:
    """Wait for the end of whoever started this process: killed, it can tell nobody to end."""
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(tasks: Sequence[Task]) -> list[Done]:
    return [_worker[0](task) for task in tasks]
