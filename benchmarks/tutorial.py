"""What one does without this project: record a few seconds, write a file, read it, label it, begin again.

While it reads and labels, it hears nothing.
"""

import sys
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Hz; recorded at the rate that the model wants, so that nothing is resampled."""

RECORD_S = 6.0
"""Length of a recording."""

N_FFT, HOP_LENGTH, N_MELS, N_FRAMES = 2048, 256, 128, 128

WINDOW_SAMPLES = (N_FRAMES - 1) * HOP_LENGTH
"""The shortest recording of which librosa makes `N_FRAMES` frames: it pads both ends."""

RUNS_UNTIL_COMPILED = 3


class Tutorial:
    """The body of the tutorial's loop.

    Parameters
    ----------
    model
        A TorchScript file.
    folder
        Where the recording is written.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        torch.set_num_threads(1)
        self._wav = folder / "recording.wav"
        self.model = torch.jit.load(model, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        self.outside_model_s = 0.0
        """Processor time that everything but the model has taken so far, in seconds."""

    def run_in(self, recording_samples: int) -> None:
        """Do what happens only with the first recordings of a length."""
        for _ in range(RUNS_UNTIL_COMPILED):
            self.label(np.zeros(recording_samples, np.float32))

    def label(self, recording: NDArray[np.float32]) -> int:
        """Write the recording, read it again, and give the index of its label."""
        started = time.process_time()
        soundfile.write(self._wav, recording, SAMPLE_RATE)
        image = self._spectrogram()
        self.outside_model_s += time.process_time() - started
        with torch.no_grad():
            return int(self.model(image).argmax())

    def _spectrogram(self) -> torch.Tensor:
        samples, rate = librosa.load(self._wav, sr=SAMPLE_RATE)
        mel = librosa.feature.melspectrogram(
            y=samples, sr=rate, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
        )
        log_mel = np.log(mel + 1e-10)
        normalised = (log_mel - log_mel.mean(axis=0)) / (log_mel.std(axis=0) + 1e-6)
        return torch.from_numpy(normalised.astype(np.float32))[None, None]


def main() -> None:
    """Label one recording: ``python -m benchmarks.tutorial MODEL FOLDER``."""
    model, folder = map(Path, sys.argv[1:])
    print(Tutorial(model, folder).label(np.zeros(round(RECORD_S * SAMPLE_RATE), np.float32)))


if __name__ == "__main__":
    main()
