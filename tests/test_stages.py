"""The stages between source and events: the same sound gives the same events, however it was cut."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle, pairwise

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.events import EventDetector, LabelRule
from listener.features import LogMel
from listener.ring import Ring
from listener.stages import FeatureStage, RateStage, predictions
from listener.testing import ScriptedClassifier, tiny_bundle
from listener.types import AudioChunk, Event, Features, ModelCard, Samples

RATE = 16_000
RULE = LabelRule(threshold_on=0.6, threshold_off=0.5, release_s=0.2, cooldown_s=0.0)


@dataclass(frozen=True)
class Part:
    """A piece of a stream, and what was lost before it."""

    samples: Samples
    lost: int = 0
    overflowed: bool = False


def sound(n_samples: int, rate: int, seed: int = 0) -> Samples:
    """Something else every 0.3 s: tones and noise at any level, and silence."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / rate
    samples = np.zeros(n_samples)
    step = round(0.3 * rate)
    for first in range(0, n_samples, step):
        now = slice(first, first + step)
        tone = np.sin(2 * np.pi * random.uniform(50, 7500) * time_s[now])
        noise = random.standard_normal(len(time_s[now]))
        samples[now] = (tone + random.uniform(0, 0.5) * noise) * 10 ** random.uniform(-4, 0)
    samples[n_samples // 2 : n_samples // 2 + step] = 0.0
    return np.clip(samples, -1, 1).astype(np.float32)


def whole(rate: int) -> list[Part]:
    return [Part(sound(round(4.1 * rate), rate))]


def with_losses(rate: int) -> list[Part]:
    lengths = [round(seconds * rate) for seconds in (1.37, 0.9, 0.003, 1.21, 1.1)]
    parts = [Part(sound(length, rate, seed)) for seed, length in enumerate(lengths)]
    parts[1] = replace(parts[1], overflowed=True)
    parts[2] = replace(parts[2], lost=1234, overflowed=True)
    parts[3] = replace(parts[3], lost=40 * rate)
    parts[4] = replace(parts[4], overflowed=True)
    return parts


def cut(parts: Iterable[Part], rate: int, sizes: Iterable[int]) -> Iterator[AudioChunk]:
    """Hand out the parts in chunks of these sizes, over and over."""
    position, size = 0, cycle(sizes)
    for part in parts:
        position += part.lost
        first, overflowed = 0, part.overflowed
        while first < len(part.samples):
            samples = part.samples[first : first + next(size)]
            yield AudioChunk(samples, position, rate, overflowed)
            first, overflowed = first + len(samples), False
            position += len(samples)


def at_the_rate_of_the_model(chunks: Iterable[AudioChunk], rate: int) -> Iterator[AudioChunk]:
    stage = RateStage(rate, RATE)
    for chunk in chunks:
        yield from stage.push(chunk)
    yield from stage.finish()


def through_a_ring(chunks: Iterable[AudioChunk], sizes: Iterable[int]) -> Iterator[AudioChunk]:
    ring = Ring(60 * RATE, RATE)
    with ring.bookmark(0) as mark:
        for chunk, size in zip(chunks, cycle(sizes), strict=False):
            ring.write(chunk)
            while size % 2 and (part := mark.read(size)) is not None:
                yield part
        while (part := mark.read(5000)) is not None:
            yield part


def windows(chunks: Iterable[AudioChunk], card: ModelCard, hop_s: float) -> Iterator[Features]:
    stage = FeatureStage("mic", card, hop_s)
    for chunk in chunks:
        yield from stage.push(chunk)
    yield from stage.finish()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TorchScriptClassifier:
    path = tmp_path_factory.mktemp("stages") / "tiny.pt"
    tiny_bundle(path)
    return TorchScriptClassifier(path, read_card(path))


def events_of(found: Sequence[Features], classifier: TorchScriptClassifier, batch_size: int) -> list[Event]:
    ids = (f"e{number}" for number in count())
    labels = classifier.card.labels
    detector = EventDetector("mic", "tiny/1", labels, [RULE] * len(labels), ids.__next__)
    events = []
    end_s = 0.0
    for first in range(0, len(found), batch_size):
        batch = found[first : first + batch_size]
        for prediction in predictions(batch, classifier.predict(batch)):
            events += detector.step(prediction)[0]
            end_s = prediction.end_s
    return events + detector.finish(end_s)


def same(one: Features, other: Features) -> bool:
    return np.array_equal(np.asarray(one.data), np.asarray(other.data)) and replace(one, data=b"") == replace(
        other, data=b""
    )


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("parts", [whole, with_losses])
@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=12),
    batch_size=st.integers(1, 8),
    ring_sizes=st.none() | st.lists(st.integers(1, 9000), min_size=1, max_size=5),
)
@example(sizes=[10**9], batch_size=8, ring_sizes=None)
@example(sizes=[480], batch_size=3, ring_sizes=[801])
def test_any_way_of_cutting_the_same_sound_gives_the_same_events(
    rate: int,
    parts: Callable[[int], list[Part]],
    sizes: list[int],
    batch_size: int,
    ring_sizes: list[int] | None,
    tiny: TorchScriptClassifier,
) -> None:
    stream = parts(rate)
    card = tiny.card
    expected = list(windows(at_the_rate_of_the_model(cut(stream, rate, [1600]), rate), card, 0.1))
    chunks = at_the_rate_of_the_model(cut(stream, rate, [*sizes, 5000]), rate)
    if ring_sizes is not None:
        chunks = through_a_ring(chunks, ring_sizes)
    got = list(windows(chunks, card, 0.1))

    assert len(got) == len(expected)
    assert all(map(same, got, expected))
    events = events_of(expected, tiny, 1)
    assert len(events) > 8, "a test that sees nothing proves nothing"
    assert events_of(got, tiny, batch_size) == events


def test_a_window_is_that_of_the_whole_recording(tiny: TorchScriptClassifier) -> None:
    samples = whole(RATE)[0].samples
    assert tiny.card.features is not None
    log_mel = LogMel(tiny.card.features)
    found = list(windows(cut(whole(RATE), RATE, [777]), tiny.card, 0.25))
    assert len(found) > 10
    for window in found[:-1]:
        expected = log_mel(samples[window.start_sample : window.end_sample])
        np.testing.assert_array_equal(np.asarray(window.data), expected)


CARD = ScriptedClassifier(window_s=1.0).card  # waveforms: the samples themselves can be looked at
RAMP = (np.arange(10 * RATE) / (16 * RATE)).astype(np.float32)


def layout(chunks: Iterable[AudioChunk], hop_s: float = 0.5) -> list[tuple[float, float, bool]]:
    return [
        (window.start_sample / RATE, window.end_sample / RATE, window.after_gap)
        for window in windows(chunks, CARD, hop_s)
    ]


def chunk(start_s: float, end_s: float, overflowed: bool = False) -> AudioChunk:
    first, last = round(start_s * RATE), round(end_s * RATE)
    return AudioChunk(RAMP[first:last], first, RATE, overflowed)


def test_no_window_straddles_a_gap() -> None:
    assert layout([chunk(0, 2.3), chunk(5, 7)]) == [
        (0.0, 1.0, False),
        (0.5, 1.5, False),
        (1.0, 2.0, False),
        (5.0, 6.0, True),
        (5.5, 6.5, False),
        (6.0, 7.0, False),
    ]


def test_two_gaps_in_a_row() -> None:
    lost = AudioChunk(RAMP[:0], 3 * RATE, RATE, True)
    assert layout([chunk(0, 1), lost, chunk(5, 6)]) == [(0.0, 1.0, False), (5.0, 6.0, True)]


def test_windows_across_a_loss_of_unknown_length_say_so() -> None:
    assert layout([chunk(0, 2), chunk(2, 4, overflowed=True)]) == [
        (0.0, 1.0, False),
        (0.5, 1.5, False),
        (1.0, 2.0, False),
        (1.5, 2.5, True),
        (2.0, 3.0, True),
        (2.5, 3.5, False),
        (3.0, 4.0, False),
    ]


def test_windows_hold_the_samples_that_they_say() -> None:
    for window in windows([chunk(0, 2.3), chunk(5, 7.2)], CARD, 0.3):
        n_heard = window.end_sample - window.start_sample
        data = np.asarray(window.data)
        np.testing.assert_array_equal(data[:n_heard], RAMP[window.start_sample : window.end_sample])
        assert len(data) == RATE
        assert not data[n_heard:].any()


@pytest.mark.parametrize(
    ("end_s", "expected"),
    [
        (0.0, []),
        (0.001, [(0.0, 0.001, False)]),
        (0.4, [(0.0, 0.4, False)]),
        (1.0, [(0.0, 1.0, False)]),
        (1.5, [(0.0, 1.0, False), (0.5, 1.5, False)]),
        (1.7, [(0.0, 1.0, False), (0.5, 1.5, False), (1.0, 1.7, False)]),
    ],
)
def test_the_last_samples_are_heard_too(end_s: float, expected: list[tuple[float, float, bool]]) -> None:
    assert layout([chunk(0, end_s)]) == expected


def test_the_end_just_after_a_gap() -> None:
    assert layout([chunk(0, 1), chunk(3, 3.2)]) == [(0.0, 1.0, False), (3.0, 3.2, True)]
    assert layout([chunk(0, 1), AudioChunk(RAMP[:0], 3 * RATE, RATE, True)]) == [(0.0, 1.0, False)]


def test_a_hop_that_leaves_sound_out_invents_none() -> None:
    assert layout([chunk(0, 2)], hop_s=3.0) == [(0.0, 1.0, False)]
    assert layout([chunk(0, 3.5)], hop_s=3.0) == [(0.0, 1.0, False), (3.0, 3.5, False)]


def test_a_hop_shorter_than_a_frame_is_a_frame(tiny: TorchScriptClassifier) -> None:
    found = list(windows([chunk(0, 1)], tiny.card, 1e-6))
    assert tiny.card.features is not None
    hop_length = tiny.card.features.hop_length
    assert all(after.start_sample - window.start_sample == hop_length for window, after in pairwise(found))


def test_the_time_of_capture_and_the_source_go_along() -> None:
    stage = FeatureStage("yard", CARD, 0.5)
    (window,) = stage.push(chunk(0, 1), captured_at=7.0)
    (prediction,) = predictions([window], np.array([[0.5]], np.float32), inference_s=0.2)
    assert (window.source, window.captured_at, window.sample_rate) == ("yard", 7.0, RATE)
    assert (prediction.source, prediction.captured_at, prediction.inference_s) == ("yard", 7.0, 0.2)
    assert (prediction.start_s, prediction.end_s) == (0.0, 1.0)


def test_a_batch_shares_its_time() -> None:
    found = list(windows([chunk(0, 2)], CARD, 0.5))
    shared = list(predictions(found, np.zeros((3, 1), np.float32), inference_s=0.3))
    assert [prediction.inference_s for prediction in shared] == [pytest.approx(0.1)] * 3


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_samples", [0, 1, 17, 20_000])
def test_the_rate_stage_gives_what_one_resampling_gives(rate: int, n_samples: int) -> None:
    samples = sound(n_samples, rate) if n_samples else np.zeros(0, np.float32)
    chunks = list(at_the_rate_of_the_model(cut([Part(samples)], rate, [333, 1000]), rate))
    got = np.concatenate([np.zeros(0, np.float32), *(part.samples for part in chunks)])
    assert len(got) == round(n_samples * RATE / rate)
    if n_samples > 100:
        np.testing.assert_array_equal(got, soxr.resample(samples, rate, RATE, "HQ"))
    assert all(part.end_sample == after.first_sample for part, after in pairwise(chunks))
    assert {part.sample_rate for part in chunks} <= {RATE}


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_loss_lies_where_it_was(rate: int) -> None:
    chunks = list(at_the_rate_of_the_model(cut(with_losses(rate), rate, [999]), rate))
    flagged = [part.first_sample for part in chunks if part.overflowed]
    starts = np.cumsum([0, *(len(part.samples) for part in with_losses(rate)[:-1])]) + np.cumsum(
        [part.lost for part in with_losses(rate)]
    )
    np.testing.assert_allclose(flagged, starts[1:] * RATE / rate, atol=2)
    jumps = [after.first_sample - part.end_sample for part, after in pairwise(chunks)]
    np.testing.assert_allclose([jump for jump in jumps if jump], [1234 * RATE / rate, 40 * RATE], atol=1)


def test_a_source_that_was_lost_goes_on_later_at_another_rate() -> None:
    stage = RateStage(48_000, RATE)
    before = list(stage.push(AudioChunk(sound(48_000, 48_000), 0, 48_000)))
    before += stage.lose(2.5, 16_000)
    assert before[-1].end_sample == RATE
    (after,) = stage.push(AudioChunk(RAMP[:160], 0, 16_000))
    assert after.first_sample == before[-1].end_sample + 2.5 * RATE
    np.testing.assert_array_equal(after.samples, RAMP[:160])
    assert stage.position == after.end_sample
