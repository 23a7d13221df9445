"""What happens when the model cannot keep up.

First the windows of live sources move apart, hop by hop up to the length of a window: all
sound is still looked at, but less often. Where that is not enough, windows are skipped
and counted. Nothing ever queues up: an event comes at most `LATEST_S` late or not at all.
"""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

LATEST_S = 2.0
"""What is decided later than this after the sound is not acted on, in seconds."""

OLDEST_S = 1.5
"""A window that has waited for so long is not looked at any more: what is left is for the model."""

PRESSED_S = 0.5
"""Windows that wait for so long before they are looked at show that the model is behind."""

WIDEN_EVERY_S = 1.0
"""They have to wait for this long before they move apart: a machine may well be busy for a moment. And a
wider hop is given this long to show its effect."""

JUDGE_OVER_S = 5.0
"""The model's load is judged by so many seconds."""

ROOM_LEFT = 0.8
"""Windows move together again when the model would then be busy for no more than this share of the time."""


class Overload:
    """How far apart the windows of live sources are, in hops.

    Told by the inference and the features thread, obeyed by the latter.

    Parameters
    ----------
    hop_s, window_s
        Of the windows, in seconds.
    on_change
        Called with whether there is an overload, and a sentence about it, when one begins or ends.
    """

    def __init__(self, hop_s: float, window_s: float, on_change: Callable[[bool, str], None]) -> None:
        self.step = 1
        """Every so many windows, one is looked at."""
        self._on_change = on_change
        self._lock = threading.RLock()
        self._is_on = False
        self._pressed_at: float | None = None
        self._widened_at = self._judged_at = float("-inf")
        self._busy_s = 0.0
        self.set_windows(hop_s, window_s)

    def set_windows(self, hop_s: float, window_s: float) -> None:
        """Take another hop and window, in seconds."""
        with self._lock:
            self._hop_s = hop_s
            self._most = max(1, int(window_s / hop_s + 1e-6))
            self.step = min(self.step, self._most)

    @property
    def is_on(self) -> bool:
        """The model does not keep up."""
        return self._is_on

    @property
    def hop_s(self) -> float:
        """Time between windows as it is now, in seconds."""
        return self._hop_s * self.step

    def note(self, waited_s: float, inference_s: float, n_windows: int, now: float) -> None:
        """Take note of a batch.

        Parameters
        ----------
        waited_s
            How long the oldest live window of the batch had waited.
        inference_s
            How long the model took.
        n_windows
            Size of the batch.
        now
            Seconds of the monotonic clock.
        """
        with self._lock:
            self._busy_s += inference_s
            if waited_s > PRESSED_S:
                self._press(inference_s / max(1, n_windows), now)
                return
            self._pressed_at = None
            if now - self._judged_at >= JUDGE_OVER_S:
                self._relax(now)

    def rest(self, now: float) -> None:
        """Take note that nothing waits for the model."""
        self.note(float("-inf"), 0.0, 0, now)

    def skip(self, now: float) -> None:
        """Take note of a window that is not looked at."""
        with self._lock:
            self._press(0.0, now)

    def _press(self, window_s: float, now: float) -> None:
        self._judge_afresh(now)
        if self._pressed_at is None:
            self._pressed_at = now
        if now - max(self._pressed_at, self._widened_at) < WIDEN_EVERY_S:
            return
        self._widened_at = now
        if self.step < self._most:
            self.step += 1
            log.debug("windows are now %.2g s apart", self.hop_s)
        if not self._is_on:
            self._is_on = True
            took = f" (it takes {window_s:.2g} s for a window)" if window_s else ""
            self._on_change(
                True,
                f"the model cannot keep up{took}: it looks less often, and then skips windows. A longer "
                "windows.hop_s, fewer sources, a smaller model or a faster machine would help",
            )

    def _relax(self, now: float) -> None:
        load = self._busy_s / (now - self._judged_at)
        self._judge_afresh(now)
        if not self._is_on:
            return
        if self.step == 1:
            self._is_on = False
            self._on_change(False, "the model keeps up again")
        elif load * self.step / (self.step - 1) <= ROOM_LEFT:
            self.step -= 1

    def _judge_afresh(self, now: float) -> None:
        self._judged_at, self._busy_s = now, 0.0
