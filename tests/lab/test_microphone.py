"""The simulated microphone: what it gives is what the plan says, to the sample, each time."""

import threading
from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.errors import DeviceError, SourceError
from listener.lab.clocks import PacedClock
from listener.lab.faults import Clipping, Drift, Fault, Loss, OddChunks, Silence, Stall, Told, Unplug
from listener.lab.microphone import JITTER_S, FaultyMicrophone
from listener.lab.plans import KINDS, drawn
from listener.lab.sounds import Bursts, Loop
from listener.sources.base import EndOfSource
from listener.types import AudioChunk, Samples

RATE = 1_000
CHUNK_S = 0.1
RAMP = Loop((np.arange(100_000) / 100_000).astype(np.float32), RATE)
"""A sound whose samples say where they belong."""

Given = tuple[float, AudioChunk]
"""A chunk, and when it came."""


def microphone(*plan: Fault, duration_s: float = 10.0) -> FaultyMicrophone:
    return FaultyMicrophone("mic", RAMP, plan, RATE, CHUNK_S, duration_s)


def listen(source: FaultyMicrophone, retry_s: float = 0.5, patience_s: float = 3.0) -> list[Given]:
    """Take all that it has, and open it again when it fails or gives nothing for long."""
    given: list[Given] = []
    never = threading.Event()
    heard_at = source.clock.now()
    is_open = False
    while True:
        try:
            if not is_open:
                source.open()
                is_open, heard_at = True, source.clock.now()
            chunk = source.read(0.25)
        except EndOfSource:
            return given
        except SourceError:
            chunk, is_open = None, False
            source.await_return(retry_s, never)
        if chunk is not None:
            heard_at = source.clock.now()
            given.append((heard_at, chunk))
        elif is_open and source.clock.now() - heard_at >= patience_s:
            source.close()
            is_open = False


def numbers(chunks: Sequence[Given]) -> Samples:
    """Where the samples belong in the ramp."""
    samples = np.concatenate([chunk.samples for _, chunk in chunks])
    return np.round(samples * 100_000).astype(int)


def test_without_a_plan_all_is_well() -> None:
    source = microphone()
    given = listen(source)
    np.testing.assert_array_equal(numbers(given), np.arange(10 * RATE))
    assert all(after.first_sample == before.end_sample for (_, before), (_, after) in pairwise(given))
    assert all(0 <= at - chunk.end_sample / RATE <= JITTER_S for at, chunk in given)
    assert (source.truth.n_fed, source.truth.missing_s()) == (10 * RATE, 0.0)


@pytest.mark.parametrize("says_so", [True, False])
def test_it_is_unplugged(says_so: bool) -> None:
    source = microphone(Unplug(at_s=2.05, for_s=3.0, says_so=says_so))
    source.open()
    with pytest.raises(DeviceError, match="as planned") if says_so else pytest.raises(TimeoutError):
        while source.clock.now() < 4.0:
            source.read(0.25)
        raise TimeoutError
    with pytest.raises(DeviceError, match="unplugged"):
        source.open()
    source = microphone(Unplug(at_s=2.05, for_s=3.0, says_so=says_so))
    there = numbers(listen(source))
    assert 2000 - 1 in there
    assert not set(there) & set(range(2000, 5050)), "a chunk that was begun is lost with the plug"
    back = source.truth.stretches[1]
    assert there[2000] == back.first
    assert back.world_s == pytest.approx(back.first / RATE, abs=1 / RATE)
    assert source.truth.missing_s() == pytest.approx(back.world_s - 2.0)
    assert source.truth.n_fed == len(there)


def test_it_comes_back_at_another_rate() -> None:
    source = microphone(Unplug(at_s=2.0, for_s=1.0, rate_hz=2 * RATE))
    given = listen(source)
    assert [chunk.sample_rate for _, chunk in given] == sorted(chunk.sample_rate for _, chunk in given)
    before, after = source.truth.stretches
    assert (before.rate_hz, after.rate_hz) == (RATE, 2 * RATE)
    assert after.first == pytest.approx(after.world_s * 2 * RATE, abs=1)
    assert after.end_s == pytest.approx(10.0, abs=0.001)


@pytest.mark.parametrize("kept", [True, False])
def test_it_stalls(kept: bool) -> None:
    source = microphone(Stall(at_s=2.0, for_s=1.5, kept=kept))
    given = listen(source)
    assert not [at for at, _ in given if 2.0 + JITTER_S < at < 3.5]
    there = np.arange(10 * RATE)
    np.testing.assert_array_equal(numbers(given), there if kept else np.delete(there, slice(2000, 3500)))
    assert source.truth.missing_s() == pytest.approx(0.0 if kept else 1.5)
    assert not any(chunk.overflowed for _, chunk in given)


@pytest.mark.parametrize("told", ["count", "flag", "no"])
def test_it_loses_samples(told: Told) -> None:
    source = microphone(Loss(at_s=2.05, for_s=0.333, told=told))
    given = listen(source)
    np.testing.assert_array_equal(numbers(given), np.delete(np.arange(10 * RATE), slice(2050, 2383)))
    assert sum(chunk.overflowed for _, chunk in given) == (told != "no")
    jumps = [after.first_sample - before.end_sample for (_, before), (_, after) in pairwise(given)]
    assert sum(jumps) == (333 if told == "count" else 0)
    assert source.truth.missing_s([told]) == pytest.approx(0.333)


def test_it_is_silent_and_it_clips() -> None:
    source = microphone(Silence(at_s=2.0, for_s=1.0, value=0.25), Clipping(at_s=4.05, for_s=1.0))
    samples = np.concatenate([chunk.samples for _, chunk in listen(source)])
    assert set(samples[2000:3000]) == {0.25}
    assert set(samples[4050:5050]) == {1.0}
    rest = np.delete(np.arange(10 * RATE), [*range(2000, 3000), *range(4050, 5050)])
    np.testing.assert_array_equal(np.round(samples[rest] * 100_000).astype(int), rest)


def test_its_chunks_are_odd() -> None:
    source = microphone(OddChunks(at_s=2.0, for_s=3.0, sizes=(1, 0, 700, 13)))
    given = listen(source)
    np.testing.assert_array_equal(numbers(given), np.arange(10 * RATE))
    assert {len(chunk.samples) for _, chunk in given} >= {0, 1, 13, 100, 700}


def test_its_clock_is_wrong() -> None:
    source = microphone(Drift(at_s=0.0, ppm=10_000), duration_s=100.0)
    given = listen(source)
    assert given[-1][1].end_sample == pytest.approx(101 * RATE, abs=1)


def test_faults_may_overlap() -> None:
    source = microphone(
        Loss(at_s=1.0, for_s=3.0, told="count"),
        Unplug(at_s=2.0, for_s=0.5),
        Stall(at_s=2.2, for_s=4.0, kept=False),
        Silence(at_s=6.0, for_s=1.0),
        Unplug(at_s=6.5, for_s=100.0),
    )
    there = numbers(listen(source))
    assert there[999] == 999
    assert there[1000] == 6200 or there[1000] == 0
    assert source.truth.fed_s + source.truth.missing_s() == pytest.approx(source.truth.stretches[-1].end_s)


def played(seed: int) -> tuple[list[Given], FaultyMicrophone]:
    source = FaultyMicrophone("mic", Bursts(seed), drawn(seed, rate_hz=RATE), RATE, 0.5, 10_000.0)
    return listen(source), source


def test_one_seed_is_one_sequence_to_the_sample() -> None:
    first, source = played(3)
    again, _ = played(3)
    assert [(at, chunk.first_sample, chunk.overflowed) for at, chunk in first] == [
        (at, chunk.first_sample, chunk.overflowed) for at, chunk in again
    ]
    for (_, one), (_, other) in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert sum(len(chunk.samples) for _, chunk in first) == source.truth.n_fed
    assert len(source.faults) > 20
    assert [*islice(drawn(4), 20)] != [*islice(drawn(3), 20)]


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_a_drawn_plan_is_in_order_and_holds_everything(seed: int) -> None:
    faults = [*islice(drawn(seed), 300)]
    assert all(before.at_s <= after.at_s for before, after in pairwise(faults))
    assert {fault.fault for fault in faults} == {*KINDS} - {"rate", "leak"}
    assert [*islice(drawn(seed), 300)] == faults


def test_bursts_are_where_they_are_said_to_be() -> None:
    bursts = Bursts(1, levels={"one": 0.5})
    whole = bursts.take(0, 300 * RATE, RATE)
    for burst in bursts.between(0.0, 300.0):
        assert np.abs(whole[round(burst.start_s * RATE) : round(burst.end_s * RATE)]).max() > 0.4
        before = whole[round((burst.start_s - 0.1) * RATE) : round(burst.start_s * RATE)]
        assert np.abs(before).max(initial=0.0) <= 0.5
    cut = [bursts.take(first, 999, RATE) for first in range(0, 299_000, 999)]
    np.testing.assert_array_equal(np.concatenate(cut), whole[: len(cut) * 999])


def test_time_is_that_of_the_machine_if_it_is_to_be() -> None:
    clock = PacedClock(speed=50.0)
    source = FaultyMicrophone("mic", RAMP, [Stall(at_s=1.0, for_s=1.0)], RATE, CHUNK_S, 3.0, clock)
    assert not source.waits
    given = listen(source)
    np.testing.assert_array_equal(numbers(given), np.arange(3 * RATE))
    assert all(at >= chunk.end_sample / RATE for at, chunk in given)


def test_to_read_what_is_not_open_is_an_error() -> None:
    with pytest.raises(DeviceError, match="not open"):
        microphone().read(0.1)
