"""Features for training: made beforehand, on the fly by the layer, by librosa; and their part of a step.

A batch is 64 windows of the shipped model's front end. A step is that of its network: forwards, backwards,
AdamW. Processor times of one thread; on an accelerator, wall time until it is done, in which the sounds
are sent to it.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Spread, ratio
from benchmarks.networks import noise
from benchmarks.timing import cpu_s, interleaved
from listener.cli import TORCH_SETTINGS
from listener.features import PRESETS, LogMel
from listener.features.layers import LogMelLayer
from listener.training.networks import build_network
from listener.training.recipe import NetworkSettings

GROUP = "layers"
PARAMETERS = PRESETS["household"]
N_LABELS = 27
N_STORED = 512
"""Clips of the store: 16 MB, which stay in the system's cache as those of a small data set do."""

SINGLE = "layer, single precision"
ON_PROCESSOR = ("store", "layer", SINGLE, "torch.stft", "NumPy", "librosa")
ON_ACCELERATOR = ("layer", SINGLE)
STEPS = ("step", "step with the layer, single precision")


class Training:
    """What a training process holds: sounds, their features in a file, the layer, a network.

    Parameters
    ----------
    folder
        For the file.
    batch_size, width
        Sounds in a batch; channels of the network's first stage.
    """

    def __init__(self, folder: Path, batch_size: int, width: int) -> None:
        _as_listener_train_does()
        torch.set_num_threads(1)
        n_samples = PARAMETERS.window_samples
        self.sounds = noise(batch_size * n_samples).reshape(batch_size, n_samples)
        self.log_mel = LogMel(PARAMETERS)
        self.layers = {"layer": LogMelLayer(PARAMETERS), SINGLE: LogMelLayer(PARAMETERS, "fft_single")}
        self.store = _stored(folder / "features.npy", self.log_mel(self.sounds))
        self.rng = np.random.default_rng(0)
        self.waveforms = torch.from_numpy(self.sounds)
        self.spectrograms = torch.from_numpy(self.log_mel(self.sounds))
        settings = NetworkSettings.model_validate({"use": "resnet18", "width": width})
        self.network = build_network(settings, PARAMETERS.n_mels, PARAMETERS.n_frames, N_LABELS, seed=0)
        self.presence = torch.zeros(batch_size, N_LABELS)
        self.optimiser = torch.optim.AdamW(self.network.parameters())

    def features(self, way: str) -> object:
        """Get the features of a batch in one of the ways of `ON_PROCESSOR`."""
        ways: dict[str, Callable[[], object]] = {
            "store": self._read,
            **{name: partial(layer, self.waveforms) for name, layer in self.layers.items()},
            "torch.stft": self._by_stft,
            "NumPy": partial(self.log_mel, self.sounds),
            "librosa": lambda: [_by_librosa(sound) for sound in self.sounds],
        }
        return ways[way]()

    def step(self, spectrograms: Tensor) -> None:
        """Learn from a batch."""
        loss = nn.functional.binary_cross_entropy_with_logits(self.network(spectrograms), self.presence)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def to(self, device: str) -> None:
        """Go on there."""
        self.network.to(device)
        for layer in self.layers.values():
            layer.to(device)
        self.presence, self.spectrograms = self.presence.to(device), self.spectrograms.to(device)

    def _read(self) -> Tensor:
        return torch.from_numpy(self.store[self.rng.integers(N_STORED, size=len(self.sounds))])

    def _by_stft(self) -> Tensor:
        """What one would write: the whole batch at once."""
        n_fft, hop_length = PARAMETERS.n_fft, PARAMETERS.hop_length
        window = torch.hann_window(n_fft)
        spectrum = torch.stft(
            self.waveforms, n_fft, hop_length, window=window, center=False, return_complex=True
        )
        power = torch.matmul(self.layers[SINGLE].weights.T, spectrum.abs().square())
        return power.clamp(min=PARAMETERS.floor).log()


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure each way to features, and a step with the layer and without; on an accelerator, if any."""
    batch_size = 64 if effort.repeats > 2 else 8
    with Apart(Training, folder, batch_size, min(32, effort.width)) as apart:
        variants = {way: partial(apart.run, _features_s, way) for way in ON_PROCESSOR}
        variants |= {way: partial(apart.run, _step_s, way) for way in STEPS}
        for run_in in variants.values():
            run_in()
        found = _findings("", batch_size, interleaved(variants, 2 * effort.rounds))
        if torch.cuda.is_available():
            apart.run(Training.to, "cuda")
            variants = {way: partial(apart.run, _accelerated_s, way) for way in (*ON_ACCELERATOR, *STEPS)}
            for run_in in variants.values():
                run_in()
            name = f" on {torch.cuda.get_device_name()}"
            found += _findings(name, batch_size, interleaved(variants, 4 * effort.rounds))
    return found


def _findings(where: str, batch_size: int, seconds: dict[str, list[float]]) -> list[Finding]:
    found = [
        Finding(GROUP, f"{way}{where}: clips a second", _per_second(batch_size, seconds[way]), "")
        for way in seconds
    ]
    for way in (way for way in seconds if way not in STEPS):
        share = ratio(seconds[way], seconds["step"])
        found.append(Finding(GROUP, f"{way}{where}: over the step without features", share))
    return found


def _features_s(training: Training, way: str) -> float:
    """Processor time of a batch's features, in seconds."""
    with torch.no_grad():
        return cpu_s(lambda: training.features(way), 2 if way != "store" else 20)


def _step_s(training: Training, way: str) -> float:
    return cpu_s(lambda: training.step(_input(training, way, training.waveforms)))


def _accelerated_s(training: Training, way: str, repeats: int = 20) -> float:
    """Time until the accelerator is through with one of several batches, in seconds."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        if way in STEPS:
            training.step(_input(training, way, training.waveforms.cuda()))
        else:
            with torch.no_grad():
                training.layers[way](training.waveforms.cuda())
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / repeats


def _input(training: Training, way: str, waveforms: Tensor) -> Tensor:
    if way == "step":
        return training.spectrograms
    with torch.no_grad():
        spectrograms: Tensor = training.layers[SINGLE](waveforms)
        return spectrograms


def _by_librosa(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """What one would write for one clip."""
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=PARAMETERS.sample_rate,
        n_fft=PARAMETERS.n_fft,
        hop_length=PARAMETERS.hop_length,
        n_mels=PARAMETERS.n_mels,
        center=False,
    )
    return np.asarray(np.log(np.maximum(power, PARAMETERS.floor)))


def _stored(path: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write as many clips as there are in the store; map them into memory."""
    np.save(path, np.resize(batch, (N_STORED, *batch.shape[1:])))
    return np.asarray(np.load(path, mmap_mode="r"))


def _per_second(batch_size: int, seconds: list[float]) -> Spread:
    return Spread.of([batch_size / value for value in seconds])


def _as_listener_train_does() -> None:
    """Set up this process, before torch asks: see `listener.cli.main`."""
    os.environ |= TORCH_SETTINGS
