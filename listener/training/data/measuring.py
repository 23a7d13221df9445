"""Measuring many recordings, several at once."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from listener.errors import DatasetError
from listener.training.data.measure import Measured, measure

Progress = Callable[[int, int], None]
"""Is told how many are done, and how many there are."""


def measure_all(
    folder: Path, paths: Iterable[str], progress: Progress | None = None, spectrum: bool = False
) -> tuple[dict[str, Measured], dict[str, str]]:
    """Measure recordings, on as many cores as there are.

    Parameters
    ----------
    folder, paths
        Where they lie.
    progress
        Is called in this thread.
    spectrum
        See `measure`.

    Returns
    -------
    measured, broken
        Path: what it is; and path: what is wrong with it.
    """
    measured: dict[str, Measured] = {}
    broken: dict[str, str] = {}
    wanted = sorted(set(paths))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="measure") as pool:
        try:
            # Decoding, hashing and sums of arrays leave Python to the other threads.
            futures: dict[Future[Measured], str] = {
                pool.submit(measure, folder / path, spectrum): path for path in wanted
            }
            for n_done, future in enumerate(as_completed(futures), start=1):
                try:
                    measured[futures[future]] = future.result()
                except DatasetError as error:
                    broken[futures[future]] = str(error)
                if progress is not None:
                    progress(n_done, len(wanted))
        finally:
            pool.shutdown(cancel_futures=True)
    return {path: measured[path] for path in wanted if path in measured}, broken
