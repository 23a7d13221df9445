"""Every benchmark runs and finds something. How fast anything is, is not a test's business."""

import math
from pathlib import Path

import pytest

from benchmarks import actions, cost, decode, export, features, model, reaction, startup
from benchmarks.findings import QUICK, Finding, Spread, at_least, at_most, ratio
from benchmarks.report import lines

BENCHMARKS = {
    module.GROUP: module.measure
    for module in (decode, features, model, export, cost, reaction, actions, startup)
}


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")  # librosa's own
@pytest.mark.parametrize("group", BENCHMARKS)
def test_a_benchmark_finds_finite_numbers(group: str, tmp_path: Path) -> None:
    findings = BENCHMARKS[group](QUICK, tmp_path, tmp_path / "no shipped model")
    assert findings
    for finding in findings:
        assert math.isfinite(finding.value.median)
        assert finding.value.low <= finding.value.median <= finding.value.high
        assert finding.value.median >= 0
    assert any(finding.goal is not None for finding in findings)
    assert len(list(lines(findings))) == len(findings)


def test_no_frame_depends_on_how_the_stream_was_cut(tmp_path: Path) -> None:
    found = {finding.what: finding.value for finding in features.measure(QUICK, tmp_path, tmp_path)}
    assert found["frames that depend on how the stream was cut"].high == 0


def test_goals_know_which_way_is_better() -> None:
    assert at_most("G1", 0.5).met_by(0.5)
    assert not at_most("G1", 0.5).met_by(0.51)
    assert at_least("G2", 8).met_by(8)
    assert not at_least("G2", 8).met_by(7.9)
    assert Finding("cost", "x", Spread(9, 8, 10), goal=at_least("G2", 8)).met
    assert Finding("cost", "x", Spread(9, 8, 10)).met is None


def test_a_ratio_is_taken_round_by_round() -> None:
    spread = ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0])
    assert (spread.low, spread.median, spread.high) == (1.5, 2.0, 2.5)
