"""The newest seconds of one source, addressed by sample position.

One thread writes, any number read. A live source is never made to wait: what nobody
read in time is overwritten, and a reader that comes too late finds its next chunk further
on (*overrun*). A source that can wait (a file at full speed) is held back by its slowest
reader.
"""

import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

import numpy as np

from listener.types import AudioChunk, Samples

PARTS = 16
"""A chunk is written in parts of the ring's length over this, so that a writer that has to wait for room
for a whole part never waits for a reader that wants just a little more than there is."""


class Ring:
    """A ring buffer of mono samples.

    Parameters
    ----------
    capacity
        Samples that it holds.
    sample_rate
        Hz.
    waits
        Whether the writer is made to wait for the readers (a source that is not live).
    """

    def __init__(self, capacity: int, sample_rate: int, waits: bool = False) -> None:
        self.capacity = capacity
        self.sample_rate = sample_rate
        self.overruns = 0
        self._waits = waits
        self._buffer: Samples = np.zeros(capacity, np.float32)
        self._end = 0
        self._gaps: deque[tuple[int, int]] = deque()
        self._bookmarks: set[Bookmark] = set()
        self._closed = False
        self._written_at = time.monotonic()
        self._waits_since: float | None = None
        self._changed = threading.Condition()

    @property
    def end_sample(self) -> int:
        """Position just past the newest sample."""
        return self._end

    @property
    def start_sample(self) -> int:
        """Position of the oldest sample that is still held."""
        return max(0, self._end - self.capacity)

    @property
    def written_at(self) -> float:
        """``time.monotonic()`` of the newest write."""
        return self._written_at

    @property
    def held_back_s(self) -> float:
        """How long the writer has been waiting for room, in seconds."""
        since = self._waits_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def closed(self) -> bool:
        """No more samples will come."""
        return self._closed

    def write(self, chunk: AudioChunk) -> None:
        """Append a chunk; positions that it leaves out, and a flagged one, become a gap."""
        lost = max(0, chunk.first_sample - self._end)
        if lost or chunk.overflowed:
            self._leave_out(lost)
        step = self._part
        for first in range(0, len(chunk.samples), step):
            part = chunk.samples[first : first + step]
            self._append(part, len(part))

    def close(self) -> None:
        """Say that no more samples will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def bookmark(self, position: int, history: int = 0) -> "Bookmark":
        """Follow the ring from a position on.

        A writer that can wait overwrites neither what comes after it, nor the ``history`` samples before.
        """
        with self._changed:
            mark = Bookmark(self, max(position, self.start_sample), history)
            self._bookmarks.add(mark)
            return mark

    def read(self, mark: "Bookmark", limit: int) -> AudioChunk | None:
        """Give what came since the bookmark and move it on, or None if nothing did.

        The chunk ends before the next gap, and after ``limit`` samples at most.
        """
        with self._changed:
            first = self._readable_from(mark)
            after_gap = first > mark.position or any(end == first for _, end in self._gaps)
            last = min([self._end, first + limit, *(gap for gap, _ in self._gaps if gap > first)])
            mark.position = max(first, last)
            self._changed.notify_all()
            if first >= last:
                return None
            return AudioChunk(self._copy(first, last), first, self.sample_rate, after_gap)

    def fetch(self, start_sample: int, end_sample: int, timeout_s: float) -> tuple[AudioChunk, bool]:
        """Copy what is held between two positions, after it has been heard.

        Waits up to ``timeout_s`` seconds for ``end_sample``; gives less where the sound is no
        longer held, has ended, or did not come.

        Returns
        -------
        tuple
            The sound, and whether any of it is missing.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._end >= end_sample or self._closed, timeout_s)
            first = min(max(start_sample, self.start_sample), self._end)
            last = max(first, min(end_sample, self._end))
            is_short = first > max(start_sample, 0) or last < end_sample
            has_gap = is_short or any(gap < last and end > first for gap, end in self._gaps)
            return AudioChunk(self._copy(first, last), first, self.sample_rate), has_gap

    def release(self, mark: "Bookmark") -> None:
        """Forget a bookmark."""
        with self._changed:
            self._bookmarks.discard(mark)
            self._changed.notify_all()

    @property
    def _part(self) -> int:
        return max(1, self.capacity // PARTS)

    def _leave_out(self, n_positions: int) -> None:
        """Write a gap: piece by piece as sound is, until the ring holds nothing else; then the rest of it."""
        held = min(n_positions, self.capacity)
        for first in range(0, held, self._part):
            part = np.zeros(min(self._part, held - first), np.float32)
            self._append(part, len(part), is_gap=True)
        self._append(np.empty(0, np.float32), n_positions - held, is_gap=True)

    def _readable_from(self, mark: "Bookmark") -> int:
        first = self._past_gaps(mark.position)
        if first < self.start_sample:
            self.overruns += 1
            first = self._past_gaps(self.start_sample)
        return first

    def _past_gaps(self, position: int) -> int:
        for gap, end in self._gaps:
            if gap <= position < end:
                position = end
        return position

    def _append(self, samples: Samples, n_positions: int, is_gap: bool = False) -> None:
        """Take ``samples`` as the last of the next ``n_positions`` positions."""
        with self._changed:
            if self._waits:
                self._waits_since = time.monotonic()
                self._changed.wait_for(lambda: self._closed or self._room() >= len(samples))
                self._waits_since = None
            if self._closed:
                return
            if is_gap:
                touches = self._gaps and self._gaps[-1][1] == self._end
                begin = self._gaps.pop()[0] if touches else self._end
                self._gaps.append((begin, self._end + n_positions))
            self._end += n_positions
            begin = (self._end - len(samples)) % self.capacity
            until_wrap = min(len(samples), self.capacity - begin)
            self._buffer[begin : begin + until_wrap] = samples[:until_wrap]
            self._buffer[: len(samples) - until_wrap] = samples[until_wrap:]
            while self._gaps and self._gaps[0][1] < self.start_sample:
                self._gaps.popleft()
            self._written_at = time.monotonic()
            self._changed.notify_all()

    def _room(self) -> int:
        oldest_wanted = min((mark.position - mark.history for mark in self._bookmarks), default=self._end)
        return self.capacity - (self._end - max(oldest_wanted, self.start_sample))

    def _copy(self, first: int, last: int) -> Samples:
        begin = first % self.capacity
        until_wrap = min(last - first, self.capacity - begin)
        head = self._buffer[begin : begin + until_wrap]
        return np.concatenate((head, self._buffer[: last - first - until_wrap]))


class Bookmark:
    """A position in a ring whose samples are still wanted. Made by `Ring.bookmark`."""

    def __init__(self, ring: Ring, position: int, history: int) -> None:
        self._ring = ring
        self.position = position
        self.history = history

    def read(self, limit: int) -> AudioChunk | None:
        """Give what came since, at most ``limit`` samples: see `Ring.read`."""
        return self._ring.read(self, limit)

    def close(self) -> None:
        """Want nothing any more."""
        self._ring.release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
