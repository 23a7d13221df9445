"""Which stages are said to stand still."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.daemon.watch import OUTSIDE_S, Watch
from listener.pipeline import Pipeline
from listener.testing import ScriptedClassifier, ScriptedSource
from listener.types import AudioChunk, Samples, StageProgress
from tests.program import PATIENCE_S

LIMIT_S = 5.0
TICK_S = 0.25

MODEL = StageProgress("inference", 7)
MIC = StageProgress("capture:mic", 3)
HALL = StageProgress("capture:hall", 4)


def look_for(watch: Watch, seconds: float, *stages: StageProgress, since: float = 0.0) -> list[list[str]]:
    """Look four times a second; give what was said each time."""
    ticks = range(1, round(seconds / TICK_S) + 1)
    return [watch.look(stages, since + TICK_S * tick) for tick in ticks]


def first_blame(said: Iterable[list[str]]) -> float:
    """Seconds until the first time that anything was said."""
    return TICK_S * next((index for index, names in enumerate(said) if names), 10**6)


def moved(stage: StageProgress) -> StageProgress:
    return replace(stage, position=stage.position + 1)


def test_a_stage_with_work_that_stays_where_it_is() -> None:
    said = look_for(Watch(LIMIT_S), 8, MODEL)
    assert first_blame(said) == LIMIT_S
    assert said[-1] == ["inference"]


def test_who_has_no_work_may_rest_for_ever() -> None:
    said = look_for(Watch(LIMIT_S), 600, replace(MODEL, has_work=False))
    assert not any(said)


def test_rest_is_not_counted_once_there_is_work() -> None:
    watch = Watch(LIMIT_S)
    look_for(watch, 60, replace(MODEL, has_work=False))
    assert first_blame(look_for(watch, 8, MODEL, since=60)) >= LIMIT_S - TICK_S


def test_a_stage_that_moves_again_is_forgiven() -> None:
    watch = Watch(LIMIT_S)
    assert look_for(watch, 8, MODEL)[-1] == ["inference"]
    assert watch.look([moved(MODEL)], 8.25) == []
    assert first_blame(look_for(watch, 8, moved(MODEL), since=8.25)) == LIMIT_S - TICK_S


def test_each_stage_is_watched_for_itself() -> None:
    watch = Watch(LIMIT_S)
    for tick in range(40):
        said = watch.look([replace(MIC, position=tick), MODEL, HALL], TICK_S * tick)
    assert said == ["inference", "capture:hall"]


def test_a_driver_that_hangs_is_borne_with_while_another_source_is_heard() -> None:
    watch = Watch(LIMIT_S)
    hangs = replace(HALL, is_waiting=True)
    for tick in range(4000):
        assert watch.look([replace(MIC, position=tick), hangs], TICK_S * tick) == []


def test_a_driver_that_hangs_is_borne_with_for_a_minute_where_nothing_else_is_heard() -> None:
    said = look_for(Watch(LIMIT_S), OUTSIDE_S + 5, replace(MIC, is_waiting=True))
    assert first_blame(said) == OUTSIDE_S
    assert said[-1] == ["capture:mic"]


def test_a_microphone_that_is_away_and_tried_again_and_again_is_well() -> None:
    watch = Watch(LIMIT_S)
    for tick in range(4000):  # one attempt every four seconds
        away = replace(MIC, position=tick // 16, is_waiting=True)
        assert watch.look([away], TICK_S * tick) == []


def test_a_recording_is_no_ear() -> None:
    """A file has no work of its own: it does not make up for a microphone whose driver hangs."""
    watch = Watch(LIMIT_S)
    file = StageProgress("capture:file", 0, has_work=False)
    stages = [replace(MIC, is_waiting=True), file]
    assert first_blame(look_for(watch, OUTSIDE_S + 5, *stages)) == OUTSIDE_S


def test_a_second_source_that_stands_still_excuses_nobody() -> None:
    said = look_for(Watch(LIMIT_S), OUTSIDE_S + 5, replace(MIC, is_waiting=True), HALL)
    assert said[-1] == ["capture:mic", "capture:hall"]


def test_other_stages_begin_afresh() -> None:
    watch = Watch(LIMIT_S)
    look_for(watch, 4, MIC)
    assert not any(look_for(watch, 4, HALL, since=4))
    assert not any(look_for(watch, 4, MIC, since=8))


def test_a_program_that_was_stopped_as_a_whole_blames_nobody() -> None:
    watch = Watch(LIMIT_S)
    look_for(watch, 1, MODEL, MIC)
    assert watch.look([MODEL, MIC], 1000.0) == []
    assert first_blame(look_for(watch, 8, MODEL, MIC, since=1000.0)) <= LIMIT_S


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.01, 1.0)), max_size=60))
def test_only_who_stayed_for_the_whole_limit_is_named(steps: list[tuple[bool, bool, float]]) -> None:
    watch, now, stayed_s, position = Watch(LIMIT_S), 0.0, 0.0, 0
    for has_moved, has_work, passed_s in steps:
        now += passed_s
        position += has_moved
        stayed_s = 0.0 if has_moved or not has_work else stayed_s + passed_s
        stage = StageProgress("inference", position, has_work)
        if watch.look([stage], now):
            assert stayed_s >= LIMIT_S - 1e-6


class Hanging(ScriptedSource):
    """A microphone whose driver gives a chunk and does not return from the next read."""

    def __init__(self) -> None:
        super().__init__("mic", [np.zeros(1600, np.float32)], waits=False)
        self.released = threading.Event()

    def read(self, timeout_s: float) -> AudioChunk | None:
        if not self._script:
            self.released.wait(PATIENCE_S)
        return super().read(timeout_s)


def wait_for_blame(pipeline: Pipeline, name: str) -> None:
    watch = Watch(0.5)
    deadline = time.monotonic() + PATIENCE_S
    while name not in watch.look(pipeline.progress(), time.monotonic()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# More windows than can wait for the model; and one after which none waits. The source is patient:
# what is old by the time that it is looked at would not be given to the model at all.
@pytest.mark.parametrize("n_chunks", [50, 11])
def test_a_model_that_hangs_is_named(n_chunks: int) -> None:
    released = threading.Event()

    def hang(samples: Samples) -> list[float]:
        released.wait(PATIENCE_S)
        return [0.0]

    tenth = np.zeros(1600, np.float32)
    source = ScriptedSource("mic", [*[tenth] * n_chunks, released])
    pipeline = Pipeline([source], ScriptedClassifier(score=hang), [None], 0.25)
    pipeline.start()
    try:
        wait_for_blame(pipeline, "inference")
    finally:
        released.set()
        pipeline.stop()


def test_a_microphone_that_hangs_is_named() -> None:
    source = Hanging()
    pipeline = Pipeline([source], ScriptedClassifier(), [None], 0.25)
    pipeline.start()
    try:
        wait_for_blame(pipeline, "capture:mic")
    finally:
        source.released.set()
        pipeline.stop()
