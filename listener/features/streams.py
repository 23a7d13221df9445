"""The newest window of a stream, in each form that a model may want."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from listener.features.logmel import LogMel, LogMelStream
from listener.features.wav import wav_bytes
from listener.types import ModelCard, Samples


class WindowStream(Protocol):
    """Takes the samples of a stream and gives its newest window."""

    def push(self, samples: Samples) -> None:
        """Take the next samples, any number of them."""

    def window(self) -> NDArray[np.float32] | bytes:
        """Give the newest window; at least as many samples must have been pushed as it has."""


class WaveformStream:
    """The newest window as samples, or as a WAV file.

    Parameters
    ----------
    window_samples
        Length of a window.
    wav_rate
        Sample rate of the WAV file, in Hz; None: the samples themselves.
    """

    def __init__(self, window_samples: int, wav_rate: int | None = None) -> None:
        self.samples: Samples = np.zeros(window_samples, np.float32)
        """The newest window; never written to."""
        self._wav_rate = wav_rate

    def push(self, samples: Samples) -> None:
        """Take the next samples, any number of them."""
        n_window = len(self.samples)
        self.samples = np.concatenate((self.samples, samples[-n_window:]))[-n_window:]

    def window(self) -> NDArray[np.float32] | bytes:
        """Give the newest window."""
        return self.samples if self._wav_rate is None else wav_bytes(self.samples, self._wav_rate)


class WholeWindowStream:
    """The spectrogram of the newest window, all of it computed anew: its padding moves on with it.

    Parameters
    ----------
    log_mel
        The transform.
    """

    def __init__(self, log_mel: LogMel) -> None:
        self._log_mel = log_mel
        self._newest = WaveformStream(log_mel.parameters.window_samples)

    def push(self, samples: Samples) -> None:
        """Take the next samples, any number of them."""
        self._newest.push(samples)

    def window(self) -> NDArray[np.float32]:
        """Give the newest window, shape (n_mels, n_frames)."""
        return self._log_mel(self._newest.samples)


def window_stream(card: ModelCard, log_mel: LogMel | None) -> WindowStream:
    """Start a stream of windows in the form that a card asks for."""
    if log_mel is not None:
        return LogMelStream(log_mel) if log_mel.parameters.padding == "none" else WholeWindowStream(log_mel)
    return WaveformStream(card.window_samples, card.sample_rate if card.input == "wav_bytes" else None)
