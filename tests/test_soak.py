"""The soak runs, measures and judges; a minute of it here, a day of it by ``make soak``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak import report
from benchmarks.soak.findings import Finding
from benchmarks.soak.meter import Sample, growth

ROOT = Path(__file__).parents[1]
PATIENCE_S = 150.0


@pytest.mark.usefixtures("household")
def test_a_minute_of_soak() -> None:
    """In a process of its own, as it looks at its own memory and threads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--hours", "0.02", "--paced-s", "6"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    heard = next(line for line in lines if line.startswith("| unpaced: heard"))
    assert "72.0000 s of 72.0000 s" in heard
    assert heard.endswith("| met |")
    # A minute is too short to say anything about growth; all else must hold.
    not_met = [line for line in lines if "**not met**" in line]
    assert not [line for line in not_met if not line.startswith(("| resident", "| threads |", "| latency"))]
    assert done.returncode == bool(not_met), done.stderr


def test_growth_is_from_the_first_tenth_on() -> None:
    samples = [Sample(n / 100, 100.0 + 100 * (n < 10) + (n >= 80), 7, 9) for n in range(101)]
    found = growth(samples, "rss_mib")
    assert (found.before, found.after) == (100.0, 101.0)
    assert found.share == pytest.approx(0.01)
    assert growth(samples, "n_files").share == 0.0


def test_the_result_is_kept_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", document)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    found = [Finding("one", "1", "1"), Finding("two", "3", "2", met=False)]
    path = report.save(found, [Sample(0.5, 100.0, 7, 9)], 24.0, 1, 3600.0)
    assert json.loads(path.read_text())["findings"][1]["met"] is False
    text = document.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n`make soak HOURS=24 SEED=1`")
    assert text.endswith(f"| two | 3 | 2 | **not met** |\n{report.END}\nafter\n")
    assert "old" not in text
