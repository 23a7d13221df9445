"""The benchmark runs, and finds each way to features."""

import math
from pathlib import Path

from benchmarks import features_in_training
from benchmarks.findings import QUICK


def test_it_finds_finite_numbers(tmp_path: Path) -> None:
    findings = features_in_training.measure(QUICK, tmp_path, tmp_path / "no shipped model")
    found = {finding.what: finding.value.median for finding in findings}
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    for way in (*features_in_training.ON_PROCESSOR, *features_in_training.STEPS):
        assert found[f"{way}: clips a second"] > 0
