"""Stand-ins for the pipeline's side of an action."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from listener.actions.base import Action, ActionContext, Recording
from listener.config import ActionSettings, Options
from listener.errors import ActionError
from listener.types import Event, Phase, Samples

LIMIT_S = 20.0
"""How long a test waits for what must happen."""

ONSET = Event(
    id="e1",
    phase=Phase.ONSET,
    source="mic",
    label="dog",
    onset_s=12.5,
    offset_s=None,
    score=0.91,
    peak_score=0.91,
    model="household/1.0.0",
    started_at=datetime(2026, 1, 31, 6, 12, 3, 250_000, tzinfo=UTC),
)

OFFSET = replace(
    ONSET,
    phase=Phase.OFFSET,
    offset_s=15.0,
    score=0.2,
    peak_score=0.97,
    ended_at=datetime(2026, 1, 31, 6, 12, 5, 750_000, tzinfo=UTC),
)


def no_audio(start_s: float, end_s: float) -> Recording:
    """For actions that ask for none."""
    raise NotImplementedError


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another thread, or process, is about to do."""
    ends_at = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        time.sleep(0.002)


def onset(number: int, label: str = "dog") -> Event:
    return replace(ONSET, id=f"e{number}", label=label, onset_s=float(number))


class FakeTap:
    """Sound that a test hears when it wants, and a count of what is kept."""

    def __init__(self, samples: Samples | None = None, sample_rate: int = 16_000) -> None:
        self.samples = np.zeros(0, np.float32) if samples is None else samples
        self.sample_rate = sample_rate
        self.changed = threading.Condition()
        self.holds: list[FakeHold] = []
        self.fetching = threading.Event()

    def hold(self, source: str, from_s: float) -> "FakeHold":
        hold = FakeHold(self, source, from_s)
        self.holds.append(hold)
        return hold

    def hear(self, samples: Samples) -> None:
        with self.changed:
            self.samples = np.concatenate((self.samples, samples))
            self.changed.notify_all()

    @property
    def kept(self) -> int:
        return sum(not hold.released for hold in self.holds)


class FakeHold:
    def __init__(self, tap: FakeTap, source: str, from_s: float) -> None:
        self.tap = tap
        self.source = source
        self.from_s = from_s
        self.released = False

    def fetch(self, start_s: float, end_s: float, timeout_s: float) -> Recording:
        tap = self.tap
        first, last = round(start_s * tap.sample_rate), round(end_s * tap.sample_rate)
        with tap.changed:
            tap.fetching.set()
            tap.changed.wait_for(lambda: self.released or len(tap.samples) >= last, timeout_s)
            if self.released:
                raise ActionError("the sound is not held any more")
            if len(tap.samples) < last:
                raise ActionError("the sound was not heard in time")
            return Recording(tap.samples[first:last], first / tap.sample_rate, tap.sample_rate)

    def release(self) -> None:
        with self.tap.changed:
            self.released = True
            self.tap.changed.notify_all()


class FakeAction(Action):
    """Does what a test tells it, and remembers what it ran for."""

    def __init__(
        self, name: str = "fake", does: Callable[[Event, ActionContext], object] = lambda event, context: None
    ) -> None:
        super().__init__(name, Options())
        self.does = does
        self.seen: list[Event] = []
        self.started = threading.Semaphore(0)
        self.steps: list[str] = []

    def open(self) -> None:
        self.steps.append("open")

    def run(self, event: Event, context: ActionContext) -> None:
        self.seen.append(event)
        self.started.release()
        self.does(event, context)

    def cancel(self) -> None:
        self.steps.append("cancel")

    def close(self) -> None:
        self.steps.append("close")

    def wait_started(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.started.acquire(timeout=LIMIT_S), f"'{self.name}' did not start"


def settings(**values: object) -> ActionSettings:
    return ActionSettings.model_validate({"use": "fake"} | values)
