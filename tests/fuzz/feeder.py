"""Feeds a range of inputs to a target, in a process that may crash, hang or run out of memory."""

import faulthandler
import logging
import os
import re
import resource
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.target import Input, LogCheck, Target

INPUTS, AT = "inputs", "at"
"""In the output folder: the files of the input that is being fed, and its index."""

MOST_DEFECTS = 20
"""After so many the rest tells nothing new."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a range of inputs."""

    taken: int
    """Inputs that were used."""

    refused: int
    """Inputs that were refused in words."""

    failed: int
    """Inputs that showed a defect."""

    wall_s: float
    """How long it took."""

    slowest_s: float
    """Longest time of one input."""

    slowest_index: int
    """Its index."""


def random_of(kind: str, seed: int, index: int) -> Random:
    """Give the source of all chance in one input."""
    return Random(f"{kind}/{seed}/{index}")


def feed_range(kind: str, target: Target, seed: int, indices: range, output: Path) -> Summary:
    """Feed inputs one after the other.

    What showed a defect is kept in a folder of its own below ``output``, with the trace.
    """
    _set_up(target.memory_mib)
    counts = Counter[str]()
    slowest = (0.0, -1)
    signatures = set[str]()
    started = time.perf_counter()
    with open(output / AT, "wb", buffering=0) as at:
        for index in indices:
            os.pwrite(at.fileno(), f"{index:12}".encode(), 0)
            faulthandler.dump_traceback_later(target.patience_s, exit=True)
            begun = time.perf_counter()
            made = target.make(random_of(kind, seed, index))
            try:
                counts["taken" if target.feed(made) else "refused"] += 1
            except Exception as error:  # noqa: BLE001 - that is what this is looking for
                counts["failed"] += 1
                signature = _signature(error)
                if signature not in signatures:
                    signatures.add(signature)
                    keep(made, output / f"{kind}-{seed}-{index}", traceback.format_exc())
            slowest = max(slowest, (time.perf_counter() - begun, index))
            if len(signatures) >= MOST_DEFECTS:
                break
    faulthandler.cancel_dump_traceback_later()
    wall_s = time.perf_counter() - started
    return Summary(counts["taken"], counts["refused"], counts["failed"], wall_s, *slowest)


def keep(made: Input, folder: Path, trace: str) -> None:
    """Keep an input and what it did."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    (folder / "settings.txt").write_text(repr(dict(made.settings)), encoding="utf-8")
    (folder / "trace.txt").write_text(trace, encoding="utf-8", errors="backslashreplace")


def _set_up(memory_mib: int) -> None:
    faulthandler.enable()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
    logging.getLogger().addHandler(LogCheck())
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _signature(error: BaseException) -> str:
    """Tell defects apart: by the kind of error, what was raised where, and what it came from."""
    places = []
    cause: BaseException | None = error
    while cause is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        ours = [frame for frame in frames if f"{os.sep}listener{os.sep}" in frame.filename] or frames
        places.append(f"{type(cause).__name__} {[f'{frame.filename}:{frame.lineno}' for frame in ours[-2:]]}")
        cause = cause.__context__
    told = re.sub(r"\d+", "", str(error))[:20] if isinstance(error, AssertionError) else ""
    return f"{told} {places[0]} {places[-1]}"
