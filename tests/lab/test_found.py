"""Defects that the fault lab has found, each in its smallest form."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from listener.config import HealthSettings
from listener.errors import DeviceError
from listener.health import Health
from listener.pipeline import Pipeline
from listener.pipeline.capture import Capture
from listener.pipeline.intake import Intake
from listener.testing import ScriptedClassifier, ScriptedSource, Step
from listener.types import AudioChunk, Samples, SourceState

RATE = 1_000
PATIENCE_S = 60.0
SETTINGS = HealthSettings(silent_s=0)


def chunks(n: int, first: int = 0, size: int = 100) -> Iterator[AudioChunk]:
    for index in range(n):
        yield AudioChunk(np.full(size, 0.1, np.float32), first + index * size, RATE)


def heard(health: Health, parts: Iterator[AudioChunk], now: float) -> float:
    """Let chunks come in time from ``now`` on; give what is found missing."""
    found_s = 0.0
    for part in parts:
        now += len(part.samples) / RATE
        found_s += health.hear(part, now)
    return found_s


def test_a_machine_that_stood_still_is_not_taken_for_lost_sound() -> None:
    """After a pause, old chunks come first: how late they are says nothing of what is missing."""
    health = Health(SETTINGS, 0.0)
    assert heard(health, chunks(301), 0.0) == 0.0
    at = 301 * 0.1
    pause_s = 12.0
    found_s = 0.0
    for number, part in enumerate(chunks(600, 30_100)):
        found_s += health.hear(part, max(at + pause_s, at + 0.1 * (number + 1)))
    assert found_s == 0.0


@pytest.mark.parametrize("lost_s", [0.05, 0.2])
def test_a_loss_of_unknown_length_is_measured_by_the_clock(lost_s: float) -> None:
    health = Health(SETTINGS, 0.0)
    heard(health, chunks(350), 0.0)
    now = 35.0 + lost_s
    told = AudioChunk(np.full(100, 0.1, np.float32), 35_000, RATE, overflowed=True)
    found_s = health.hear(told, now + 0.1)
    found_s += heard(health, chunks(350, 35_100), now + 0.1)
    assert found_s == pytest.approx(lost_s, abs=0.01)
    assert health.judge()[0] is SourceState.LIVE


def test_what_went_missing_just_before_the_plug_was_pulled_is_part_of_the_gap() -> None:
    health, intake = Health(SETTINGS, 0.0), Intake(RATE, has_clock=False)
    now = 0.0
    for part in chunks(350):
        now += 0.1 if part.first_sample != 34_000 else 2.1
        health.hear(part, now)
        list(intake.push(part, now))
    assert health.behind_s == pytest.approx(2.0)
    intake.reopen(health.behind_s)
    intake.reopen(0.0)
    now += 5.0
    list(intake.push(next(chunks(1)), now))
    assert intake.lost_s == pytest.approx(2.0 + 5.0 - 0.1)
    assert intake.position_s == pytest.approx(now)


def test_what_was_found_already_is_not_counted_again_when_the_plug_is_pulled() -> None:
    health = Health(SETTINGS, 0.0)
    heard(health, chunks(350), 0.0)
    now, found_s, rest = 37.0, 0.0, chunks(400, 35_000)
    while not found_s:
        now += 0.1
        found_s = health.hear(next(rest), now)
    assert found_s == pytest.approx(2.0)
    assert health.behind_s == pytest.approx(0.0)


def test_after_weeks_the_samples_are_still_counted_exactly() -> None:
    intake = Intake(RATE, has_clock=False)
    silence = np.zeros(7, np.float32)
    for index in range(100_000):
        for _ in intake.push(AudioChunk(silence, 7 * index, RATE), 0.0):
            pass
    assert intake.heard_s == 700.0


def sound(n_chunks: int, rate: int) -> list[Step]:
    return [np.full(rate // 10, 0.001, np.float32) for _ in range(n_chunks)]


class Changing(ScriptedSource):
    """Comes back at half its rate."""

    def open(self) -> int:
        rate = super().open()
        self._sample_rate = rate // 2
        return rate


def run(source: ScriptedSource, duration_s: float | None = None) -> Pipeline:
    pipeline = Pipeline([source], ScriptedClassifier(sample_rate=RATE), [None], 0.25, duration_s=duration_s)
    pipeline.start()
    try:
        assert pipeline.done.wait(PATIENCE_S)
    finally:
        pipeline.stop()
    return pipeline


def test_a_duration_is_kept_though_the_rate_changes() -> None:
    script: list[Step] = [*sound(30, 2 * RATE), DeviceError("unplugged"), *sound(50, RATE)]
    source = Changing("mic", script, sample_rate=2 * RATE)
    (stats,) = run(source, duration_s=6.0).stats().sources
    assert stats.heard_s == pytest.approx(6.0)


def test_a_microphone_that_gives_chunks_of_nothing_has_stalled() -> None:
    empty: Samples = np.zeros(0, np.float32)

    class Clocked(ScriptedSource):
        """A second passes with each read."""

        class Seconds:
            seconds = 0.0

            def now(self) -> float:
                return self.seconds

            def pause(self, seconds: float, stopping: object) -> None:
                self.seconds += seconds

        clock = Seconds()

        def read(self, timeout_s: float) -> AudioChunk | None:
            self.clock.seconds += 1.0
            return super().read(timeout_s)

    source = Clocked("mic", [*sound(3, RATE), empty, empty, *sound(3, RATE)], RATE)
    source.health = HealthSettings(stalled_s=2, lost_s=60, silent_s=0, lag_s=0)
    (stats,) = run(source).stats().sources
    assert stats.troubles == {SourceState.STALLED: 1}


def test_what_came_before_the_plug_was_pulled_is_looked_at_while_it_is_away() -> None:
    """A resampler holds sound back; after a long gap, it would be overwritten as soon as it is written."""
    written: list[int] = []

    class Watched(ScriptedSource):
        def await_return(self, timeout_s: float, stopping: threading.Event) -> None:
            written.append(capture.ring.end_sample)

    script: list[Step] = [*sound(20, 2 * RATE), DeviceError("unplugged"), *sound(20, 2 * RATE)]
    capture = Capture(Watched("mic", script, 2 * RATE), RATE, threading.Event())
    capture.run()
    assert written == [2 * RATE]
    stats = capture.stats()
    assert capture.ring.end_sample == pytest.approx((stats.heard_s + stats.lost_s) * RATE, abs=1)
