"""What was found, as a table to read and as JSON to keep."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch

from benchmarks.findings import Effort, Finding

RESULTS = Path(__file__).parent / "results"


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Form a table: what was measured, median and quartiles, and the goal if there is one."""
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        value = finding.value
        spread = f"{value.median:9.3f} {finding.unit:3}  {value.low:9.3f} .. {value.high:<9.3f}"
        verdict = "" if finding.goal is None else f"  {finding.goal}: {'met' if finding.met else 'NOT MET'}"
        yield f"{finding.group:8}  {finding.what:{width}}  {spread}{verdict}".rstrip()


def save(findings: Sequence[Finding], effort: Effort, load_before: Sequence[float]) -> Path:
    """Keep the findings under `RESULTS`, with machine and date; give the file."""
    path = RESULTS / f"{date.today().isoformat()}-{_slug(cpu_name())}.json"
    path.parent.mkdir(exist_ok=True)
    record = {
        "date": date.today().isoformat(),
        "command": "make bench ARGS=--save",
        "machine": {
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "load_average_before": list(load_before),
            "load_average_after": list(os.getloadavg()),
        },
        "effort": asdict(effort),
        "findings": [_as_json(finding) for finding in findings],
    }
    path.write_text(json.dumps(record, indent=2) + "\n")
    return path


def cpu_name() -> str:
    """Name of the processor, as it calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _slug(name: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "-".join(words)


def _as_json(finding: Finding) -> dict[str, object]:
    goal = None if finding.goal is None else str(finding.goal)
    value = {name: float(f"{number:.5g}") for name, number in asdict(finding.value).items()}
    return {
        "group": finding.group,
        "what": finding.what,
        **value,
        "unit": finding.unit,
        "goal": goal,
        "met": finding.met,
    }
