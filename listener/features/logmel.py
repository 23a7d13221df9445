"""Log-mel spectrograms: at once, or frame by frame as the sound comes in.

Both forms run the same code on the same frames, and every step of it treats a frame
without regard to its neighbours in the array. So the result is the same to the bit,
however the stream was cut; live, replayed and offline sound get the same scores. That
is why the filter bank is sparse: a dense product would be rounded differently with
another number of frames (and take eight times as long).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from listener.features.mel import filter_bank
from listener.types import FeatureParameters, Samples

FRAMES_AT_ONCE = 32
"""A transform of more frames than this falls out of the processor's cache and costs twice as much."""


class LogMel:
    """The log-mel spectrogram of whole pieces of sound.

    Frames are not padded (``center=False``), weighted with a periodic Hann window, and
    equal to ``librosa.feature.melspectrogram`` within rounding.

    Parameters
    ----------
    parameters
        The front end's parameters.
    """

    def __init__(self, parameters: FeatureParameters) -> None:
        self.parameters = parameters
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(parameters.n_fft) / parameters.n_fft)).astype(
            np.float32
        )
        self._bank = csr_array(
            filter_bank(
                parameters.sample_rate,
                parameters.n_fft,
                parameters.n_mels,
                parameters.f_min_hz,
                parameters.f_max_hz,
            )
        )
        # numpy's mean adds up in another order where there is only one frame.
        self._mean = csr_array(np.full((1, parameters.n_mels), 1 / parameters.n_mels, np.float32))

    def n_frames(self, n_samples: int) -> int:
        """Whole frames in ``n_samples`` samples."""
        return max(0, 1 + (n_samples - self.parameters.n_fft) // self.parameters.hop_length)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """Transform sound of any length.

        Parameters
        ----------
        samples
            Shape (n_samples,) or (n_sounds, n_samples), in [-1, 1].

        Returns
        -------
        ndarray
            Shape (n_mels, n_frames) or (n_sounds, n_mels, n_frames): natural logarithm of the
            power in each band, normalised as the parameters say.
        """
        if samples.ndim == 2:
            return np.stack([self(sound) for sound in samples])
        n_frames = self.n_frames(len(samples))
        spectrogram = np.empty((self.parameters.n_mels, n_frames), np.float32)
        for first in range(0, n_frames, FRAMES_AT_ONCE):
            last = min(first + FRAMES_AT_ONCE, n_frames)
            spectrogram[:, first:last] = self._transform(self._cut(samples, first, last))
        return spectrogram

    def _cut(self, samples: Samples, first: int, last: int) -> NDArray[np.float32]:
        n_fft, hop_length = self.parameters.n_fft, self.parameters.hop_length
        part = samples[first * hop_length : (last - 1) * hop_length + n_fft]
        return np.lib.stride_tricks.sliding_window_view(part, n_fft)[::hop_length]

    def _transform(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = np.fft.rfft(frames * self._hann)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        mel = self._bank @ power.T
        np.maximum(mel, np.float32(self.parameters.floor), out=mel)
        log_mel = np.log(mel, out=mel)
        return self._normalised(log_mel) if self.parameters.normalisation == "frame" else log_mel

    def _normalised(self, log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
        # Less its first band, a frame of digital silence is zeros; its mean alone would be rounded,
        # and what the rounding leaves would be made as large as a sound.
        relative = log_mel - log_mel[0]
        deviation = relative - self._mean @ relative
        spread = np.sqrt(self._mean @ np.square(deviation))
        return np.asarray(deviation / np.maximum(spread, np.float32(1e-6)), np.float32)


class LogMelStream:
    """The log-mel spectrogram of a stream, of which only new frames are computed.

    Parameters
    ----------
    log_mel
        The transform.
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
            self._append(self._log_mel(pending[begin:end]))
        self._pending = pending[n_new * self._hop_length :]

    def window(self) -> NDArray[np.float32]:
        """Give a copy of the newest ``n_frames`` frames, shape (n_mels, n_frames)."""
        return self._frames[:, self._filled - self._n_kept : self._filled].copy()

    def _append(self, frames: NDArray[np.float32]) -> None:
        n_new = frames.shape[1]
        if self._filled + n_new > self._frames.shape[1]:
            self._frames[:, : self._n_kept] = self.window()
            self._filled = self._n_kept
        self._frames[:, self._filled : self._filled + n_new] = frames
        self._filled += n_new
