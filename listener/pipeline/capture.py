"""From a source into its ring: one thread for each source."""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from listener.errors import SourceError
from listener.levels import decibels
from listener.ring import Ring
from listener.sources.base import EndOfSource, Source
from listener.stages import RateStage
from listener.types import AudioChunk, Samples, SourceState, SourceStats, StreamAnchor

log = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.25
RING_S = 30.0
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
LATE_S = 1.0
"""A microphone takes a moment to begin: with `duration_s`, it is waited for this much longer."""
ANCHOR_LASTS_S = 60.0
"""A sound card's clock is up to 100 ppm wrong: after this long, event times would be 6 ms off."""


class Capture:
    """Reads a source for as long as there is something to read.

    A live source that is lost is opened again and again; the time without it is a gap.

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
    """

    def __init__(
        self, source: Source, sample_rate: int, doorbell: threading.Event, duration_s: float | None = None
    ) -> None:
        self.source = source
        source.preferred_rate = sample_rate
        self.ring = Ring(round(RING_S * sample_rate), sample_rate, waits=not source.live)
        self.anchor: StreamAnchor | None = None
        self.opened = threading.Event()
        """Set when it was tried for the first time; then `open_problem` says how that went."""
        self.open_problem: SourceError | None = None
        self.wake_at_sample = 0
        """Up to this position nobody waits for more sound."""
        self._problem: SourceError | None = None
        self._sample_rate = sample_rate
        self._doorbell = doorbell
        self._duration_s = duration_s
        self._stopping = threading.Event()
        self._state = SourceState.OPENING
        self._source_rate = 0
        self._newest: Samples = np.zeros(0, np.float32)
        self._retry_s = FIRST_RETRY_S
        self._heard_s = self._lost_s = 0.0
        self._began_at = 0.0
        self._n_read = 0
        self._expected = 0
        self._overflows = 0
        self._anchored_at_s = -ANCHOR_LASTS_S

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()
        self.ring.close()

    def run(self) -> None:
        """Read until the source ends or `stop` is called."""
        try:
            self._source_rate = self.source.open()
            self._state = SourceState.LISTENING
            log.info("listening to %s (%d Hz)", self.source.name, self._source_rate)
        except SourceError as error:
            self.open_problem = error
        finally:
            self.opened.set()
        try:
            if self.open_problem is None:
                self._listen()
        finally:
            self.source.close()
            self._state = SourceState.ENDED
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
            problem=str(self._problem or ""),
            sample_rate=self._source_rate,
            level_db=decibels(float(rms)),
            peak_db=decibels(float(loudness.max(initial=0.0))),
            heard_s=self._heard_s,
            lost_s=self._lost_s,
            overflows=self._overflows,
            overruns=self.ring.overruns,
        )

    def _listen(self) -> None:
        stage = RateStage(self._source_rate, self._sample_rate)
        heard_at = self._began_at = time.monotonic()
        while not self._stopping.is_set():
            try:
                chunk = self._read()
            except EndOfSource:
                self._write_rest(stage)
                return
            except SourceError as error:
                if not self.source.live:
                    self._write_rest(stage)
                    raise
                self._wait_for_return(error)
                missing_s = time.monotonic() - heard_at
                heard_at += missing_s
                self._lost_s += missing_s
                self._expected = 0
                stage.lose(missing_s, self._source_rate)
                continue
            if chunk is not None:
                heard_at = time.monotonic()
                self._take(chunk, stage)

    def _write_rest(self, stage: RateStage) -> None:
        for part in stage.finish():
            self.ring.write(part)

    def _read(self) -> AudioChunk | None:
        if self._duration_s is None:
            return self.source.read(READ_TIMEOUT_S)
        # Counted in samples: a sum of seconds would never quite get there.
        left = round(self._duration_s * self._source_rate) - self._n_read
        if left <= 0 or self._is_late():
            raise EndOfSource
        chunk = self.source.read(READ_TIMEOUT_S)
        return None if chunk is None else replace(chunk, samples=chunk.samples[:left])

    def _take(self, chunk: AudioChunk, stage: RateStage) -> None:
        if self._state is SourceState.LOST:
            self._is_back()
        for part in stage.push(chunk):
            self.ring.write(part)
        if self.ring.end_sample >= self.wake_at_sample:
            self._doorbell.set()
        self._n_read += len(chunk.samples)
        self._heard_s += len(chunk.samples) / chunk.sample_rate
        self._lost_s += (chunk.first_sample - self._expected) / chunk.sample_rate
        self._expected = chunk.end_sample
        # Where recordings are joined, nothing was lost.
        self._overflows += chunk.overflowed and self.source.live
        if len(chunk.samples):
            self._newest = chunk.samples
        end_s = self.ring.end_sample / self._sample_rate
        if self.source.has_clock and end_s - self._anchored_at_s >= ANCHOR_LASTS_S:
            self._anchored_at_s = end_s
            self.anchor = StreamAnchor(datetime.now(UTC) - timedelta(seconds=end_s))

    def _wait_for_return(self, error: SourceError) -> None:
        """Open the source again and again; that it is back is said when it gives sound."""
        if self._state is not SourceState.LOST:
            log.warning("%s is lost: %s", self.source.name, error)
        self._state, self._problem, self._newest = SourceState.LOST, error, np.zeros(0, np.float32)
        while not (self._stopping.is_set() or self._is_late()):
            self.source.close()
            self._stopping.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)
            try:
                self._source_rate = self.source.open()
            except SourceError as still:
                self._problem = still
                continue
            return

    def _is_late(self) -> bool:
        """Whether a live source, which may give nothing, has had the time for all that is wanted of it."""
        if self._duration_s is None or not self.source.live:
            return False
        return time.monotonic() > self._began_at + self._duration_s + LATE_S

    def _is_back(self) -> None:
        self._state, self._problem = SourceState.LISTENING, None
        self._retry_s = FIRST_RETRY_S
        log.warning("%s is back", self.source.name)
