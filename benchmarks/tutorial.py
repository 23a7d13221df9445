"""What one does without this project: record a few seconds, write a file, read it, label it, begin again.

While it reads and labels, it hears nothing.
"""

import sys
import time
from itertools import cycle
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

BLOCK_SAMPLES = 1024
"""What is read from the microphone at once: 64 ms."""

HEARD_BLOCKS = 100
"""After so many blocks the microphone hears the same again."""

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
        self._model = torch.jit.load(model, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        sound = (3_000 * np.random.default_rng(0).standard_normal(HEARD_BLOCKS * BLOCK_SAMPLES)).astype("<i2")
        self._microphone = cycle([block.tobytes() for block in np.split(sound, HEARD_BLOCKS)])
        self.model_cpu_s = 0.0
        """Processor time that the model has taken so far, in seconds."""

    def run_in(self, recording_samples: int) -> None:
        """Do what happens only with the first recordings of a length."""
        for _ in range(RUNS_UNTIL_COMPILED):
            self.label(np.zeros(recording_samples, np.int16))

    def record(self, duration_s: float, speed: float) -> NDArray[np.int16]:
        """Read blocks until a recording is complete; a microphone gives one whenever it is full."""
        blocks: list[bytes] = []
        n_blocks = round(duration_s * SAMPLE_RATE / BLOCK_SAMPLES)
        begun = time.monotonic()
        for number in range(n_blocks):
            due = begun + (number + 1) * BLOCK_SAMPLES / SAMPLE_RATE / speed
            time.sleep(max(0.0, due - time.monotonic()))
            blocks.append(next(self._microphone))
        return np.frombuffer(b"".join(blocks), np.int16)

    def label(self, recording: NDArray[np.int16]) -> int:
        """Write the recording, read it again, and give the index of its label."""
        soundfile.write(self._wav, recording, SAMPLE_RATE)
        image = self._spectrogram()
        started = time.process_time()
        with torch.no_grad():
            label = int(self._model(image).argmax())
        self.model_cpu_s += time.process_time() - started
        return label

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
    print(Tutorial(model, folder).label(np.zeros(round(RECORD_S * SAMPLE_RATE), np.int16)))


if __name__ == "__main__":
    main()
