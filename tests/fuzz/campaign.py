"""Feeds many inputs through processes of their own, and goes on after one that crashed."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.feeder import AT, INPUTS, Summary

PATIENCE_S = 3600.0
"""Longest wait for a process, which looks after its own hangs."""

MOST_CRASHES = 10
TOLD_LINES = 12


@dataclass
class Outcome:
    """What came of a campaign."""

    taken: int = 0
    """Inputs that were used."""

    refused: int = 0
    """Inputs that were refused in words."""

    defects: list[str] = field(default_factory=list)
    """What was found: the input, how to feed it again, and the end of the trace."""


def run(kind: str, seed: int, indices: range, folder: Path) -> Outcome:
    """Feed a range of inputs; what showed a defect is kept below ``folder``."""
    outcome = Outcome()
    first, crashes = indices.start, 0
    while first < indices.stop and crashes < MOST_CRASHES:
        output = folder / f"{kind}-from-{first}"
        output.mkdir(parents=True)
        options = ["--seed", str(seed), "--first", str(first), "--count", str(indices.stop - first)]
        command = [sys.executable, "-m", "tests.fuzz", kind, *options, "--folder", str(output)]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
        found = {trace.parent.name: trace.read_text(encoding="utf-8") for trace in output.glob("*/trace.txt")}
        outcome.defects += [_told(kind, seed, name, output / name, trace) for name, trace in found.items()]
        if done.returncode in (0, 1) and done.stdout.startswith(b"{"):
            summary = Summary(**json.loads(done.stdout))
            outcome.taken += summary.taken
            outcome.refused += summary.refused
            break
        # The interpreter is gone: what it was given lies there still.
        index = int((output / AT).read_bytes() or first)
        name = f"{kind}-{seed}-{index}"
        shutil.copytree(output / INPUTS, output / name, ignore=lambda _, names: {"pipe"} & set(names))
        how = f"the process ended with {done.returncode}\n{done.stderr.decode(errors='replace')}"
        outcome.defects.append(_told(kind, seed, name, output / name, how))
        crashes += 1
        first = index + 1
    return outcome


def _told(kind: str, seed: int, name: str, kept: Path, trace: str) -> str:
    index = name.rpartition("-")[2]
    lines = [line for line in trace.splitlines() if line.strip()]
    shown = lines if len(lines) <= 2 * TOLD_LINES else [*lines[:TOLD_LINES], "...", *lines[-TOLD_LINES:]]
    again = f"python -m tests.fuzz {kind} --seed {seed} --index {index}"
    return "\n    ".join([f"input {index} ({again}; kept in {kept})", *shown])
