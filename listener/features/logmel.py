"""Log-mel spectrograms: at once, or frame by frame as the sound comes in.

Both forms run the same code on the same frames, and every step of it treats a frame
without regard to its neighbours in the array. So the result is the same to the bit,
however the stream was cut; live, replayed and offline sound get the same scores. That
is why the filter bank adds up what each band covers, row by row: a matrix product would
be rounded differently with another number of frames (and take four times as long).

What looks at a window as a whole (its padding, its least and greatest value) comes before
and after the frames; `listener.features.layers` has the same front end for PyTorch.
"""

import numpy as np
from numpy.typing import NDArray

from listener.features.front_end import (
    LEAST_SPREAD,
    MAGNITUDE_OFFSET,
    count_frames,
    hann,
    log_factor,
    mel_weights,
)
from listener.features.normalise import MinMax
from listener.types import FeatureParameters, Samples

FRAMES_AT_ONCE = 32
"""A transform of more frames than this falls out of the processor's cache and costs twice as much."""


class LogMel:
    """The spectrogram of whole pieces of sound, log-mel unless the parameters say otherwise.

    Frames are weighted with a periodic Hann window. The result is that of
    ``librosa.feature.melspectrogram`` (``librosa.stft``, where bands are linear), within rounding.

    Parameters
    ----------
    parameters
        The front end's parameters.

    Raises
    ------
    ValueError
        Bands are linear, and ``n_mels`` is not the number of bins.
    """

    def __init__(self, parameters: FeatureParameters) -> None:
        self.parameters = parameters
        self._hann = hann(parameters.n_fft).astype(np.float32)
        weights = mel_weights(parameters)
        self._bank = None if weights is None else _TriangleBank(weights)
        self._log_factor = np.float32(log_factor(parameters))

    def n_frames(self, n_samples: int) -> int:
        """Whole frames in ``n_samples`` samples, and what they are padded with."""
        return count_frames(self.parameters, n_samples)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """Transform sound of any length.

        Parameters
        ----------
        samples
            Shape (n_samples,) or (n_sounds, n_samples), in [-1, 1].

        Returns
        -------
        ndarray
            Shape (n_mels, n_frames) or (n_sounds, n_mels, n_frames): logarithm of the power (or
            magnitude) in each band, normalised as the parameters say.
        """
        if samples.ndim == 2:
            return np.stack([self(sound) for sound in samples])
        if self.n_frames(len(samples)) == 0:
            return np.empty((self.parameters.n_mels, 0), np.float32)
        return self.finished(self.frames(self._padded(samples)))

    def frames(self, samples: Samples) -> NDArray[np.float32]:
        """Transform whole frames of a stream, (n_samples,) to (n_mels, n_frames), without padding."""
        n_fft, hop_length = self.parameters.n_fft, self.parameters.hop_length
        n_frames = max(0, 1 + (len(samples) - n_fft) // hop_length)
        rows = np.empty((n_frames, self.parameters.n_mels), np.float32)
        if n_frames:
            frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]
            for first in range(0, n_frames, FRAMES_AT_ONCE):
                block = slice(first, first + FRAMES_AT_ONCE)
                rows[block] = self._transform(frames[block])
        return np.ascontiguousarray(rows.T)

    def finished(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Do what is done to a window as a whole, (n_mels, n_frames) to the same."""
        return MinMax.of(window).normalise(window) if self.parameters.normalisation == "min_max" else window

    def _padded(self, samples: Samples) -> Samples:
        width, padding = self.parameters.padding_samples, self.parameters.padding
        if padding == "none":
            return samples
        return np.pad(samples, width, mode="reflect" if padding == "reflect" else "constant")

    def _transform(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n_frames, n_fft) to (n_frames, n_mels)."""
        # Real and imaginary parts in turn: squared in one go.
        parts = np.fft.rfft(frames * self._hann).view(np.float32)
        np.square(parts, out=parts)
        power = parts[:, 0::2] + parts[:, 1::2]
        if self.parameters.power == 1:
            power = np.sqrt(power + np.float32(MAGNITUDE_OFFSET))
        mel = power if self._bank is None else self._bank(power)
        np.maximum(mel, np.float32(self.parameters.floor), out=mel)
        log_mel = np.log(mel, out=mel)
        if self.parameters.scale == "db":
            log_mel *= self._log_factor
        return _normalised(log_mel) if self.parameters.normalisation == "frame" else log_mel


class _TriangleBank:
    """The filter bank, as sums over the bins that each triangle covers.

    Every other triangle begins where the last but one has ended: the even ones lie side by side,
    and so do the odd ones.
    """

    def __init__(self, bank: NDArray[np.float32]) -> None:
        n_bins = bank.shape[1]
        covers = bank > 0
        covers_any = covers.any(axis=1)
        begins = np.where(covers_any, covers.argmax(axis=1), n_bins)
        self._halves = [
            # One that is too narrow to cover any bin has its place before the next that does.
            (bank[half].sum(axis=0), np.minimum.accumulate(begins[half][::-1])[::-1])
            for half in (slice(0, None, 2), slice(1, None, 2))
        ]
        self._covers_any = np.asarray(covers_any, np.float32)

    def __call__(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power (n_frames, n_bins) to mel (n_frames, n_mels)."""
        n_frames, n_bins = power.shape
        mel = np.empty((n_frames, len(self._covers_any)), np.float32)
        weighted = np.zeros((n_frames, n_bins + 1), np.float32)
        for half, (weights, begins) in enumerate(self._halves):
            np.multiply(power, weights, out=weighted[:, :-1])
            mel[:, half::2] = np.add.reduceat(weighted, begins, axis=1)
        mel *= self._covers_any
        return mel


def _normalised(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take each frame's mean off, and divide it by its standard deviation, (n_frames, n_mels)."""
    # Less its first band, a frame of digital silence is zeros; its mean alone would be rounded,
    # and what the rounding leaves would be made as large as a sound.
    relative = log_mel - log_mel[:, :1]
    deviation = relative - _means(relative)
    spread = np.sqrt(_means(np.square(deviation)))
    return np.asarray(deviation / np.maximum(spread, np.float32(LEAST_SPREAD)), np.float32)


def _means(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    # numpy's own mean adds up in another order where there is only one row.
    return np.asarray(np.add.reduceat(rows, [0], axis=1) / np.float32(rows.shape[1]), np.float32)


class LogMelStream:
    """The spectrogram of a stream, of which only new frames are computed.

    Parameters
    ----------
    log_mel
        The transform; its windows are not padded.
    """

    def __init__(self, log_mel: LogMel) -> None:
        parameters = log_mel.parameters
        self._log_mel = log_mel
        self._n_kept = parameters.n_frames
        self._hop_length = parameters.hop_length
        self._pending: Samples = np.empty(0, np.float32)
        # Twice as long as a window: a window is then always one slice, and the newer half
        # is moved to the front once in a window's time.
        self._frames = np.zeros((parameters.n_mels, 2 * self._n_kept), np.float32)
        self._filled = self._n_kept

    def push(self, samples: Samples) -> None:
        """Take the next samples of the stream, any number of them."""
        pending = np.concatenate((self._pending, samples))
        n_new = self._log_mel.n_frames(len(pending))
        for first in range(0, n_new, self._n_kept):
            begin = first * self._hop_length
            end = (min(first + self._n_kept, n_new) - 1) * self._hop_length + self._log_mel.parameters.n_fft
            self._append(self._log_mel.frames(pending[begin:end]))
        self._pending = pending[n_new * self._hop_length :]

    def window(self) -> NDArray[np.float32]:
        """Give a copy of the newest ``n_frames`` frames, shape (n_mels, n_frames)."""
        return self._log_mel.finished(self._newest().copy())

    def _newest(self) -> NDArray[np.float32]:
        return self._frames[:, self._filled - self._n_kept : self._filled]

    def _append(self, frames: NDArray[np.float32]) -> None:
        n_new = frames.shape[1]
        if self._filled + n_new > self._frames.shape[1]:
            self._frames[:, : self._n_kept] = self._newest().copy()
            self._filled = self._n_kept
        self._frames[:, self._filled : self._filled + n_new] = frames
        self._filled += n_new
