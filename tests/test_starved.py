"""Others take the processor: what is heard, looked at and left out adds up, and all is well again after."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from listener.config import ActionSettings, HealthSettings
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.sources.microphone import Microphone, MicrophoneOptions
from listener.testing import CollectingAction, ScriptedClassifier
from listener.types import Decision, Event, Phase, PipelineStats, Prediction, Samples, SourceState
from tests.program import PATIENCE_S
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
BURNERS = 4
STARVED_S = 12.0
WINDOW_S, HOP_S = 0.5, 0.1
LIGHT_S, HEAVY_S = 0.001, 0.06
"""What a model takes of the processor for each window: next to nothing, or more than half of a core."""
LATEST_S = 2.0
SLACK_S = 1.0
"""What may pass between a look at the clock and what is decided by it, where others have the processor."""

RecordProperty = Callable[[str, object], None]


class Watch:
    """The engine with a real microphone, and when it said what."""

    def __init__(self, model_s: float) -> None:
        self._matrix = np.random.default_rng(1).random((128, 128), np.float32)
        self.model_s = model_s
        self.good = CollectingAction("good")
        self.events: list[Event] = []
        self.late_s: list[float] = []
        self.overloaded = threading.Event()
        microphone = Microphone("mic", MicrophoneOptions())
        microphone.health = HealthSettings(silent_s=0)  # while nothing is played, there is nothing
        self.pipeline = Pipeline(
            [microphone],
            ScriptedClassifier(score=self._score, window_s=WINDOW_S),
            [LabelRule(0.5, 0.5, release_s=0.1, cooldown_s=0.0)],
            HOP_S,
            [(self.good, ActionSettings(use="test", when="both"))],
            self.events.append,
            self._on_step,
        )

    def _score(self, samples: Samples) -> list[float]:
        """Take as much of the processor as a model does, and hold up nobody else meanwhile."""
        until = time.thread_time() + self.model_s
        while time.thread_time() < until:
            self._matrix @ self._matrix
        return [float(np.abs(samples).max(initial=0.0) > 0.05)]

    def _on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        if prediction.captured_at:  # what is left at the very end has none
            self.late_s.append(time.monotonic() - prediction.captured_at)

    def wait_until(self, happened: Callable[[PipelineStats], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened(self.pipeline.stats()):
            assert not self.pipeline.done.wait(0.05)
            assert time.monotonic() < deadline, f"it never came to pass: {self.pipeline.stats()}"

    def hear_an_event(self, microphone: VirtualMicrophone) -> None:
        """Play a sound, and wait until it is told of."""
        n_before = len(self.good.events)
        microphone.play_array(_burst()).wait()
        assert self.good.wait_for(n_before + 2, PATIENCE_S)


def _burst() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Half a loud second in two."""
    gain = np.repeat([10, 10_000, 10], [RATE // 2, RATE // 2, RATE])
    return np.asarray(np.round(np.random.default_rng(1).uniform(-1, 1, 2 * RATE) * gain), np.int16)


@contextmanager
def _burners() -> Iterator[None]:
    """Others who want the processor for themselves, each as much as we."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BURNERS)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.parametrize("model_s", [LIGHT_S, HEAVY_S], ids=["light model", "heavy model"])
def test_it_adds_up_and_recovers(
    model_s: float, virtual_microphone: VirtualMicrophone, record_property: RecordProperty
) -> None:
    watch = Watch(model_s)
    watch.pipeline.start()
    try:
        watch.wait_until(lambda stats: stats.sources[0].state is SourceState.LIVE)
        began_at, before_s = time.monotonic(), watch.pipeline.stats().sources[0].heard_s
        with _burners():
            player = virtual_microphone.play_array(np.tile(_burst(), round(STARVED_S / 2)))
            starved_until = time.monotonic() + STARVED_S
            watch.wait_until(lambda stats: time.monotonic() >= starved_until)
            starved = watch.pipeline.stats()
        player.wait()
        watch.model_s = LIGHT_S  # for who else may be busy here: nothing is left to wait for but the engine
        watch.wait_until(lambda stats: stats.hop_s == HOP_S and stats.queued == 0)
        watch.hear_an_event(virtual_microphone)
        elapsed_s = time.monotonic() - began_at
        heard = watch.pipeline.stats().sources[0]
    finally:
        watch.pipeline.stop()
    watch.pipeline.raise_failure()
    stats = watch.pipeline.stats()
    (mic,) = stats.sources
    for name, figure in {
        "heard share": mic.heard_s / (mic.heard_s + mic.lost_s),
        "lost_s": mic.lost_s,
        "overflows": mic.overflows,
        "windows": stats.windows,
        "thinned": mic.thinned,
        "skipped": mic.skipped,
        "hop at the end of the famine": starved.hop_s,
        "events": len([event for event in watch.events if event.phase is Phase.ONSET]),
        "latest decision": max(watch.late_s),
        "troubles": {state.value: times for state, times in mic.troubles.items()},
        "events of trouble": [event.label for event in watch.events if event.label.startswith("@")],
    }.items():
        record_property(name, figure)
    # Sound that came, and sound that is known to be missing, is all of the time that went by.
    assert heard.heard_s + heard.lost_s - before_s == pytest.approx(elapsed_s, abs=SLACK_S)
    assert (mic.lost_s > 0) <= (mic.overflows > 0)
    assert mic.overruns == 0
    _assert_all_windows_are_accounted_for(stats)
    assert max(watch.late_s) < LATEST_S + SLACK_S
    assert watch.good.events == [event for event in watch.events if not event.label.startswith("@")]
    _assert_every_onset_ends(watch.events)


def _assert_all_windows_are_accounted_for(stats: PipelineStats) -> None:
    """Each window that was due was looked at or is counted as left out."""
    (mic,) = stats.sources
    n_samples = round((mic.heard_s + mic.lost_s) * RATE)
    due = (n_samples - round(WINDOW_S * RATE)) // round(HOP_S * RATE) + 1
    accounted = stats.windows + mic.thinned + mic.skipped
    if mic.lost_s:  # windows begin anew after a gap
        assert accounted <= due + 1
    else:
        assert accounted in (due, due + 1)  # what is left at the end makes one more


def _assert_every_onset_ends(events: list[Event]) -> None:
    onsets = [event.id for event in events if event.phase is Phase.ONSET]
    offsets = [event.id for event in events if event.phase is Phase.OFFSET]
    assert onsets
    assert sorted(onsets) == sorted(offsets)
