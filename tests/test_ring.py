"""The ring: what was written is read, what was lost is said, and nobody waits who must not."""

import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from listener.ring import Ring
from listener.types import AudioChunk, Samples

RATE = 100
LIMIT_S = 20.0


def ramp(first: int, n_samples: int) -> Samples:
    """Samples that say where they belong: the sample at position p is p + 1, and a hole is 0."""
    return np.arange(first + 1, first + n_samples + 1, dtype=np.float32)


def chunk(first: int, n_samples: int, overflowed: bool = False) -> AudioChunk:
    return AudioChunk(ramp(first, n_samples), first, RATE, overflowed)


def filled(capacity: int, *chunks: AudioChunk) -> Ring:
    ring = Ring(capacity, RATE)
    for part in chunks:
        ring.write(part)
    return ring


def read_all(ring: Ring, limit: int = 10_000) -> list[AudioChunk]:
    parts = []
    with ring.bookmark(0) as mark:
        while (part := mark.read(limit)) is not None:
            parts.append(part)
    return parts


@example([("write", 0, 1, False), ("write", 0, 3, False)], 2)
@example([("write", 1, 0, False), ("write", 0, 2, False), ("read", 1, 0, False)], 2)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 40), st.integers(0, 60), st.booleans()),
            st.tuples(st.just("read"), st.integers(1, 50), st.just(0), st.just(False)),
        ),
        max_size=40,
    ),
    st.integers(2, 50),
)
def test_what_is_read_is_what_was_written_or_said_to_be_missing(
    steps: list[tuple[str, int, int, bool]], capacity: int
) -> None:
    ring = Ring(capacity, RATE)
    mark = ring.bookmark(0)
    holes: set[int] = set()
    breaks: set[int] = set()
    seen: set[int] = set()
    expected, end = 0, 0

    def read(limit: int) -> bool:
        nonlocal expected
        overruns, start = ring.overruns, ring.start_sample
        part = mark.read(limit)
        unread = set(range(expected, start)) - holes
        assert (ring.overruns > overruns) == bool(unread)
        if part is None:
            expected = max(expected, start)
            return False
        assert 0 < len(part.samples) <= limit
        np.testing.assert_array_equal(part.samples, ramp(part.first_sample, len(part.samples)))
        positions = set(range(part.first_sample, part.end_sample))
        assert not positions & holes
        assert not {position for position in positions if position != part.first_sample} & breaks
        assert part.overflowed == (part.first_sample > expected or part.first_sample in breaks)
        seen.update(positions)
        expected = part.end_sample
        return True

    for what, n_samples, lost, overflowed in steps:
        if what == "read":
            read(n_samples)
            continue
        if lost or overflowed:
            breaks.add(end + lost)
        holes.update(range(end, end + lost))
        ring.write(chunk(end + lost, n_samples, overflowed))
        end += lost + n_samples
        assert ring.end_sample == end
    while read(10_000):
        pass
    if not ring.overruns:
        assert seen == set(range(end)) - holes


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), min_size=1, max_size=15),
    st.integers(-5, 200),
    st.integers(1, 60),
    st.integers(2, 40),
)
def test_fetch_gives_what_is_held_and_says_what_is_missing(
    writes: list[tuple[int, int]], start: int, length: int, capacity: int
) -> None:
    assume(start + length > 0)
    ring = Ring(capacity, RATE)
    holes: set[int] = set()
    for n_samples, lost in writes:
        end = ring.end_sample
        holes.update(range(end, end + lost))
        ring.write(chunk(end + lost, n_samples))
    ring.close()

    sound, has_gap = ring.fetch(start, start + length, 0)

    wanted = set(range(max(0, start), max(0, start + length)))
    given_positions = range(sound.first_sample, sound.end_sample)
    assert set(given_positions) == wanted & set(range(ring.start_sample, ring.end_sample))
    assert sound.samples.tolist() == [0 if p in holes else p + 1 for p in given_positions]
    assert has_gap == bool(wanted - (set(given_positions) - holes))


def test_a_reader_that_comes_too_late_is_told_once_and_finds_the_newest() -> None:
    ring = Ring(10, RATE)
    mark = ring.bookmark(0)
    ring.write(chunk(0, 25))
    part = mark.read(100)
    assert part is not None
    assert (part.first_sample, part.end_sample, part.overflowed) == (15, 25, True)
    assert mark.read(100) is None
    assert ring.overruns == 1
    ring.write(chunk(25, 3))
    part = mark.read(100)
    assert part is not None
    assert (part.first_sample, part.overflowed) == (25, False)
    assert ring.overruns == 1


def test_a_long_loss_is_a_gap_and_no_overrun_however_often_one_looks() -> None:
    ring = filled(10, chunk(0, 4))
    mark = ring.bookmark(0)
    assert mark.read(100) is not None
    ring.write(chunk(1004, 0, overflowed=True))
    assert [mark.read(100) for _ in range(3)] == [None, None, None]
    ring.write(chunk(1004, 2))
    part = mark.read(100)
    assert part is not None
    assert (part.first_sample, part.end_sample, part.overflowed) == (1004, 1006, True)
    assert ring.overruns == 0


def test_two_losses_in_a_row_are_one_gap() -> None:
    parts = read_all(filled(100, chunk(0, 5), chunk(10, 0), chunk(20, 5)))
    assert [(part.first_sample, part.end_sample, part.overflowed) for part in parts] == [
        (0, 5, False),
        (20, 25, True),
    ]


def test_a_loss_of_unknown_length_moves_no_position() -> None:
    parts = read_all(filled(100, chunk(0, 5), chunk(5, 5, overflowed=True), chunk(10, 5)))
    assert [(part.first_sample, part.end_sample, part.overflowed) for part in parts] == [
        (0, 5, False),
        (5, 15, True),
    ]


def test_what_is_given_stays_as_it_is() -> None:
    ring = filled(10, chunk(0, 8))
    (part,) = read_all(ring)
    sound, _ = ring.fetch(0, 8, 0)
    ring.write(chunk(8, 10))
    np.testing.assert_array_equal(part.samples, ramp(0, 8))
    np.testing.assert_array_equal(sound.samples, ramp(0, 8))


def test_what_is_written_to_a_closed_ring_changes_nothing() -> None:
    ring = filled(100, chunk(0, 10))
    ring.close()
    ring.write(chunk(12, 5))
    (part,) = read_all(ring)
    assert (part.first_sample, part.end_sample) == (0, 10)
    assert ring.fetch(0, 10, 0)[1] is False


def test_several_readers_do_not_disturb_each_other() -> None:
    ring = filled(100, chunk(0, 50))
    with ring.bookmark(0) as one, ring.bookmark(20) as other:
        parts = [one.read(30), other.read(30), one.read(30), other.read(30)]
    assert [part and (part.first_sample, part.end_sample) for part in parts] == [
        (0, 30),
        (20, 50),
        (30, 50),
        None,
    ]


class Thread:
    """Runs a function and gives what it returned."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.result: object = None
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> object:
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        return self.result

    def _run(self) -> None:
        self.result = self._work()


def blocked_writer(ring: Ring, first: int, n_samples: int) -> Thread:
    """Start a writer and come back when it waits for room."""
    waits = threading.Event()
    wait_for = ring._changed.wait_for

    def wait_and_tell(predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        if not predicate():
            waits.set()
        return wait_for(predicate, timeout)

    ring._changed.wait_for = wait_and_tell  # type: ignore[method-assign, assignment]
    writer = Thread(lambda: ring.write(chunk(first, n_samples)))
    assert waits.wait(LIMIT_S), "the writer did not wait"
    return writer


@pytest.fixture
def patient() -> Ring:
    """A full ring whose writer can wait."""
    ring = Ring(10, RATE, waits=True)
    ring.write(chunk(0, 10))
    return ring


def test_a_live_writer_never_waits() -> None:
    ring = Ring(10, RATE)
    with ring.bookmark(0):
        ring.write(chunk(0, 1000))
    assert ring.end_sample == 1000


def test_a_writer_that_can_wait_is_held_back_by_the_slowest_reader(patient: Ring) -> None:
    slow, quick = patient.bookmark(0), patient.bookmark(0)
    writer = blocked_writer(patient, 10, 3)
    quick.read(10)
    assert patient.end_sample == 10
    slow.read(2)
    assert patient.end_sample == 10, "three samples do not fit into the room of two"
    slow.read(1)
    writer.join()
    assert patient.end_sample == 13
    part = slow.read(100)
    assert part is not None
    np.testing.assert_array_equal(part.samples, ramp(3, 10))
    assert patient.overruns == 0


@pytest.mark.parametrize("way", ["the bookmark is closed", "the ring is closed"])
def test_a_waiting_writer_goes_on_when(way: str, patient: Ring) -> None:
    mark = patient.bookmark(0)
    writer = blocked_writer(patient, 10, 3)
    if way == "the ring is closed":
        patient.close()
    else:
        mark.close()
    writer.join()
    assert patient.end_sample == (10 if patient.closed else 13)


def test_a_writer_that_can_wait_does_not_wait_for_nobody(patient: Ring) -> None:
    patient.write(chunk(10, 1000))
    assert patient.end_sample == 1010


def test_nothing_is_lost_between_two_threads() -> None:
    ring = Ring(64, RATE, waits=True)
    n_samples = 20_000
    mark = ring.bookmark(0)

    def write() -> None:
        sizes = np.random.default_rng(0).integers(1, 100, n_samples)
        while ring.end_sample < n_samples:
            end = ring.end_sample
            ring.write(chunk(end, int(min(sizes[end], n_samples - end))))
        ring.close()

    def read() -> list[AudioChunk]:
        parts = []
        while True:
            closed = ring.closed
            part = mark.read(37)
            if part is not None:
                parts.append(part)
            elif closed:
                return parts
            else:
                ring.fetch(mark.position, mark.position + 1, LIMIT_S)

    reader, writer = Thread(read), Thread(write)
    writer.join()
    parts = reader.join()
    assert isinstance(parts, list)
    assert all(part.end_sample == after.first_sample for part, after in pairwise(parts))
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), ramp(0, n_samples))
    assert ring.overruns == 0


def test_a_reader_in_another_thread_never_sees_a_gap_as_sound() -> None:
    ring = Ring(1000, RATE)
    mark = ring.bookmark(0)

    def write() -> None:
        for _ in range(2000):
            ring.write(chunk(ring.end_sample + 3, 2))
        ring.close()

    def read() -> bool:
        clean = True
        while not ring.closed:
            part = mark.read(50)
            clean &= part is None or bool(np.all(part.samples == ramp(part.first_sample, len(part.samples))))
        return clean

    reader, writer = Thread(read), Thread(write)
    writer.join()
    assert reader.join() is True


def test_fetch_waits_for_sound_that_is_still_to_come() -> None:
    ring = filled(100, chunk(0, 10))
    fetch = Thread(lambda: ring.fetch(5, 20, LIMIT_S))
    ring.write(chunk(10, 5))
    ring.write(chunk(15, 10))
    result = fetch.join()
    assert isinstance(result, tuple)
    sound, has_gap = result
    assert (sound.first_sample, sound.end_sample, has_gap) == (5, 20, False)


def test_fetch_ends_with_the_sound() -> None:
    ring = filled(100, chunk(0, 10))
    fetch = Thread(lambda: ring.fetch(5, 20, LIMIT_S))
    ring.close()
    result = fetch.join()
    assert isinstance(result, tuple)
    sound, has_gap = result
    assert (sound.first_sample, sound.end_sample, has_gap) == (5, 10, True)


def test_fetch_gives_up_in_time() -> None:
    sound, has_gap = filled(100, chunk(0, 10)).fetch(5, 20, 0.01)
    assert (sound.first_sample, sound.end_sample, has_gap) == (5, 10, True)


def test_a_gap_longer_than_the_ring_is_waited_for_like_sound() -> None:
    """Behind a reader there is history to be kept: a whole ring of nothing would never fit beside it."""
    ring = Ring(160, RATE, waits=True)
    mark, hold = ring.bookmark(0, history=100), ring.bookmark(0)
    ring.write(chunk(0, 20))
    writer = Thread(lambda: ring.write(chunk(5_000, 40)))
    parts = []
    held = hold.read(20)
    while ring.end_sample < 5_040 or mark.position < 5_040:
        if (part := mark.read(60)) is not None:
            parts.append(part)
        hold.read(60)
    writer.join()
    assert held is not None
    assert next((part.first_sample, part.end_sample, part.overflowed) for part in parts) == (0, 20, False)
    assert parts[1].first_sample == 5_000
    assert parts[1].overflowed
    assert (parts[-1].end_sample, ring.overruns) == (5_040, 0)


def test_a_gap_does_not_wipe_out_what_is_held() -> None:
    ring = Ring(160, RATE, waits=True)
    ring.write(chunk(0, 20))
    with ring.bookmark(0):
        writer = Thread(lambda: ring.write(chunk(5_000, 40)))
        kept, has_gap = ring.fetch(0, 30, LIMIT_S)
        assert (kept.first_sample, kept.end_sample, has_gap) == (0, 30, True)
        np.testing.assert_array_equal(kept.samples[:20], ramp(0, 20))
    writer.join()
    assert ring.end_sample == 5_040
