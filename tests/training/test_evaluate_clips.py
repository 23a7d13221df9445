"""Verdicts on clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.training.data.clip import Clip
from listener.training.evaluate import Judged
from listener.training.evaluate.clips import average_precision, clip_figures

LABELS = ("low", "high", "smoke_alarm")


def judged(label: str, *windows: tuple[float, float, float], group: str = "") -> Judged:
    judged.n += 1  # type: ignore[attr-defined]
    path = f"{label}{judged.n}.flac"  # type: ignore[attr-defined]
    return Judged(Clip(path, label, group=group), np.array(windows, np.float32))


judged.n = 0  # type: ignore[attr-defined]


def test_a_clip_is_what_its_surest_window_says() -> None:
    answers = [
        judged("low", (0.2, 0.1, 0.0), (0.8, 0.1, 0.0)),
        judged("low", (0.1, 0.7, 0.0)),
        judged("high", (0.2, 0.6, 0.9)),  # no clip is a smoke alarm: it is no possible verdict
    ]
    figures = clip_figures(answers, LABELS)
    assert figures.labels == ("low", "high")
    assert figures.confusion == ((1, 1), (0, 1))
    assert figures.accuracy.value == pytest.approx(2 / 3)
    assert figures.per_label["low"].recall.value == 0.5
    assert figures.per_label["low"].precision.value == 1.0
    assert figures.per_label["high"].precision.value == 0.5
    assert figures.macro_f1.value == pytest.approx(2 / 3)
    assert figures.accuracy.low <= figures.accuracy.value <= figures.accuracy.high
    assert sum(one.clips for one in figures.calibration.bins) == 3
    assert str(figures) == str(clip_figures(answers, LABELS))


def test_clips_of_one_recording_are_one_piece_of_evidence() -> None:
    def some(group: str) -> list[Judged]:
        right, wrong = (0.9, 0.1, 0.0), (0.1, 0.9, 0.0)
        return [
            judged("low", right if n % 2 else wrong, group=group and f"{group}{n % 2}") for n in range(40)
        ] + [judged("high", wrong, group=group and "other")]

    apart, together = clip_figures(some(""), LABELS), clip_figures(some("one"), LABELS)
    assert together.groups == 3
    assert together.accuracy.high - together.accuracy.low > apart.accuracy.high - apart.accuracy.low


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.2001, 0.7, 1.0]), st.integers(0, 3)),
        min_size=2,
        max_size=30,
    )
)
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[bool, float, int]]) -> None:
    from sklearn.metrics import average_precision_score

    true = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], np.float32)
    weights = np.array([[1.0] * len(rows), [float(row[2]) for row in rows]])
    ours = average_precision(true, scores, weights)
    for one, weight in zip(ours, weights, strict=True):
        if (true * weight).sum() == 0:
            assert np.isnan(one)
        else:
            theirs = average_precision_score(true, scores, sample_weight=weight)
            assert one == pytest.approx(theirs)


def test_scores_that_keep_what_they_promise() -> None:
    sure = [judged("low", (0.75, 0.0, 0.0)) for _ in range(3)] + [judged("high", (0.75, 0.1, 0.0))]
    assert clip_figures(sure, LABELS).calibration.expected_error == pytest.approx(0.0, abs=1e-6)
    boastful = [judged("low", (1.0, 0.0, 0.0)), judged("high", (1.0, 0.1, 0.0))]
    assert clip_figures(boastful, LABELS).calibration.expected_error == pytest.approx(0.5)
