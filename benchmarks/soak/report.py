"""The result of a soak, as a table to read and as JSON to keep."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks.report import RESULTS, cpu_name
from benchmarks.soak.findings import Finding
from benchmarks.soak.meter import Sample
from listener import __version__

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"


def table(found: Sequence[Finding]) -> Iterator[str]:
    """Form a Markdown table."""
    yield "| what | found | goal | |"
    yield "|---|---|---|---|"
    for finding in found:
        verdict = ("met" if finding.met else "**not met**") if finding.goal else ""
        yield f"| {finding.what} | {finding.found} | {finding.goal} | {verdict} |"


def save(
    found: Sequence[Finding], samples: Sequence[Sample], hours: float, seed: int, elapsed_s: float
) -> Path:
    """Keep the result under `RESULTS` and in the document; give the file."""
    day = datetime.now(UTC).date().isoformat()
    machine = {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_average": list(os.getloadavg()),
    }
    record = {
        "date": day,
        "version": __version__,
        "command": f"make soak HOURS={hours:g} SEED={seed} ARGS=--save",
        "machine": machine,
        "elapsed_s": round(elapsed_s, 1),
        "findings": [asdict(finding) for finding in found],
        "samples": [asdict(sample) for sample in samples],
    }
    path = RESULTS / f"soak-{day}-{hours:g}h.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    told = (
        f"`make soak HOURS={hours:g} SEED={seed}` on {day}: "
        f"{hours:g} h of sound in {elapsed_s / 60:.0f} min, listener {__version__}, "
        f"{cpu_name()} ({os.cpu_count()} cores), "
        f"Python {platform.python_version()}, torch {torch.__version__}."
    )
    text = DOCUMENT.read_text()
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    DOCUMENT.write_text("\n".join((head + BEGIN, told, "", *table(found), END + tail)))
    return path
