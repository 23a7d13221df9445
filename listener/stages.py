"""The steps between a source and its events, without threads.

`listener.pipeline` drives them with threads, `listener.offline` in a plain loop: the same
objects, and so the same events.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from listener.features import LogMel, WindowStream, window_stream
from listener.sources.resample import StreamResampler
from listener.types import AudioChunk, Features, ModelCard, Prediction
from listener.windows import WindowSchedule, WindowSpan


class RateStage:
    """Brings a source's chunks to the model's rate, and its losses to the model's positions.

    Parameters
    ----------
    from_rate, to_rate
        Hz.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from_rate = from_rate
        self._to_rate = to_rate
        self._resampler = StreamResampler(from_rate, to_rate)
        self._expected = 0
        self._position = 0

    @property
    def position(self) -> int:
        """Position, at the model's rate, of the next sample to come."""
        return self._position

    def push(self, chunk: AudioChunk) -> Iterator[AudioChunk]:
        """Take the next chunk; give what follows from it, if anything yet."""
        lost = max(0, chunk.first_sample - self._expected)
        if lost or chunk.overflowed:
            # Nothing is filtered across a loss: so its place is exact, however the stream was cut.
            yield from self.finish()
            self._position += round(lost * self._to_rate / self._from_rate)
        self._expected = chunk.end_sample
        yield from self._emit(self._resampler.push(chunk.samples), chunk.overflowed or lost > 0)

    def finish(self) -> Iterator[AudioChunk]:
        """The source has ended, or what follows is no continuation: give what the resampler still holds."""
        rest = self._resampler.push(np.empty(0, np.float32), last=True)
        self._resampler = StreamResampler(self._from_rate, self._to_rate)
        yield from self._emit(rest, False)

    def lose(self, elapsed_s: float, from_rate: int) -> Iterator[AudioChunk]:
        """Nothing was heard for some seconds: the next chunk begins a stream of its own, at ``from_rate``.

        Gives what the resampler still holds of the sound before.
        """
        yield from self.finish()
        self._from_rate = from_rate
        self._resampler = StreamResampler(from_rate, self._to_rate)
        self._position += round(elapsed_s * self._to_rate)
        self._expected = 0

    def _emit(self, samples: NDArray[np.float32], after_gap: bool) -> Iterator[AudioChunk]:
        if len(samples) or after_gap:
            yield AudioChunk(samples, self._position, self._to_rate, after_gap)
            self._position += len(samples)


class FeatureStage:
    """Cuts one source's stream into windows and gives them the form that the model wants.

    Parameters
    ----------
    source
        Name of the source.
    card
        The model's card.
    hop_s
        Time between windows, in seconds.
    origin
        Position from which the windows are counted: that of the first sample to come.
    """

    def __init__(self, source: str, card: ModelCard, hop_s: float, origin: int = 0) -> None:
        self._source = source
        self._card = card
        self._log_mel = LogMel(card.features) if card.input == "log_mel" and card.features else None
        grid = card.features.hop_length if self._log_mel and card.features else 1
        hop_samples = max(grid, round(hop_s * card.sample_rate))
        self._schedule = WindowSchedule(card.window_samples, hop_samples, grid, origin)
        self._stream: WindowStream = window_stream(card, self._log_mel)
        self._position = origin
        self._seen_until = origin

    @property
    def position(self) -> int:
        """Position of the next sample to come."""
        return self._position

    @property
    def origin(self) -> int:
        """Position before which no window reaches."""
        return self._schedule.origin

    @property
    def seen_until(self) -> int:
        """Position up to which sound lies in windows that were given."""
        return self._seen_until

    @property
    def samples_to_window(self) -> int:
        """How many samples complete the next window."""
        return self._schedule.next.end_sample - self._position

    def push(self, chunk: AudioChunk, captured_at: float = 0.0) -> Iterator[Features]:
        """Take the next samples; give the windows that they complete."""
        if chunk.first_sample > self._position:
            self._schedule.restart(chunk.first_sample)
            self._stream = window_stream(self._card, self._log_mel)
            self._position = self._seen_until = chunk.first_sample
        elif chunk.overflowed:
            self._schedule.flag(chunk.first_sample)
        samples = chunk.samples
        while (span := self._schedule.next).end_sample <= self._position + len(samples):
            needed = span.end_sample - self._position
            self._take(samples[:needed])
            samples = samples[needed:]
            yield self._window(span, span.end_sample, captured_at)
        self._take(samples)

    def finish(self) -> Iterator[Features]:
        """The source has ended: give the window that holds its last samples, filled up with silence."""
        span, end = self._schedule.next, self._position
        if end > max(self._seen_until, span.start_sample):
            self._take(np.zeros(span.end_sample - end, np.float32))
            yield self._window(span, end, 0.0)

    def _take(self, samples: NDArray[np.float32]) -> None:
        self._stream.push(samples)
        self._position += len(samples)

    def _window(self, span: WindowSpan, heard_until: int, captured_at: float) -> Features:
        self._schedule.advance()
        self._seen_until = heard_until
        return Features(
            source=self._source,
            data=self._stream.window(),
            start_sample=span.start_sample,
            end_sample=heard_until,
            sample_rate=self._card.sample_rate,
            after_gap=span.after_gap,
            captured_at=captured_at,
        )


def predictions(
    batch: Sequence[Features], scores: NDArray[np.float32], inference_s: float = 0.0
) -> Iterator[Prediction]:
    """Join windows with their scores, shape (n_windows, n_classes)."""
    for window, window_scores in zip(batch, scores, strict=True):
        yield Prediction(
            source=window.source,
            scores=window_scores,
            start_s=window.start_sample / window.sample_rate,
            end_s=window.end_sample / window.sample_rate,
            after_gap=window.after_gap,
            inference_s=inference_s / len(batch),
            captured_at=window.captured_at,
        )
