"""Recordings as a whole: analysed, scored, and never for nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.errors import SourceError
from listener.events import LabelRule
from listener.offline import analyze, finished_events, pool, predict_source, predict_whole
from listener.testing import Lost, ScriptedClassifier, ScriptedSource, Step, tiny_bundle
from listener.types import Event, Phase, Reason, Samples

RATE = 16_000
RULES = [LabelRule(threshold_on=0.5, threshold_off=0.25, release_s=0.25, cooldown_s=0.0)]


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float, seed: int = 0) -> Samples:
    random = np.random.default_rng(seed)
    return np.asarray(np.clip(0.2 * random.standard_normal(round(seconds * RATE)), -1, 1), np.float32)


def file(*script: Step, sample_rate: int = RATE) -> ScriptedSource:
    return ScriptedSource("yard", script, sample_rate, live=False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TorchScriptClassifier:
    path: Path = tmp_path_factory.mktemp("offline") / "tiny.pt"
    tiny_bundle(path)
    return TorchScriptClassifier(path, read_card(path))


def test_events_of_a_recording_lie_where_its_sounds_are() -> None:
    source = file(silence(3), noise(1), silence(3), noise(0.5), silence(3))
    first, second = finished_events(source, ScriptedClassifier(), RULES, 0.25)
    assert (first.onset_s, first.offset_s) == (3.0, 4.0)
    assert (second.onset_s, second.offset_s) == (7.0, 7.5)
    assert {first.source, second.source} == {"yard"}
    assert {first.model, second.model} == {"scripted/1.0.0"}
    assert (first.started_at, first.ended_at) == (None, None)
    assert first.id != second.id
    assert source.closed > 0


def test_events_are_sorted_by_onset_though_they_end_in_another_order() -> None:
    def scores(samples: Samples) -> list[float]:
        peak = np.abs(samples).max()
        return [float(peak > 0.5), float(peak > 0.01)]

    low, high = np.full(RATE, 0.1, np.float32), np.full(RATE, 0.9, np.float32)
    source = file(silence(2), low, high, low, silence(2))
    events = finished_events(source, ScriptedClassifier(("loud", "any"), scores), RULES * 2, 0.25)
    assert [event.label for event in events] == ["any", "loud"]


def test_what_goes_on_at_the_end_ends_with_it() -> None:
    steps = list(analyze(file(silence(2), noise(1.1)), ScriptedClassifier(), RULES, 0.25))
    events: list[Event] = [event for found, _ in steps for event in found]
    assert [event.phase for event in events] == [Phase.ONSET, Phase.OFFSET]
    assert events[-1].offset_s == pytest.approx(3.1)
    assert steps[-1] == ([events[-1]], [])
    assert all(len(decisions) == 1 for _, decisions in steps[:-1])
    assert steps[0][1][0].reason is Reason.QUIET


@pytest.mark.parametrize("script", [(), (silence(0),), (None, silence(0))])
def test_a_recording_without_sound_has_no_events(script: tuple[Step, ...]) -> None:
    assert finished_events(file(*script), ScriptedClassifier(), RULES, 0.25) == []
    scores, duration_s = predict_whole(file(*script), ScriptedClassifier())
    assert (scores.tolist(), duration_s) == ([0.0], 0.0)


def test_a_recording_shorter_than_a_window_is_heard() -> None:
    (event,) = finished_events(file(noise(0.2)), ScriptedClassifier(window_s=1.0), RULES, 0.25)
    assert (event.onset_s, event.offset_s) == (0.0, 0.2)
    scores, duration_s = predict_whole(file(noise(0.2)), ScriptedClassifier(window_s=1.0))
    assert (scores.tolist(), duration_s) == ([1.0], 0.2)


def test_lost_samples_are_no_silence() -> None:
    source = file(noise(2), Lost(10 * RATE), noise(2))
    predictions = list(predict_source(source, ScriptedClassifier(), 0.25))
    assert all(prediction.scores.tolist() == [1.0] for prediction in predictions)
    assert [prediction.start_s for prediction in predictions if prediction.after_gap] == [12.0]


@pytest.mark.parametrize("max_batch", [1, 3, 8, 100])
def test_scores_do_not_depend_on_the_batches(max_batch: int, tiny: TorchScriptClassifier) -> None:
    def scores(classifier: Classifier) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        found = predict_source(file(noise(3), noise(2, seed=1)), classifier, 0.1)
        return np.stack([prediction.scores for prediction in found])

    expected = scores(tiny)
    tiny.max_batch = max_batch
    try:
        np.testing.assert_array_equal(scores(tiny), expected)
    finally:
        del tiny.max_batch


def test_no_batch_is_larger_than_the_classifier_wants() -> None:
    for call in (
        lambda c: list(predict_source(file(noise(9)), c, 0.1)),
        lambda c: predict_whole(file(noise(9)), c),
    ):
        classifier = ScriptedClassifier()
        call(classifier)
        assert max(classifier.batches) == classifier.max_batch
        assert sum(classifier.batches) > 30


def test_a_source_that_fails_is_closed_and_the_failure_told() -> None:
    source = file(noise(2), SourceError("the disk is gone"))
    with pytest.raises(SourceError, match="the disk is gone"):
        finished_events(source, ScriptedClassifier(), RULES, 0.25)
    assert source.closed > 0
    source = ScriptedSource("yard", [], open_problems=[SourceError("no such file")])
    with pytest.raises(SourceError, match="no such file"):
        predict_whole(source, ScriptedClassifier())
    assert source.closed > 0


@settings(max_examples=15, deadline=None)
@given(
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    before=st.integers(0, 20_000),
    after=st.integers(0, 20_000),
    length=st.integers(1, 30_000),
)
@example(rate=16_000, before=0, after=0, length=8448)
@example(rate=16_000, before=1, after=1, length=1)
def test_silence_at_the_edges_changes_no_score(
    rate: int, before: int, after: int, length: int, tiny: TorchScriptClassifier
) -> None:
    samples = noise(2)[:length]
    expected, _ = predict_whole(file(samples, sample_rate=rate), tiny)
    padded = np.concatenate((np.zeros(before, np.float32), samples, np.zeros(after, np.float32)))
    scores, duration_s = predict_whole(file(padded, sample_rate=rate), tiny)
    np.testing.assert_array_equal(scores, expected)
    assert duration_s == len(padded) / rate


def test_digital_silence_scores_nothing(tiny: TorchScriptClassifier) -> None:
    scores, duration_s = predict_whole(file(silence(3)), tiny)
    assert (scores.tolist(), duration_s) == ([0.0, 0.0, 0.0], 3.0)


def test_a_short_sound_counts_as_much_in_a_long_recording() -> None:
    short, _ = predict_whole(file(noise(0.1)), ScriptedClassifier())
    quiet = np.full(30 * RATE, 2e-3, np.float32)
    long, _ = predict_whole(file(quiet, noise(0.1), quiet), ScriptedClassifier())
    assert short.tolist() == long.tolist() == [1.0]


def test_windows_are_joined_by_their_highest_score() -> None:
    scores = np.array([[0.1, 0.9], [0.5, 0.2]], np.float32)
    np.testing.assert_array_equal(pool(scores), np.array([0.5, 0.9], np.float32))
