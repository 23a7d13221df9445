"""Events found against events that happened."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.events import LabelRule
from listener.training.evaluate.intervals import rate, rate_bound, resampled, share
from listener.training.evaluate.listening import Found, JudgedStream, LabelTrack
from listener.training.evaluate.matching import (
    Belongs,
    false_events,
    match,
    onset_and_offset_within,
    onset_within,
    overlaps,
    segments,
)
from listener.training.evaluate.psds import Setting, Spans, score
from listener.training.evaluate.references import Happening, Stream
from listener.training.evaluate.streams import delays, stream_figures
from listener.types import Prediction
from tests.training.made_up_events import LABELS, STREAM_S, Events, made_up

HOP_S, WINDOW_S = 0.5, 2.0


def happenings(events: Events, stream: str) -> list[Happening]:
    return [Happening(label, onset_s, offset_s) for label, onset_s, offset_s in events[stream]]


def founds(events: Events, stream: str) -> list[Found]:
    return [Found(label, onset_s, offset_s, offset_s, 1.0) for label, onset_s, offset_s in events[stream]]


# What sed_eval 0.2.1 counts (optimal matching, half of the length for offsets; with setuptools 80 and pandas
# 2.3.3): found, found in vain, missed; its substitutions are of both of the latter.
@pytest.mark.parametrize(
    ("belongs", "counts"),
    [
        (onset_within(0.2), (21, 69 + 2, 63 + 2)),
        (onset_and_offset_within(0.2), (17, 75, 69)),
        (onset_within(0.5), (51, 40 + 1, 34 + 1)),
        (onset_and_offset_within(0.5), (36, 56, 50)),
        (onset_within(1.0), (63, 29, 23)),
        (onset_and_offset_within(1.0), (46, 46, 40)),
    ],
)
def test_events_are_matched_as_sed_eval_does(belongs: Belongs, counts: tuple[int, int, int]) -> None:
    truth, (found,) = made_up(3)
    matches = [match(happenings(truth, name), founds(found, name), belongs) for name in truth]
    assert counts == (
        sum(len(one.pairs) for one in matches),
        sum(len(one.surplus) for one in matches),
        sum(len(one.missed) for one in matches),
    )


def test_segments_are_counted_as_sed_eval_does() -> None:
    truth, (found,) = made_up(3)
    true = np.concatenate([segments(happenings(truth, name), LABELS, int(STREAM_S), 1.0) for name in truth])
    said = np.concatenate([segments(founds(found, name), LABELS, int(STREAM_S), 1.0) for name in truth])
    assert ((true & said).sum(), (~true & said).sum(), (true & ~said).sum()) == (271, 204, 158)


# What psds_eval 0.5.3 computes (with pandas 2.3.3): detection, truth and cross-trigger criteria, and weight.
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(0.7, 0.7, 0.0, 0.0), 0.1889111196132635),
        (Setting(0.1, 0.1, 0.3, 0.5), 0.278932281086121),
        (Setting(0.5, 0.5, 0.3, 1.0), 0.09426942488238137),
    ],
)
def test_psds_is_that_of_its_authors(setting: Setting, expected: float) -> None:
    truth, found = made_up(3, (0.0, 0.2, 0.4, 0.6, 0.8))
    true = [[_spans(truth, name, label) for name in truth] for label in LABELS]
    said = [[[_spans(point, name, label) for point in found] for name in truth] for label in LABELS]
    assert score(true, said, 2 * STREAM_S, setting) == pytest.approx(expected, abs=1e-9)


def _spans(events: Events, stream: str, label: str) -> Spans:
    spans = [(onset_s, offset_s) for other, onset_s, offset_s in events[stream] if other == label]
    return np.array(spans, np.float64).reshape(-1, 2)


def test_a_second_event_within_one_is_surplus_but_not_in_vain() -> None:
    targets = [Happening("dog", 10.0, 20.0)]
    found = [Found("dog", 11.0, 12.0, 13.0, 1.0), Found("dog", 15.0, 16.0, 17.0, 1.0)]
    assert len(match(targets, found, overlaps).surplus) == 1
    assert false_events(targets, found) == []
    assert delays(targets, found) == [(targets[0], 3.0)]
    assert len(false_events(targets, [Found("cat", 11.0, 12.0, 13.0, 1.0)])) == 1


def heard(scores: list[float], *targets: Happening) -> JudgedStream:
    windows = [
        Prediction("stream", np.array([score], np.float32), n * HOP_S, n * HOP_S + WINDOW_S)
        for n, score in enumerate(scores)
    ]
    return JudgedStream(Stream(Path("stream.flac"), targets), tuple(windows), ("dog",))


@given(
    scores=st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9]), min_size=1, max_size=80),
    smooth=st.integers(1, 3),
    on=st.sampled_from([0.3, 0.5, 0.8]),
    share_off=st.sampled_from([0.4, 1.0]),
    release_s=st.sampled_from([0.0, 1.0, 2.5]),
    cooldown_s=st.sampled_from([0.0, 5.0]),
)
def test_a_thinned_stream_has_the_same_events(
    scores: list[float], smooth: int, on: float, share_off: float, release_s: float, cooldown_s: float
) -> None:
    rule = LabelRule(on, on * share_off, smooth, 0.0, release_s, cooldown_s)
    whole = heard(scores)
    track = LabelTrack(whole, "dog", lowest=0.1, most_smooth=3, longest_release_s=2.5)
    thinned = [(one.onset_s, one.offset_s, one.peak_score) for one in track.events(rule)]
    assert thinned == [(one.onset_s, one.offset_s, one.peak_score) for one in whole.events([rule])]
    told = [one.told_s for one in whole.events([rule])]
    assert [one.told_s for one in track.events(rule)] == told


def test_figures_of_a_stream() -> None:
    scores = [0.0] * 20 + [0.9] * 6 + [0.0] * 40 + [0.9] * 6 + [0.0] * 20
    stream = heard(scores, Happening("dog", 11.0, 14.0, snr_db=12.0), Happening("cow", 20.0, 22.0))
    figures = stream_figures([stream], [LabelRule(0.5, 0.25)])
    dog = figures.per_label["dog"]
    assert (dog.targets, dog.found, dog.false_events) == (1, 1, 1)
    assert figures.unknown_targets == {"cow": 1}
    assert figures.events["overlap"].f1.value == pytest.approx(2 / 3)
    assert figures.false_per_hour.value == pytest.approx(3600 / stream.duration_s)
    assert figures.latency.median_s.value == pytest.approx(1.0)  # the window from 10 to 12 s is the first
    (ring,) = figures.by_snr
    assert (ring.low_db, ring.high_db, ring.targets, ring.found.value) == (10.0, 15.0, 1, 1.0)


def test_a_stream_in_which_nothing_happens() -> None:
    figures = stream_figures([heard([0.0] * 7200)], [LabelRule(0.5, 0.25)])
    assert np.isnan(figures.events["overlap"].f1.value)
    assert figures.negative_hours == pytest.approx(1.0, abs=0.01)
    assert (figures.false_events, figures.negative_false_events) == (0, 0)
    assert figures.false_per_hour.high == pytest.approx(3.69, abs=0.02)


def test_the_rule_of_three() -> None:
    assert rate_bound(0, 10.0) == pytest.approx(0.3, abs=0.001)
    assert rate(0, 10.0).low == 0.0
    assert rate(4, 2.0).value == 2.0
    assert rate(4, 2.0).low < 2.0 < rate(4, 2.0).high


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_share_lies_in_its_interval(successes: int, others: int) -> None:
    figure = share(successes, successes + others)
    assert 0.0 <= figure.low <= figure.high <= 1.0
    assert successes + others == 0 or figure.low <= figure.value <= figure.high


def test_what_belongs_together_is_drawn_together() -> None:
    weights = resampled(["a", "a", "b", "c"], seed=1, n_resamples=50)
    assert weights.shape == (51, 4)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (weights == resampled(["a", "a", "b", "c"], seed=1, n_resamples=50)).all()
