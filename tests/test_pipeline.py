"""The engine with its threads: what it loses, what it says, and how it ends."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.actions.base import Action, ActionContext
from listener.actions.clip import ClipAction, ClipOptions
from listener.actions.command.action import CommandAction, CommandOptions
from listener.config import ActionSettings, Options
from listener.errors import ActionError, DeviceError, ModelError
from listener.events import LabelRule
from listener.pipeline import Pipeline, StageFailure, inference
from listener.testing import CollectingAction, Lost, ScriptedClassifier, ScriptedSource, Step
from listener.types import Event, Phase, Samples, SourceState

RATE = 16_000
PATIENCE_S = 60.0
RULE = LabelRule(0.5, 0.5, release_s=0.25, cooldown_s=0.0)
ANY = ActionSettings(use="test", when="both")


def sound(seconds: float, loud: bool, chunk_s: float = 0.05) -> list[Step]:
    """Chunks of noise, loud or next to silent."""
    rng = np.random.default_rng(round(1000 * seconds) + loud)
    samples = rng.uniform(-1, 1, round(seconds * RATE)).astype(np.float32) * (0.5 if loud else 0.001)
    return [*np.split(samples, range(round(chunk_s * RATE), len(samples), round(chunk_s * RATE)))]


def bursts(n: int) -> list[Step]:
    """One loud second in every three, ``n`` times."""
    return [*sound(1.0, False), *sound(1.0, True), *sound(1.0, False)] * n


class Recorder:
    """Takes down what the engine tells."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def ends(self, source: str) -> list[tuple[float, float | None]]:
        return [
            (event.onset_s, event.offset_s)
            for event in self.events
            if event.source == source and event.phase is Phase.OFFSET
        ]


def run_to_end(
    sources: Sequence[ScriptedSource],
    actions: Sequence[tuple[Action, ActionSettings]] = (),
    actions_s: float = PATIENCE_S,
    hop_s: float = 0.25,
) -> tuple[Pipeline, Recorder]:
    """Run the engine until its sources have ended."""
    recorder = Recorder()
    pipeline = Pipeline(sources, ScriptedClassifier(), [RULE], hop_s, actions, recorder.events.append)
    pipeline.start()
    try:
        assert pipeline.done.wait(PATIENCE_S)
    finally:
        pipeline.stop(actions_s)
    return pipeline, recorder


def test_a_chunk_longer_than_the_ring() -> None:
    whole = np.concatenate([step for step in bursts(20) if isinstance(step, np.ndarray)])
    _, recorder = run_to_end([ScriptedSource("file", [whole], live=False)])
    assert recorder.ends("file") == [(1.0 + 3 * n, 2.0 + 3 * n) for n in range(20)]


def test_events_of_a_file() -> None:
    pipeline, recorder = run_to_end([ScriptedSource("file", bursts(2), live=False)])
    pipeline.raise_failure()
    assert recorder.ends("file") == [(1.0, 2.0), (4.0, 5.0)]
    assert [event.phase for event in recorder.events] == [Phase.ONSET, Phase.OFFSET] * 2
    assert all(event.started_at is None for event in recorder.events)
    (source,) = pipeline.stats().sources
    assert source.state is SourceState.ENDED
    assert source.heard_s == pytest.approx(6.0)


def test_many_sources_do_not_disturb_each_other() -> None:
    scripts = {f"file{n}": [*sound(0.3 * n, False), *bursts(n + 1)] for n in range(5)}
    sources = [ScriptedSource(name, script, live=False) for name, script in scripts.items()]
    _, together = run_to_end(sources)
    for name, script in scripts.items():
        _, alone = run_to_end([ScriptedSource(name, script, live=False)])
        assert together.ends(name) == alone.ends(name)


def test_an_event_that_lasts_to_the_end_gets_its_offset() -> None:
    _, recorder = run_to_end([ScriptedSource("file", [*sound(1.0, False), *sound(2.0, True)], live=False)])
    assert recorder.ends("file") == [(1.0, 3.0)]


def test_stop_ends_an_event_that_goes_on() -> None:
    recorder = Recorder()
    never = threading.Event()
    source = ScriptedSource("mic", [*sound(2.0, True), never])
    began = threading.Event()

    def on_event(event: Event) -> None:
        recorder.events.append(event)
        began.set()

    pipeline = Pipeline([source], ScriptedClassifier(), [RULE], 0.25, on_event=on_event)
    pipeline.start()
    assert began.wait(PATIENCE_S)
    pipeline.stop()
    assert [event.phase for event in recorder.events] == [Phase.ONSET, Phase.OFFSET]
    assert recorder.events[1].started_at is not None
    assert source.closed >= 1


class Hanging(Action):
    """Does nothing for as long as nobody lets it go."""

    def __init__(self) -> None:
        super().__init__("hanging", Options())
        self.released = threading.Event()

    def run(self, event: Event, context: ActionContext) -> None:
        self.released.wait(PATIENCE_S)


class Failing(Action):
    """Fails in both ways."""

    def __init__(self) -> None:
        super().__init__("failing", Options())
        self.runs = 0

    def run(self, event: Event, context: ActionContext) -> None:
        self.runs += 1
        raise ActionError("no") if self.runs % 2 else RuntimeError("a defect")


def test_bad_actions_change_nothing_for_capture_and_other_actions() -> None:
    """Hanging, failing and flooding: every sample is heard, and the good action gets every event."""
    n = 10
    _, undisturbed = run_to_end([ScriptedSource("mic", bursts(n), live=False)])
    hanging, good = Hanging(), CollectingAction("good")
    flood = CommandAction(
        "flood", CommandOptions(run=("sh", "-c", "yes flood | head -c 20000000; yes >&2 & sleep 60"))
    )
    settings = ActionSettings(use="test", when="both", timeout_s=0.5)
    try:
        pipeline, disturbed = run_to_end(
            [ScriptedSource("mic", bursts(n), live=False)],
            [(hanging, settings), (Failing(), ANY), (flood, settings), (good, ANY)],
            actions_s=3.0,
        )
    finally:
        hanging.released.set()
    (source,) = pipeline.stats().sources
    assert source.heard_s == pytest.approx(3.0 * n)
    assert (source.lost_s, source.overruns, source.skipped) == (0.0, 0, 0)
    assert disturbed.ends("mic") == undisturbed.ends("mic")
    assert len(good.events) == 2 * n
    stats = pipeline.action_stats()
    assert stats["good"].fired == 2 * n
    assert stats["failing"].failed == 2 * n
    for name in ("hanging", "flood"):
        told = stats[name]
        assert told.fired == 0
        assert told.failed + told.timed_out + told.dropped + told.late == 2 * n


def test_a_clip_holds_what_was_long_ago_overtaken(tmp_path: Path) -> None:
    """A file at full speed is read far ahead of what is decided; the sound before an event is still there."""
    script = [*sound(60.0, False, 0.1), *sound(1.0, True, 0.1), *sound(60.0, False, 0.1)]
    clip = ClipAction("clip", ClipOptions(directory=tmp_path, before_s=10.0, after_s=2.0))
    run_to_end([ScriptedSource("file", script, live=False)], [(clip, ActionSettings(use="clip"))])
    assert soundfile.info(next(tmp_path.glob("*.flac"))).frames == 12 * RATE


@pytest.fixture
def a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be so busy that windows become too old; that is not what the test is about."""
    monkeypatch.setattr(inference, "OLDEST_S", PATIENCE_S)
    monkeypatch.setattr(inference, "LATEST_S", PATIENCE_S)


@pytest.mark.usefixtures("a_busy_machine")
def test_a_microphone_is_not_starved_by_a_file() -> None:
    """A file at full speed beside a live source: the live one is looked at as if it were alone."""
    gate = threading.Event()
    script = [*sound(1.0, False), gate, *sound(1.0, True), *sound(1.0, False)]
    live = ScriptedSource("mic", script, waits=False)
    file = ScriptedSource("file", [*sound(900.0, False, 0.5), threading.Event()], live=False)
    recorder = Recorder()
    told = threading.Event()

    def on_event(event: Event) -> None:
        recorder.events.append(event)
        told.set()

    pipeline = Pipeline([live, file], ScriptedClassifier(), [RULE], 1.0, on_event=on_event)
    pipeline.start()
    try:
        gate.set()
        assert told.wait(PATIENCE_S)
        assert pipeline.stats().sources[0].skipped == 0
    finally:
        pipeline.stop()
    assert recorder.ends("mic") == [(1.0, 2.0)]


def test_a_clip_holds_what_was_heard(tmp_path: Path) -> None:
    """A file at full speed waits for the clip instead of overwriting its sound."""
    script = [*sound(20.0, False), *sound(1.0, True), *sound(60.0, False)]
    whole = np.concatenate([step for step in script if isinstance(step, np.ndarray)])
    clip = ClipAction("clip", ClipOptions(directory=tmp_path, before_s=1.5, after_s=2.0))
    pipeline, _ = run_to_end(
        [ScriptedSource("file", script, live=False)], [(clip, ActionSettings(use="clip"))]
    )
    assert pipeline.action_stats()["clip"].fired == 1
    recorded, rate = soundfile.read(next(tmp_path.glob("*.flac")), dtype="int16")
    assert rate == RATE
    expected = np.round(whole[round(18.5 * RATE) : 22 * RATE] * 32768).astype(np.int16)
    np.testing.assert_array_equal(recorded, expected)


def test_a_lost_microphone_comes_back_with_a_gap() -> None:
    lost = DeviceError("unplugged")
    script: list[Step] = [*sound(2.0, False), lost, *sound(1.0, False), *sound(1.0, True), *sound(2.0, False)]
    source = ScriptedSource("mic", script, open_problems=[None, DeviceError("still away")])
    pipeline, recorder = run_to_end([source], hop_s=1.0)
    assert source.opened == 2
    (stats,) = pipeline.stats().sources
    assert stats.lost_s > 0.3  # one retry's pause
    assert stats.troubles == {SourceState.LOST: 1}
    trouble, event = [event for event in recorder.events if event.phase is Phase.OFFSET]
    assert trouble.label == "@source.lost"
    assert trouble.offset_s == pytest.approx(2.0 + stats.lost_s, abs=0.1)
    # Stream time goes on while the microphone is away.
    assert event.onset_s == pytest.approx(2.0 + stats.lost_s + 1.0, abs=1.01)


def test_a_file_that_breaks_ends_the_run_with_what_was_found() -> None:
    broken = DeviceError("broken in the middle")
    source = ScriptedSource("file", [*bursts(1), broken], live=False)
    pipeline, recorder = run_to_end([source])
    assert recorder.ends("file") == [(1.0, 2.0)]
    with pytest.raises(DeviceError, match="broken in the middle"):
        pipeline.raise_failure()


def test_overflows_are_counted_and_flagged() -> None:
    script: list[Step] = [*sound(2.0, False), Lost(), *sound(1.0, True), *sound(1.0, False)]
    pipeline, recorder = run_to_end([ScriptedSource("mic", script)], hop_s=1.0)
    (stats,) = pipeline.stats().sources
    assert stats.overflows == 1
    assert recorder.events[0].after_gap


def test_a_source_that_cannot_be_opened_is_told_at_once() -> None:
    bad = ScriptedSource("bad", [], open_problems=[DeviceError("no such microphone")])
    good = ScriptedSource("good", [threading.Event()])
    pipeline = Pipeline([good, bad], ScriptedClassifier(), [RULE], 0.25)
    with pytest.raises(DeviceError, match="no such microphone"):
        pipeline.start()
    assert good.closed


@pytest.mark.parametrize("problem", [ModelError("nonsense"), ZeroDivisionError("a defect")])
def test_a_stage_that_fails_ends_the_engine(problem: Exception) -> None:
    def fail(samples: Samples) -> list[float]:
        raise problem

    pipeline = Pipeline(
        [ScriptedSource("mic", [*sound(2.0, False), threading.Event()])],
        ScriptedClassifier(score=fail),
        [RULE],
        0.25,
    )
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    expected = ModelError if isinstance(problem, ModelError) else StageFailure
    with pytest.raises(expected, match=r"nonsense|inference"):
        pipeline.raise_failure()


@pytest.mark.usefixtures("a_busy_machine")
def test_a_slow_model_skips_windows_of_live_sound_and_says_so() -> None:
    """Live sound is not waited for: what cannot be looked at is counted, and the next window is flagged."""
    stuck, gate = threading.Event(), threading.Event()

    def slow(samples: Samples) -> list[float]:
        stuck.wait(PATIENCE_S)
        return [0.0]

    script: list[Step] = [*sound(20.0, False), gate, *sound(5.0, False)]
    source = ScriptedSource("mic", script, waits=False)
    flags: list[bool] = []
    pipeline = Pipeline(
        [source],
        ScriptedClassifier(score=slow),
        [RULE],
        0.25,
        on_step=lambda prediction, decisions: flags.append(prediction.after_gap),
    )
    pipeline.start()
    try:
        while (told := pipeline.stats().sources[0]).heard_s < 19.99 or told.skipped + told.thinned < 60:
            assert not pipeline.done.wait(0.05)
        stuck.set()
        while pipeline.stats().queued:
            assert not pipeline.done.wait(0.05)
    finally:
        stuck.set()
        gate.set()
        assert pipeline.done.wait(PATIENCE_S)
        pipeline.stop()
    assert any(flags)
    told = pipeline.stats().sources[0]
    assert told.skipped
    assert len(flags) + told.skipped + told.thinned == 97  # (25 - 1) / 0.25 + 1


def test_duration_ends_a_microphone_that_gives_nothing() -> None:
    pipeline = Pipeline(
        [ScriptedSource("mic", [threading.Event()])], ScriptedClassifier(), [RULE], 0.25, duration_s=0.1
    )
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    assert pipeline.stats().sources[0].heard_s == 0.0


@pytest.mark.parametrize(("duration_s", "chunk_s"), [(1.23, 0.05), (5.0, 0.1), (4.0, 0.032)])
def test_duration_cuts_to_the_sample(duration_s: float, chunk_s: float) -> None:
    source = ScriptedSource("file", [*sound(6.0, False, chunk_s), threading.Event()], live=False)
    pipeline = Pipeline([source], ScriptedClassifier(), [RULE], 0.25, duration_s=duration_s)
    pipeline.start()
    assert pipeline.done.wait(PATIENCE_S)
    pipeline.stop()
    assert pipeline.stats().sources[0].heard_s == pytest.approx(duration_s)


def test_a_file_that_breaks_does_not_end_the_others() -> None:
    gate = threading.Event()
    broken = ScriptedSource("file", [*sound(1.0, False), DeviceError("broken in the middle")], live=False)
    good = ScriptedSource("mic", [*sound(1.0, False), gate, *sound(1.0, True), *sound(1.0, False)])
    recorder = Recorder()
    pipeline = Pipeline([broken, good], ScriptedClassifier(), [RULE], 0.25, on_event=recorder.events.append)
    pipeline.start()
    try:
        while pipeline.stats().sources[0].state is not SourceState.ENDED:
            assert not pipeline.done.wait(0.05)
        gate.set()
        assert pipeline.done.wait(PATIENCE_S)
    finally:
        gate.set()
        pipeline.stop()
    assert recorder.ends("mic") == [(1.0, 2.0)]
    with pytest.raises(DeviceError, match="broken in the middle"):
        pipeline.raise_failure()
