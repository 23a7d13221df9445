"""Blocks of bytes between the audio thread, which must never wait, and the one thread that reads."""

import threading
import time
from collections import deque
from collections.abc import Callable


class Blocks:
    """A short queue that knows where in the stream each block lies.

    Parameters
    ----------
    channels
        Interleaved 16-bit samples make a frame.
    rate_hz
        Frames in a second.
    capacity
        Blocks that wait at most; the oldest falls out.
    now
        The monotonic clock, in seconds.
    """

    def __init__(
        self, channels: int, rate_hz: int, capacity: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.put_at = now()
        """When the newest block came; before the first one, when the queue was made."""
        self._frame_bytes = 2 * channels
        self._rate_hz = rate_hz
        self._now = now
        self._interrupted = False
        self._position = 0
        self._taken = 0
        self._arrived = threading.Event()
        self._queue: deque[tuple[int, bytes, bool]] = deque(maxlen=capacity)

    def put(self, data: bytes, overflowed: bool) -> None:
        """Audio thread: add a block."""
        now = self._now()
        n_frames = len(data) // self._frame_bytes
        if self._interrupted:
            self._interrupted = False
            missed_s = now - self.put_at - n_frames / self._rate_hz
            self._position += max(1, round(missed_s * self._rate_hz))
        self.put_at = now
        self._queue.append((self._position, data, overflowed))
        self._position += n_frames
        self._arrived.set()

    def interrupt(self) -> None:
        """Say, while no audio thread runs, that time goes by without blocks: the next one lies behind a gap.

        Its length is that of the time between the blocks, less the sound in the second.
        """
        self._interrupted = True

    def get(self, timeout_s: float) -> tuple[int, bytes, bool] | None:
        """Take the oldest block: its position, its bytes, and whether samples are missing before it."""
        if not self._queue:
            self._arrived.clear()
            if not self._queue:  # it may have come just before the event was cleared
                self._arrived.wait(timeout_s)
        try:
            position, data, overflowed = self._queue.popleft()
        except IndexError:
            return None
        lost = overflowed or position != self._taken
        self._taken = position + len(data) // self._frame_bytes
        return position, data, lost

    def __bool__(self) -> bool:
        return bool(self._queue)
