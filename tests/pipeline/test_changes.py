"""Other rules, another model, other actions, while the engine runs: no sound is lost between the two."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from listener.actions.base import Action, ActionContext
from listener.config import ActionSettings, Options
from listener.errors import ActionError
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.testing import CollectingAction, ScriptedClassifier, ScriptedSource, Step
from listener.types import Decision, Event, Phase, Prediction, Samples

RATE = 16_000
PATIENCE_S = 60.0
RULE = LabelRule(0.5, 0.5, release_s=0.25, cooldown_s=0.0)
ALWAYS = LabelRule(0.1, 0.1, release_s=0.25, cooldown_s=0.0)
ANY = ActionSettings(use="test", when="both")


def sound(seconds: float, level: float) -> list[Step]:
    n_chunks = round(seconds / 0.05)
    return [np.full(RATE // 20, level, np.float32)] * n_chunks


def score(samples: Samples) -> list[float]:
    return [min(1.0, float(np.abs(samples).max(initial=0.0)))]


class Engine:
    """An engine whose source stops at gates; what it tells is kept."""

    def __init__(self, script: Sequence[Step], actions: Sequence[tuple[Action, ActionSettings]] = ()) -> None:
        self.windows: list[Prediction] = []
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self.pipeline = Pipeline(
            [ScriptedSource("mic", script)],
            ScriptedClassifier(score=score),
            [RULE],
            0.25,
            actions,
            self._on_event,
            self._on_step,
        )

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S)

    def finish(self) -> None:
        assert self.pipeline.done.wait(PATIENCE_S)

    def ends(self) -> list[tuple[str, float, float | None]]:
        return [(e.label, e.onset_s, e.offset_s) for e in self.events if e.phase is Phase.OFFSET]

    def _on_event(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def _on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        with self._changed:
            self.windows.append(prediction)
            self._changed.notify_all()


@contextmanager
def running(
    script: Sequence[Step], actions: Sequence[tuple[Action, ActionSettings]] = ()
) -> Iterator[Engine]:
    engine = Engine(script, actions)
    engine.pipeline.start()
    try:
        yield engine
    finally:
        engine.pipeline.stop()
    engine.pipeline.raise_failure()


def test_an_event_goes_on_across_a_change_of_rules_and_model() -> None:
    gate = threading.Event()
    with running([*sound(2, 0.0), *sound(2, 0.7), gate, *sound(2, 0.7), *sound(2, 0.0)]) as engine:
        engine.wait_until(lambda: len(engine.windows) >= 13)
        other = ScriptedClassifier(labels=("other", "sound"), score=lambda samples: [0.0, *score(samples)])
        assert engine.pipeline.change_analysis(other, [None, ALWAYS], 0.25)
        gate.set()
        engine.finish()
    onset, offset = engine.events
    assert (onset.phase, offset.phase) == (Phase.ONSET, Phase.OFFSET)
    assert onset.id == offset.id
    assert (offset.onset_s, offset.offset_s) == (2.0, 6.0)
    # Every hop of the stream was looked at, once.
    assert [window.end_s for window in engine.windows] == [1.0 + 0.25 * n for n in range(29)]
    assert not any(window.after_gap for window in engine.windows)


def test_an_event_of_a_label_that_is_no_more_ends() -> None:
    gate = threading.Event()
    with running([*sound(2, 0.7), gate, *sound(2, 0.7)]) as engine:
        engine.wait_until(lambda: len(engine.windows) >= 5)
        other = ScriptedClassifier(labels=("other",), score=score)
        assert engine.pipeline.change_analysis(other, [RULE], 0.25)
        gate.set()
        engine.finish()
    assert engine.ends() == [("sound", 0.0, 2.0), ("other", 2.0, 4.0)]


def test_a_higher_threshold_holds_from_the_next_window_on() -> None:
    gate = threading.Event()
    with running([*sound(2, 0.7), gate, *sound(2, 0.7), *sound(2, 0.0), *sound(2, 0.7)]) as engine:
        engine.wait_until(lambda: len(engine.windows) >= 5)
        engine.pipeline.change_analysis(ScriptedClassifier(score=score), [LabelRule(0.9, 0.6)], 0.25)
        gate.set()
        engine.finish()
    assert engine.ends() == [("sound", 0.0, 4.0)]


@pytest.mark.parametrize(("window_s", "hop_s"), [(1.0, 0.1), (1.0, 0.5), (3.0, 0.25), (0.5, 0.25)])
def test_other_windows_leave_no_sound_out(window_s: float, hop_s: float) -> None:
    gate = threading.Event()
    with running([*sound(5, 0.0), gate, *sound(5, 0.0)]) as engine:
        engine.wait_until(lambda: len(engine.windows) >= 17)
        other = ScriptedClassifier(score=score, window_s=window_s)
        assert engine.pipeline.change_analysis(other, [RULE], hop_s)
        before = list(engine.windows)
        gate.set()
        engine.finish()
    after = engine.windows[len(before) :]
    assert after[0].end_s == pytest.approx(before[-1].end_s + hop_s, abs=0.01)
    assert after[0].start_s <= before[-1].end_s
    assert not any(window.after_gap for window in after)
    assert np.diff([window.end_s for window in after[:-1]]) == pytest.approx(hop_s, abs=1e-3)
    assert after[-1].end_s == pytest.approx(10.0)


def test_other_actions_answer_what_comes_and_the_old_see_to_what_was() -> None:
    gate, old, new = threading.Event(), CollectingAction("old"), CollectingAction("new")
    with running([*sound(1, 0.0), *sound(1, 0.7), gate, *sound(2, 0.0)], [(old, ANY)]) as engine:
        engine.wait_until(lambda: len(engine.events) == 1)
        engine.pipeline.change_actions([(new, ANY)])
        gate.set()
        engine.finish()
    assert [event.phase for event in old.events] == [Phase.ONSET]
    assert [event.phase for event in new.events] == [Phase.OFFSET]


class Impossible(Action):
    """Cannot work."""

    def open(self) -> None:
        raise ActionError("no such thing")

    def run(self, event: Event, context: ActionContext) -> None:
        raise AssertionError


def test_actions_that_cannot_work_change_nothing() -> None:
    gate, old = threading.Event(), CollectingAction("old")
    with running([*sound(1, 0.7), gate, *sound(2, 0.0)], [(old, ANY)]) as engine:
        engine.wait_until(lambda: len(engine.events) == 1)
        with pytest.raises(ActionError, match="no such thing"):
            engine.pipeline.change_actions([(Impossible("bad", Options()), ANY)])
        gate.set()
        engine.finish()
    assert [event.phase for event in old.events] == [Phase.ONSET, Phase.OFFSET]


def test_a_change_that_was_given_up_never_comes_into_force() -> None:
    """A model that is stuck for long: nobody waits, and the model that was to follow may be closed."""
    asked, stuck, gate = threading.Event(), threading.Event(), threading.Event()

    def slow(samples: Samples) -> list[float]:
        asked.set()
        stuck.wait(PATIENCE_S)
        return score(samples)

    script = [*sound(2, 0.0), *sound(1, 0.7), gate, *sound(3, 0.0)]
    events: list[Event] = []
    pipeline = Pipeline(
        [ScriptedSource("mic", script)], ScriptedClassifier(score=slow), [RULE], 0.25, on_event=events.append
    )
    pipeline.start()
    try:
        assert asked.wait(PATIENCE_S)
        closed = ScriptedClassifier(score=lambda samples: [1.0], window_s=0.5)
        assert not pipeline.change_analysis(closed, [RULE], 0.1, timeout_s=0.3)
        stuck.set()
        gate.set()
        assert pipeline.done.wait(PATIENCE_S)
    finally:
        stuck.set()
        gate.set()
        pipeline.stop()
    pipeline.raise_failure()
    assert closed.batches == []
    assert [event.phase for event in events] == [Phase.ONSET, Phase.OFFSET]
