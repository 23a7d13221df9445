"""How a training goes, for who watches."""

import time
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 0.95
"""Part of the measured speed that is kept at each look: it follows within some twenty of them."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a training goes."""

    step: int
    """Steps that are done."""

    of: int
    """Steps in all."""

    loss: float
    """Of the last step."""

    windows_per_s: float
    """How fast it goes, all devices together."""

    seconds_left: float
    """How long it still takes at that speed."""


Progress = Callable[[Report], None]
"""Is told how it goes: after each step, on an accelerator after every tenth."""


class Speed:
    """Measures steps a second.

    Parameters
    ----------
    clock
        Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._step_s = 0.0

    def after(self, n_steps: int) -> float:
        """Say how long a step takes, in seconds; ``n_steps`` have been done since it was asked last."""
        now = self._clock()
        step_s = max(1e-9, (now - self._last) / n_steps)
        self._step_s = self._step_s * KEPT + step_s * (1 - KEPT) if self._step_s else step_s
        self._last = now
        return self._step_s
