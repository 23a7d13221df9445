"""The event logic: a table of what must happen, and what holds whatever happens."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from listener.events import EventDetector, LabelRule, new_id
from listener.types import Decision, Event, Phase, Prediction, Reason

HOP_S = 0.5
WINDOW_S = 2.0
RULE = LabelRule(threshold_on=0.5, threshold_off=0.25, release_s=1.0, cooldown_s=0.0)

LETTERS = {
    ".": Reason.QUIET,
    "s": Reason.TOO_SHORT,
    "c": Reason.COOLDOWN,
    "B": Reason.ONSET,
    "-": Reason.ONGOING,
    "r": Reason.RELEASING,
    "E": Reason.OFFSET,
}


def window(index: int, *scores: float, after_gap: bool = False, start_s: float | None = None) -> Prediction:
    start_s = index * HOP_S if start_s is None else start_s
    return Prediction("mic", np.array(scores, np.float32), start_s, start_s + WINDOW_S, after_gap)


def detector(rule: LabelRule | None = RULE, *more: LabelRule | None) -> EventDetector:
    ids = (f"e{number}" for number in count())
    rules = [rule, *more]
    return EventDetector("mic", "m/1", [f"l{index}" for index in range(len(rules))], rules, ids.__next__)


def run(rule: LabelRule, scores: Sequence[float]) -> tuple[str, list[Event]]:
    """What became of each window, as letters, and the events."""
    engine = detector(rule)
    events: list[Event] = []
    reasons: list[Reason] = []
    for index, score in enumerate(scores):
        now, (decision,) = engine.step(window(index, score))
        events += now
        reasons.append(decision.reason)
    events += engine.finish((len(scores) - 1) * HOP_S + WINDOW_S)
    letters = {reason: letter for letter, reason in LETTERS.items()}
    return "".join(letters[reason] for reason in reasons), events


@pytest.mark.parametrize(
    ("what", "changes", "tenths", "reasons"),
    [
        ("nothing", {}, "000400", "......"),
        ("at threshold_on", {}, "00500000", "..BrE..."),
        ("once, until it is over", {}, "009990000", "..B--rE.."),
        ("between the thresholds it goes on", {}, "00933333000", "..B-----rE."),
        ("between the thresholds nothing begins", {}, "00333000", "........"),
        ("a dip is no end", {}, "0090900000", "..Br-rE..."),
        ("a longer release", {"release_s": 2.0}, "0090009000000", "..Brrr-rrrE.."),
        ("no release", {"release_s": 0.0}, "0090900", "..BEBE."),
        ("too short", {"min_duration_s": 1.5}, "00999999000000", "..ssssss......"),
        ("long enough", {"min_duration_s": 1.5}, "00999999900000", "..ssssssBrE..."),
        ("twice too short", {"min_duration_s": 1.5}, "009999990999999000", "..ssssss.ssssss..."),
        ("cooldown", {"cooldown_s": 3.0}, "00900009999999", "..BrE..ccB----"),
        ("smoothing passes over what is short", {"smooth": 2}, "00900900", "........"),
        ("smoothing lets what lasts through", {"smooth": 2}, "00990000", "...B-rE."),
    ],
)
def test_windows_and_reasons(what: str, changes: dict[str, Any], tenths: str, reasons: str) -> None:
    got, events = run(replace(RULE, **changes), [int(digit) / 10 for digit in tenths])
    assert got == reasons, what
    assert len(events) == 2 * reasons.count("B")


def test_both_ends_of_an_event() -> None:
    _, events = run(RULE, [0.0, 0.0, 0.625, 0.875, 0.3, 0.2, 0.125, 0.0])
    onset, offset = events
    assert onset == Event(
        id="e0",
        phase=Phase.ONSET,
        source="mic",
        label="l0",
        onset_s=2.5,
        offset_s=None,
        score=0.625,
        peak_score=0.625,
        model="m/1",
    )
    assert offset == replace(
        onset,
        phase=Phase.OFFSET,
        offset_s=3.0,
        peak_score=0.875,
    )


def test_the_peak_is_known_from_the_first_window_on() -> None:
    _, events = run(replace(RULE, min_duration_s=1.0), [0.0, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.0])
    assert [event.peak_score for event in events] == [pytest.approx(0.9)] * 2


def test_a_decision_says_what_was_compared_with_what() -> None:
    engine = detector(replace(RULE, smooth=2))
    decisions = [engine.step(window(index, score))[1][0] for index, score in enumerate([0.25, 0.75, 0.75])]
    assert decisions == [
        Decision("mic", "l0", 2.0, 0.25, 0.25, 0.5, Reason.QUIET),
        Decision("mic", "l0", 2.5, 0.75, 0.5, 0.5, Reason.ONSET),
        Decision("mic", "l0", 3.0, 0.75, 0.75, 0.25, Reason.ONGOING),
    ]


def test_labels_do_not_disturb_each_other_and_some_make_no_events() -> None:
    engine = detector(RULE, None, RULE)
    events, decisions = engine.step(window(0, 0.9, 0.9, 0.0))
    assert [event.label for event in events] == ["l0"]
    assert [decision.label for decision in decisions] == ["l0", "l2"]
    events, decisions = engine.step(window(1, 0.9, 0.9, 0.9))
    assert [event.label for event in events] == ["l2"]
    assert [decision.reason for decision in decisions] == [Reason.ONGOING, Reason.ONSET]


def test_the_end_of_the_sound_ends_what_goes_on() -> None:
    _, events = run(RULE, [0.0, 0.0, 0.9, 0.9])
    assert events[-1].phase is Phase.OFFSET
    assert events[-1].offset_s == 1.5 + WINDOW_S
    _, events = run(RULE, [0.0, 0.0, 0.9, 0.9, 0.0])
    assert events[-1].offset_s == 3.0, "it had faded already"


def test_what_is_heard_from_the_very_first_window_on_begins_with_it() -> None:
    _, events = run(RULE, [0.9, 0.0, 0.0, 0.0])
    assert (events[0].onset_s, events[1].offset_s) == (0.0, 0.5)


def test_a_gap_that_is_short_does_not_end_an_event() -> None:
    engine = detector()
    engine.step(window(0, 0.9))
    events, (decision,) = engine.step(window(0, 0.9, start_s=2.5, after_gap=True))
    assert (events, decision.reason) == ([], Reason.ONGOING)


@pytest.mark.parametrize(("after", "reason"), [(0.0, Reason.QUIET), (0.9, Reason.ONSET)])
def test_a_gap_ends_what_was_not_heard_for_too_long(after: float, reason: Reason) -> None:
    engine = detector()
    engine.step(window(0, 0.9))
    events, (decision,) = engine.step(window(0, after, start_s=60.0, after_gap=True))
    assert decision.reason is reason
    ended, *begun = events
    assert (ended.phase, ended.onset_s, ended.offset_s) == (Phase.OFFSET, 0.0, 2.0)
    assert [(event.phase, event.onset_s, event.after_gap) for event in begun] == (
        [(Phase.ONSET, 60.0, True)] if after else []
    )


def test_what_faded_before_a_gap_ended_there() -> None:
    engine = detector(replace(RULE, release_s=3.0))
    for index, score in enumerate([0.0, 0.9, 0.0]):
        engine.step(window(index, score))
    (ended,), _ = engine.step(window(0, 0.0, start_s=60.0, after_gap=True))
    assert (ended.onset_s, ended.offset_s) == (2.0, 2.5)


def test_scores_from_before_a_gap_are_not_mixed_with_those_after_it() -> None:
    engine = detector(replace(RULE, smooth=4, min_duration_s=2.5))
    for index in range(2):
        engine.step(window(index, 0.9))
    _, (decision,) = engine.step(window(0, 0.0, start_s=10.0, after_gap=True))
    assert decision.smoothed_score == 0.0
    _, (decision,) = engine.step(window(0, 0.9, start_s=20.0, after_gap=True))
    assert decision.reason is Reason.TOO_SHORT


def test_a_flagged_window_marks_its_event_only() -> None:
    engine = detector()
    (first,), _ = engine.step(window(0, 0.9, after_gap=True))
    assert first.after_gap
    engine = detector()
    engine.step(window(0, 0.0, after_gap=True))
    (first,), _ = engine.step(window(1, 0.9))
    assert not first.after_gap


@pytest.mark.parametrize("hop_s", [2.0, 3.0])
def test_windows_that_lie_side_by_side_or_apart_are_one_stream(hop_s: float) -> None:
    """With such a hop, smoothing and a minimum duration of several windows work as ever."""
    engine = detector(replace(RULE, smooth=2, min_duration_s=hop_s, release_s=0.0))
    reasons, events = [], []
    for index, score in enumerate([0.0, 1.0, 1.0, 1.0, 0.0, 0.0]):
        now, (decision,) = engine.step(window(0, score, start_s=index * hop_s))
        reasons.append(decision.reason)
        events += now
    assert reasons == [
        Reason.QUIET,
        Reason.TOO_SHORT,
        Reason.ONSET,
        Reason.ONGOING,
        Reason.ONGOING,
        Reason.OFFSET,
    ]
    assert [event.onset_s for event in events] == [hop_s, hop_s]


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def heard_by_an_ideal_model(begin: int, end: int, window_hops: int, rule: LabelRule) -> list[Event]:
    """Its score is 1 where a window overlaps the sound, else 0; times in quarters of a hop."""
    engine = detector(rule)
    events = []
    for index in range(end // 4 + 20):
        start, stop = 4 * index, 4 * (index + window_hops)
        score = float(start < end and begin < stop)
        prediction = Prediction("mic", np.array([score], np.float32), start / 8, stop / 8)
        events += engine.step(prediction)[0]
    return events


@given(st.integers(80, 240), st.integers(1, 80), st.integers(2, 12), st.integers(0, 6))
def test_an_ideal_model_places_both_ends_exactly_to_a_hop(
    begin: int, length: int, window_hops: int, release: int
) -> None:
    end = begin + length
    onset, offset = heard_by_an_ideal_model(begin, end, window_hops, replace(RULE, release_s=release / 2))
    assert (onset.phase, offset.phase) == (Phase.ONSET, Phase.OFFSET)
    assert offset.offset_s is not None
    assert begin / 8 - HOP_S < offset.onset_s <= begin / 8
    assert end / 8 <= offset.offset_s < end / 8 + HOP_S


@given(st.integers(80, 240), st.integers(1, 80), st.integers(2, 12), st.integers(1, 40))
def test_and_knows_to_a_hop_what_is_too_short(
    begin: int, length: int, window_hops: int, min_duration: int
) -> None:
    rule = replace(RULE, min_duration_s=min_duration / 8)
    events = heard_by_an_ideal_model(begin, begin + length, window_hops, rule)
    if length + 4 <= min_duration:
        assert events == []
    if length - 4 >= min_duration:
        assert len(events) == 2


@dataclass(frozen=True)
class Case:
    rules: list[LabelRule | None]
    predictions: list[Prediction]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    def rule() -> LabelRule | None:
        if draw(st.integers(0, 4)) == 4:
            return None
        on = draw(st.sampled_from([0.25, 0.5, 1.0]))
        return LabelRule(
            threshold_on=on,
            threshold_off=on * draw(st.sampled_from([0.25, 0.5, 1.0])),
            smooth=draw(st.integers(1, 4)),
            min_duration_s=draw(st.sampled_from([0.0, 0.4, 1.0, 2.5])),
            release_s=draw(st.sampled_from([0.0, 0.3, 1.0, 3.0])),
            cooldown_s=draw(st.sampled_from([0.0, 0.7, 5.0])),
        )

    rules = [rule() for _ in range(draw(st.integers(1, 3)))]
    score = st.sampled_from([0.0, 0.125, 0.25, 0.3, 0.5, 0.7, 1.0])
    hop_s = draw(st.sampled_from([0.1, 0.5, 2.0, 3.0]))
    start_s, predictions = 0.0, []
    n_windows = draw(st.integers(0, 40))
    for index in range(n_windows):
        lost_s = draw(st.sampled_from([0.0] * 6 + [0.01, 2.5, 60.0]))
        start_s += hop_s + (lost_s and WINDOW_S + lost_s)
        scores = np.array([draw(score) for _ in rules], np.float32)
        # The sound may end within the last window.
        length_s = max(0.2, WINDOW_S - hop_s / 2) if index == n_windows - 1 else WINDOW_S
        predictions.append(Prediction("mic", scores, start_s, start_s + length_s, lost_s > 0))
    return Case(rules, predictions)


def steps(case: Case) -> Iterator[tuple[Prediction, list[Event], list[Decision]]]:
    engine = detector(*case.rules)
    for prediction in case.predictions:
        yield prediction, *engine.step(prediction)
    if case.predictions:
        last = case.predictions[-1]
        yield last, engine.finish(last.end_s), []


@given(cases())
def test_every_onset_has_its_offset_and_events_of_a_label_never_meet(case: Case) -> None:
    rules = {f"l{index}": rule for index, rule in enumerate(case.rules)}
    opened: dict[str, Event] = {}
    last_offset_s: dict[str, float] = {}
    ids = set()
    for prediction, events, _ in steps(case):
        for event in events:
            rule = rules[event.label]
            assert rule is not None
            if event.phase is Phase.ONSET:
                assert event.label not in opened
                assert event.id not in ids
                assert event.offset_s is None
                if event.label in last_offset_s:
                    assert event.onset_s >= last_offset_s[event.label] + rule.cooldown_s
                opened[event.label] = event
                ids.add(event.id)
            else:
                onset = opened.pop(event.label)
                assert (event.id, event.onset_s, event.after_gap) == (
                    onset.id,
                    onset.onset_s,
                    onset.after_gap,
                )
                assert event.offset_s is not None
                assert event.onset_s <= event.offset_s <= prediction.end_s
                assert event.offset_s - event.onset_s >= rule.min_duration_s
                assert event.peak_score >= onset.peak_score >= onset.score >= rule.threshold_on
                last_offset_s[event.label] = event.offset_s
    assert not opened


@given(cases())
def test_every_window_has_a_decision_for_every_label_and_the_events_follow_from_them(case: Case) -> None:
    rules = {f"l{index}": rule for index, rule in enumerate(case.rules)}
    labels = [label for label, rule in rules.items() if rule is not None]
    is_open = dict.fromkeys(labels, False)
    for prediction, events, decisions in steps(case):
        if not decisions:
            continue
        assert [decision.label for decision in decisions] == labels
        phases = {label: [event.phase for event in events if event.label == label] for label in labels}
        for decision in decisions:
            label, reason, rule = decision.label, decision.reason, rules[decision.label]
            assert rule is not None
            if phases[label][:1] == [Phase.OFFSET] and reason is not Reason.OFFSET:
                assert prediction.after_gap, "only a gap ends an event without a decision"
                is_open[label] = False
                phases[label].pop(0)
            assert decision.score == prediction.scores[int(label[1:])]
            assert decision.end_s == prediction.end_s
            assert decision.threshold == (rule.threshold_off if is_open[label] else rule.threshold_on)
            is_above = decision.smoothed_score >= decision.threshold
            assert is_above == (reason not in (Reason.QUIET, Reason.RELEASING, Reason.OFFSET))
            assert is_open[label] == (reason in (Reason.ONGOING, Reason.RELEASING, Reason.OFFSET))
            expected = {Reason.ONSET: [Phase.ONSET], Reason.OFFSET: [Phase.OFFSET]}.get(reason, [])
            assert phases[label] == expected
            if reason in (Reason.ONSET, Reason.OFFSET):
                is_open[label] = reason is Reason.ONSET


@given(cases())
def test_the_peak_is_the_highest_score_from_the_first_sign_to_the_end(case: Case) -> None:
    rising: dict[str, list[float]] = defaultdict(list)
    opened: set[str] = set()
    for prediction, events, decisions in steps(case):
        for event in events:
            if event.phase is Phase.OFFSET:
                opened.remove(event.label)
                assert event.peak_score == max(rising.pop(event.label))
        for decision in decisions:
            if prediction.after_gap and decision.label not in opened:
                rising.pop(decision.label, None)
            if decision.reason in (Reason.QUIET, Reason.COOLDOWN, Reason.OFFSET):
                rising.pop(decision.label, None)
            else:
                rising[decision.label].append(decision.smoothed_score)
        for event in events:
            if event.phase is Phase.ONSET:
                opened.add(event.label)
                assert event.peak_score == max(rising[event.label])


@given(cases())
def test_the_same_predictions_give_the_same_events(case: Case) -> None:
    assume(case.predictions)
    assert list(steps(case)) == list(steps(case))
