"""Where the windows of a stream lie.

A window begins every ``hop_samples`` samples, counted from the stream's first sample or
from the end of the last gap, and moved down to the grid on which the spectrogram's frames
begin: so consecutive windows share their frames.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """Where one window lies."""

    start_sample: int
    """Position of its first sample."""

    end_sample: int
    """Position just past its last sample."""

    after_gap: bool
    """Samples were lost inside of it or just before it."""


class WindowSchedule:
    """Says which window is due next.

    Parameters
    ----------
    window_samples
        Length of a window.
    hop_samples
        Distance between windows; at least ``grid_samples``.
    grid_samples
        Windows begin at whole multiples of it after the origin.
    origin
        Position from which the windows are counted.
    """

    def __init__(self, window_samples: int, hop_samples: int, grid_samples: int = 1, origin: int = 0) -> None:
        self._window_samples = window_samples
        self._hop_samples = hop_samples
        self._grid_samples = grid_samples
        self._origin = origin
        self._index = 0
        self._last_gap = -1

    @property
    def origin(self) -> int:
        """Position from which the windows are counted."""
        return self._origin

    @property
    def next(self) -> WindowSpan:
        """The window that is due next."""
        start = self._origin + self._index * self._hop_samples // self._grid_samples * self._grid_samples
        return WindowSpan(start, start + self._window_samples, start <= self._last_gap)

    def advance(self) -> None:
        """Go on to the window after it."""
        self._index += 1

    def restart(self, position: int) -> None:
        """Samples are missing before ``position``: no window reaches back across it."""
        self._origin = self._last_gap = position
        self._index = 0

    def flag(self, position: int) -> None:
        """Too few samples to matter are missing at ``position``: windows across it say so."""
        self._last_gap = position
