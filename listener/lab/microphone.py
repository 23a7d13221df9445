"""A simulated microphone to which things happen as planned.

It takes the samples of a sound, at its own rate, from the moment at which it is opened on.
What becomes of them depends on nothing but the plan and the moments at which it is opened
and closed: not on how it is read, nor on this machine. In simulated time those moments are
always the same too.
"""

import random
from collections.abc import Iterable

import numpy as np

from listener import config
from listener.errors import DeviceError
from listener.lab.clocks import LabClock, SimulatedClock
from listener.lab.faults import Clipping, Fault, Loss, Stall
from listener.lab.schedule import FOREVER, Effect, Hole, Schedule
from listener.lab.sounds import Sound
from listener.lab.take import Take
from listener.lab.truth import Break, Stretch, Truth
from listener.sources.base import EndOfSource, Source
from listener.types import AudioChunk, Samples

JITTER_S = 0.005
"""A chunk is at hand up to so much after its last sample."""


class FaultyMicrophone(Source):
    """A microphone to which things happen.

    Parameters
    ----------
    name
        Of the source.
    sound
        What it hears.
    plan
        What happens, in the order of its beginning; may be endless.
    rate_hz
        Its rate, until the plan says otherwise.
    chunk_s
        Length of its chunks, in seconds.
    duration_s
        It ends after so many seconds; None: never.
    clock
        Its time. With a `SimulatedClock`, which it has unless told, every sample is waited for.
    options
        Where it comes from a configuration.
    """

    def __init__(
        self,
        name: str,
        sound: Sound,
        plan: Iterable[Fault] = (),
        rate_hz: int = 16_000,
        chunk_s: float = 0.064,
        duration_s: float | None = None,
        clock: LabClock | None = None,
        options: config.Options | None = None,
    ) -> None:
        super().__init__(name, options or config.Options())
        self.truth = Truth()
        """What it gave."""
        self.clock: LabClock = clock or SimulatedClock()
        self._is_simulated = isinstance(self.clock, SimulatedClock)
        self.has_clock = not self._is_simulated
        self._schedule = Schedule(plan)
        self._sound = sound
        self._rate_hz = rate_hz
        self._chunk_s = chunk_s
        self._ends_at_s = FOREVER if duration_s is None else duration_s
        self._zero_s: float | None = None
        self._random = random.Random(name)
        self._take: Take | None = None
        self._given_until_s = 0.0

    @property
    def waits(self) -> bool:
        """In simulated time all of it is heard, however slow the listener."""
        return self._is_simulated

    @property
    def faults(self) -> list[Fault]:
        """What has happened so far, and perhaps what comes next."""
        return self._schedule.begun

    def open(self) -> int:
        """Begin to hear, if it is there.

        Returns
        -------
        int
            Its rate, in Hz.

        Raises
        ------
        DeviceError
            It is unplugged.
        """
        self.close()
        now_s = self.clock.now()
        if self._zero_s is None:
            self._zero_s = now_s
        now_s -= self._zero_s
        self._schedule.look_ahead(now_s)
        if now_s < self._ends_at_s and self._schedule.unplug(now_s, now_s):
            raise DeviceError("it is unplugged, as planned")
        self._rate_hz = self._schedule.rate_at(now_s) or self._rate_hz
        start_s = self._schedule.stall_ends(now_s)
        why: Break = "opened" if self.truth.stretches else "start"
        self._take = Take(why, now_s, start_s, round(start_s * self._rate_hz), self._rate_hz)
        return self._rate_hz

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Give the next chunk, when it is at hand.

        Raises
        ------
        EndOfSource
            Its time is over.
        DeviceError
            It was unplugged.
        """
        take = self._take
        if take is None:
            raise DeviceError("it is not open")
        if take.opened_s >= self._ends_at_s:
            raise EndOfSource
        if take.waiting is None:
            take.waiting = self._next(take)
        n_samples, at_s = take.waiting
        unplug = self._schedule.unplug(take.opened_s, min(at_s, self._ends_at_s))
        if unplug is not None and not take.is_dead:
            if not self._wait_until(unplug.at_s, timeout_s):
                return None
            take.is_dead = True
            if unplug.says_so:
                raise DeviceError("it was unplugged, as planned")
        if take.is_dead:
            n_samples, at_s = None, self._ends_at_s
        if not self._wait_until(at_s, timeout_s):
            return None
        if n_samples is None:
            raise EndOfSource
        return self._give(take, n_samples)

    def close(self) -> None:
        """Let go: what was taken and not given is gone."""
        self._take = None

    def _wait_until(self, at_s: float, timeout_s: float) -> bool:
        assert self._zero_s is not None
        return self.clock.wait_until(self._zero_s + at_s, timeout_s)

    def _next(self, take: Take) -> tuple[int | None, float]:
        """Find how long the next chunk is, and when it is at hand."""
        take.tempo = 1 + 1e-6 * self._schedule.ppm_at(take.due_s)
        wanted = take.next_size(self._schedule.odd_chunks(take.due_s), self._chunk_s)
        while take.due_s < self._ends_at_s:
            end_s = min(take.time_after(wanted), self._ends_at_s)
            self._schedule.look_ahead(end_s)
            hole = self._schedule.hole(take.due_s, end_s, take.kept_until_s)
            n_samples = wanted
            if hole is not None or end_s == self._ends_at_s:
                n_samples = min(wanted, take.taken_until(end_s if hole is None else hole.at_s))
            if hole is not None and not n_samples:
                self._pass(take, hole)
                continue
            if wanted and not n_samples:
                break
            at_s = max(take.time_after(n_samples) + self._random.uniform(0, JITTER_S), take.kept_until_s)
            self._schedule.look_ahead(at_s)
            return n_samples, at_s
        self._schedule.look_ahead(self._ends_at_s)
        return None, self._ends_at_s

    @staticmethod
    def _pass(take: Take, hole: Hole) -> None:
        """A hole is right here."""
        if isinstance(hole, Stall) and hole.kept:
            take.kept_until_s = hole.end_s
        else:
            take.leave_out(hole.end_s, hole.told if isinstance(hole, Loss) else "no")

    def _give(self, take: Take, n_samples: int) -> AudioChunk:
        samples = self._sound.take(take.first, n_samples, take.rate_hz)
        for effect in self._schedule.effects(take.due_s, take.time_after(n_samples)):
            samples = _spoilt(samples, effect, take)
        chunk = AudioChunk(samples, take.position, take.rate_hz, take.flagged)
        if n_samples:
            self._note(take, n_samples)
        take.give(n_samples)
        self._schedule.forget(take.due_s)
        return chunk

    def _note(self, take: Take, n_samples: int) -> None:
        """Keep the truth about the next samples."""
        stretches = self.truth.stretches
        if take.why is not None:
            stream_s = 0.0
            if stretches and take.why == "opened":
                stream_s = stretches[-1].end_s + take.due_s - self._given_until_s
            elif stretches:
                stream_s = stretches[-1].end_s + take.n_left_out / take.rate_hz
            stretches.append(Stretch(take.why, take.due_s, stream_s, take.first, take.rate_hz))
        stretches[-1].n_samples += n_samples
        self._given_until_s = take.time_after(n_samples)


def _spoilt(samples: Samples, effect: Effect, take: Take) -> Samples:
    """Make of the next samples what a fault makes of them."""
    span = slice(take.taken_until(effect.at_s), take.taken_until(effect.end_s))
    samples = samples.copy()
    if isinstance(effect, Clipping):
        samples[span] = np.clip(samples[span] * np.float32(effect.gain), -1, 1)
    else:
        samples[span] = effect.value
    return samples
