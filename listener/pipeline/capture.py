"""From a source into its ring: one thread for each source.

::

    OPENING --> LIVE <--> STALLED, SILENT, CLIPPING, LAGGING
       |          ^  `-------.
       v          |           v
    ABSENT -------+-------- LOST

`listener.health` says how a source is while it is open. One that is absent or lost is
opened again and again, and is live when sound comes.
"""

import logging
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from listener.errors import SourceError
from listener.health import Health
from listener.levels import decibels
from listener.logs import fields
from listener.pipeline.intake import Intake
from listener.ring import Ring
from listener.sources.base import EndOfSource, Source
from listener.types import AudioChunk, Samples, SourceChange, SourceState, SourceStats, StreamAnchor

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.25
RING_S = 30.0
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 4.0
"""A microphone that is back is heard again within 5 s, whether or not the system tells of it."""
JITTER = 0.25
"""Pauses are up to this share shorter, so that several microphones are not tried in step."""
LATE_S = 1.0
"""A microphone takes a moment to begin: with `duration_s`, it is waited for this much longer."""


class Capture:
    """Reads a source for as long as there is something to read.

    Stream time begins with the first sample; from then on, time without sound is a gap.

    Parameters
    ----------
    source
        The source; only this thread touches it.
    sample_rate
        The model's rate, in Hz.
    doorbell
        Set when the ring holds what the features thread waits for.
    duration_s
        Seconds of sound after which the source is taken to have ended; None: never.
    on_change
        Called in this thread whenever the state changes; must not block.
    """

    def __init__(
        self,
        source: Source,
        sample_rate: int,
        doorbell: threading.Event,
        duration_s: float | None = None,
        on_change: Callable[[SourceChange], None] = lambda change: None,
    ) -> None:
        self.source = source
        source.preferred_rate = sample_rate
        self.ring = Ring(round(RING_S * sample_rate), sample_rate, waits=source.waits)
        self.opened = threading.Event()
        """Set when it was tried for the first time; then `open_problem` says how that went."""
        self.open_problem: SourceError | None = None
        self.waits_for_source = False
        """A live source that cannot be opened at the start is waited for."""
        self.wake_at_sample = 0
        """Up to this position nobody waits for more sound."""
        self.unheard_until_s: float | None = None
        """Stream time up to which it is known that there is nothing to hear; None where there is."""
        self.turns = 0
        """Grows for as long as the thread is well: with every read, and every attempt to open."""
        self._doorbell = doorbell
        self._duration_s = duration_s
        self._on_change = on_change
        self._clock = source.clock
        self._stopping = threading.Event()
        self._intake = Intake(sample_rate, source.has_clock)
        self._health = Health(source.health, self._clock.now())
        self._state = SourceState.OPENING
        self._problem = ""
        self._since = self._began_at = self._lost_at = self._clock.now()
        self._troubles: Counter[SourceState] = Counter()
        self._source_rate = 0
        self._newest: Samples = np.zeros(0, np.float32)
        self._loss_told = False
        self._retry_s = FIRST_RETRY_S
        self._random = random.Random(source.name)

    @property
    def anchor(self) -> StreamAnchor | None:
        """The stream's time in UTC, once it is known."""
        return self._intake.anchor

    @property
    def state(self) -> SourceState:
        """How the source is."""
        return self._state

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()
        self.ring.close()

    def run(self) -> None:
        """Read until the source ends or `stop` is called."""
        try:
            if self._open_first():
                self._listen()
        finally:
            self.source.close()
            self._enter(SourceState.ENDED)
            self.ring.close()
            self._doorbell.set()

    def stats(self) -> SourceStats:
        """How the source is."""
        # Here, where somebody wants to know, and not with every chunk.
        loudness = np.abs(self._newest)
        rms = np.sqrt(np.square(loudness).mean()) if len(loudness) else 0.0
        return SourceStats(
            name=self.source.name,
            state=self._state,
            problem=self._problem,
            since_s=self._clock.now() - self._since,
            sample_rate=self._source_rate,
            level_db=decibels(float(rms)),
            peak_db=decibels(float(loudness.max(initial=0.0))),
            heard_s=self._intake.heard_s,
            lost_s=self._intake.lost_s + self._away_s,
            # Where recordings are joined, nothing was lost.
            overflows=self._intake.overflows if self.source.live else 0,
            overruns=self.ring.overruns,
            troubles=dict(self._troubles),
        )

    @property
    def _away_s(self) -> float:
        """For how long it has been lost by now: a gap in its stream when it is back, if that has begun."""
        return max(0.0, self._clock.now() - self._lost_at) if self._state is SourceState.LOST else 0.0

    def _open_first(self) -> bool:
        """Open the source, if need be in the end; say whether there is sound to be had."""
        self._began_at = self._clock.now()
        try:
            self._open()
        except SourceError as error:
            if not (self.source.live and self.waits_for_source):
                self.open_problem = error
                return False
            self._enter(SourceState.ABSENT, str(error))
        finally:
            self.opened.set()
        if self._state is SourceState.ABSENT:
            self._open_again()
        return True

    def _open(self) -> None:
        self._source_rate = self.source.open()
        self._health = Health(self.source.health, self._clock.now())

    def _open_again(self) -> None:
        """Open the source again and again; that it is back is said when it gives sound."""
        self._newest = np.zeros(0, np.float32)
        behind_s = self._health.behind_s
        while not (self._stopping.is_set() or self._is_late()):
            self.turns += 1
            self.source.close()
            pause_s = self._retry_s * (1 - JITTER * self._random.random())
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
            self.source.await_return(pause_s, self._stopping)
            if self._stopping.is_set():
                return
            if self._state is SourceState.LOST:
                self.unheard_until_s = self._intake.stream_s(self._clock.now())
            try:
                self._open()
            except SourceError as still:
                if self._state is SourceState.ABSENT:  # else it is better known why it was lost
                    self._problem = str(still)
                continue
            self._intake.reopen(behind_s)
            return

    def _listen(self) -> None:
        while not self._stopping.is_set():
            self.turns += 1
            try:
                chunk = self._read()
                if chunk is None or not len(chunk.samples):
                    # Who gives nothing has stalled, in whichever way it says so.
                    self._loss_told |= chunk is not None and chunk.overflowed
                    self._miss()
                else:
                    self._take(chunk)
            except EndOfSource:
                break
            except SourceError as error:
                # Before the gap: what is still held back would be overwritten by a long one.
                self._write(self._intake.finish())
                if not self.source.live:
                    raise
                if self._state is not SourceState.ABSENT:
                    self._lost_at = self._intake.heard_at or math.inf
                    self._enter(SourceState.LOST, str(error))
                self._open_again()
        self._write(self._intake.finish())

    def _read(self) -> AudioChunk | None:
        if self._duration_s is None:
            return self.source.read(READ_TIMEOUT_S)
        left = round((self._duration_s - self._intake.heard_s) * self._source_rate)
        if left <= 0 or self._is_late():
            raise EndOfSource
        chunk = self.source.read(READ_TIMEOUT_S)
        return None if chunk is None else replace(chunk, samples=chunk.samples[:left])

    def _miss(self) -> None:
        """Nothing came."""
        if not self.source.live:
            return
        self._health.miss(self._clock.now())
        if self._health.is_gone:
            raise SourceError(f"it has delivered nothing for {self.source.health.lost_s:g} s")
        if self._state.is_heard:
            self._judge()

    def _take(self, chunk: AudioChunk) -> None:
        now = self._clock.now()
        self.unheard_until_s = None
        if self._loss_told:
            chunk, self._loss_told = replace(chunk, overflowed=True), False
        unreported_s = self._health.hear(chunk, now) if self.source.live else 0.0
        self._write(self._intake.push(chunk, now, unreported_s))
        self._newest = chunk.samples
        self._retry_s = FIRST_RETRY_S
        self._judge()

    def _judge(self) -> None:
        self._enter(*self._health.judge() if self.source.live else (SourceState.LIVE, ""))

    def _write(self, parts: Iterable[AudioChunk]) -> None:
        for part in parts:
            self.ring.write(part)
        if self.ring.end_sample >= self.wake_at_sample:
            self._doorbell.set()

    def _is_late(self) -> bool:
        """Whether a live source, which may give nothing, has had the time for all that is wanted of it."""
        if self._duration_s is None or not self.source.live:
            return False
        return self._clock.now() > self._began_at + self._duration_s + LATE_S

    def _enter(self, state: SourceState, problem: str = "") -> None:
        """Be in a state; if it is another one, tell."""
        self._problem = problem
        if state is self._state:
            return
        before, self._state, self._since = self._state, state, self._clock.now()
        if state.is_trouble:
            self._troubles[state] += 1
        change = SourceChange(
            self.source.name, before, state, problem, self._intake.position_s, datetime.now(UTC)
        )
        _tell(change, self._source_rate)
        self._on_change(change)


def _tell(change: SourceChange, sample_rate: int) -> None:
    """Put a change into the log; each kind has a text of its own, and so is no repeat of another."""
    about = fields(source=change.source, state=change.state.value)
    if change.state is SourceState.ABSENT:
        log.warning("%s is absent, and waited for: %s", change.source, change.problem, extra=about)
    elif change.state.is_trouble:
        log.warning(f"%s is {change.state.value}: %s", change.source, change.problem, extra=about)
    elif change.before in (SourceState.OPENING, SourceState.ABSENT) and change.state is SourceState.LIVE:
        log.info("listening to %s (%d Hz)", change.source, sample_rate, extra=about)
    elif change.state is SourceState.LIVE:
        log.warning(f"%s is live again (it was {change.before.value})", change.source, extra=about)
