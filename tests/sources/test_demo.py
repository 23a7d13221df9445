"""The demo scene: what happens in it, when, and how it is handed out."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from listener.assembly import build_rules
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.config_file import read_config
from listener.offline import finished_events
from listener.resources import default_config
from listener.sources.base import EndOfSource
from listener.sources.demo import (
    DURATION_S,
    SAMPLE_RATE,
    SCENE,
    DemoOptions,
    DemoSource,
    SceneEvent,
    render_scene,
)
from listener.types import AudioChunk


def played(options: DemoOptions, n_chunks: int = 10**9) -> list[AudioChunk]:
    source = DemoSource("demo", options)
    assert source.open() == SAMPLE_RATE
    chunks: list[AudioChunk] = []
    try:
        while len(chunks) < n_chunks:
            chunk = source.read(1.0)
            if chunk is not None:
                chunks.append(chunk)
    except EndOfSource:
        pass
    finally:
        source.close()
    return chunks


def level_db(start_s: float, end_s: float) -> float:
    part = render_scene()[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
    return float(10 * np.log10(np.mean(part.astype(np.float64) ** 2)))


def test_the_scene_is_a_quiet_minute_within_full_scale() -> None:
    scene = render_scene()
    assert scene.dtype == np.float32
    assert len(scene) == DURATION_S * SAMPLE_RATE
    assert np.abs(scene).max() < 1.0
    assert level_db(0.0, 1.0) < -50


def test_a_first_time_user_hears_the_alarm_within_five_seconds() -> None:
    assert SCENE[0].label == "smoke_alarm"
    assert SCENE[0].onset_s <= 5.0


def test_events_follow_each_other_and_end_before_the_scene() -> None:
    for event, after in pairwise(SCENE):
        assert event.onset_s < event.offset_s < after.onset_s
    assert SCENE[-1].offset_s <= DURATION_S


@pytest.mark.parametrize("event", SCENE, ids=lambda event: f"{event.label}@{event.onset_s:g}")
def test_every_event_begins_when_it_is_said_to(event: SceneEvent) -> None:
    before = level_db(event.onset_s - 0.5, event.onset_s - 0.01)
    assert level_db(event.onset_s, event.onset_s + 0.5) > before + 10
    assert level_db(event.offset_s - 0.5, event.offset_s) > level_db(0.0, 1.0)


def test_the_source_hands_out_the_scene_and_nothing_else() -> None:
    chunks = played(DemoOptions(speed="max"))
    assert [chunk.first_sample for chunk in chunks] == [0, *(chunk.end_sample for chunk in chunks[:-1])]
    assert {chunk.sample_rate for chunk in chunks} == {SAMPLE_RATE}
    assert not any(chunk.overflowed for chunk in chunks)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), render_scene())


def test_the_scene_is_the_same_each_time() -> None:
    first = render_scene()
    render_scene.cache_clear()
    assert render_scene() is not first
    np.testing.assert_array_equal(render_scene(), first)


def test_nobody_can_write_to_the_scene() -> None:
    with pytest.raises(ValueError, match="read-only"):
        render_scene()[0] = 1.0


def test_looping_goes_on_at_the_beginning_and_counts_on() -> None:
    per_scene = len(played(DemoOptions(speed="max")))
    chunks = played(DemoOptions(speed="max", loop=True), per_scene + 2)
    again = chunks[per_scene]
    assert again.first_sample == len(render_scene())
    np.testing.assert_array_equal(again.samples, chunks[0].samples)


def test_it_is_paced() -> None:
    before = time.monotonic()
    chunks = played(DemoOptions(speed=10.0), 40)
    heard_s = chunks[-1].end_sample / SAMPLE_RATE
    assert time.monotonic() - before >= heard_s / 10


def test_a_chunk_that_is_not_due_is_not_given() -> None:
    source = DemoSource("demo", DemoOptions(speed=0.001))
    source.open()
    assert source.read(0.01) is None
    source.close()
    source.close()


def test_opening_again_begins_again() -> None:
    source = DemoSource("demo", DemoOptions(speed="max"))
    for _ in range(2):
        source.open()
        chunk = source.read(1.0)
        assert chunk is not None
        assert chunk.first_sample == 0
        source.close()


def test_rendering_leaves_time_for_the_first_output() -> None:
    def cost_s() -> float:
        render_scene.cache_clear()
        before = time.process_time()
        render_scene()
        return time.process_time() - before

    assert min(cost_s() for _ in range(3)) < 2.0  # not a benchmark: half a second, on a fast machine


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"speed": "fast"}, {"loop": "perhaps"}, {"volume": 1}])
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DemoOptions.model_validate(wrong)


def test_the_model_hears_every_event_at_its_time_and_nothing_else(household: Path) -> None:
    file = read_config(default_config())
    classifier = TorchScriptClassifier(household, read_card(household))
    rules = build_rules(file, classifier.card)
    source = DemoSource("demo", DemoOptions(speed="max"))
    heard = finished_events(source, classifier, rules, file.config.windows.hop_s)
    assert [event.label for event in heard] == [event.label for event in SCENE]
    for found, true in zip(heard, SCENE, strict=True):
        assert found.onset_s == pytest.approx(true.onset_s, abs=1.0), true
