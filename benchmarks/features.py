"""G3: the log-mel spectrogram of a stream, against nothing but the transforms of its new frames."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from benchmarks.findings import Effort, Finding, Spread, at_most, ratio
from benchmarks.networks import noise
from benchmarks.timing import cpu_s, interleaved
from listener.features import PRESETS, LogMel, LogMelStream
from listener.types import Samples

GROUP = "features"
PARAMETERS = PRESETS["tutorial"]
PUSHES_MS = {500: 2.5, 64: 4.0}
"""Length of what is pushed at once, and the goal."""

TRANSFORMS: dict[str, Callable[[NDArray[np.float32]], object]] = {
    "numpy": np.fft.rfft,
    "scipy": scipy.fft.rfft,
    "torch": lambda frames: torch.fft.rfft(torch.from_numpy(frames)),
}


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure the tutorial's front end; each push is one of several that follow each other."""
    log_mel = LogMel(PARAMETERS)
    findings: list[Finding] = []
    for push_ms, limit in PUSHES_MS.items():
        n_samples = push_ms * PARAMETERS.sample_rate // 1000
        n_frames = n_samples / PARAMETERS.hop_length
        stream = LogMelStream(log_mel)
        sound = noise(n_samples)
        stream.push(noise(PARAMETERS.window_samples))
        variants = {
            name: partial(_transform_s, transform, round(n_frames), effort)
            for name, transform in TRANSFORMS.items()
        }
        variants["log-mel"] = partial(_push_s, stream, sound, n_frames, effort)
        for run_in in variants.values():
            run_in()
        seconds = interleaved(variants, 4 * effort.rounds)
        findings += [
            Finding(GROUP, f"{push_ms} ms at once: {name}, a frame", _us(rounds), "us")
            for name, rounds in seconds.items()
        ]
        findings += [
            Finding(
                GROUP,
                f"{push_ms} ms at once: log-mel / bare FFT of {name}",
                ratio(seconds["log-mel"], seconds[name]),
                goal=at_most("G3", limit) if name == "numpy" else None,
            )
            for name in TRANSFORMS
        ]
    findings.append(Finding(GROUP, "frames that depend on how the stream was cut", _differing(log_mel), ""))
    return findings


def _push_s(stream: LogMelStream, sound: Samples, n_frames: float, effort: Effort) -> float:
    """Processor time of a frame, in seconds."""
    return cpu_s(lambda: stream.push(sound), effort.repeats) / n_frames


def _transform_s(transform: Callable[[NDArray[np.float32]], object], n_frames: int, effort: Effort) -> float:
    """Processor time of a frame, in seconds."""
    frames = noise(n_frames * PARAMETERS.n_fft).reshape(n_frames, PARAMETERS.n_fft)
    return cpu_s(lambda: transform(frames), effort.repeats) / n_frames


def _differing(log_mel: LogMel) -> Spread:
    """Count values that are not the same to the bit when a window is pushed in random pieces."""
    sound = noise(PARAMETERS.window_samples)
    whole = log_mel(sound)
    rng = np.random.default_rng(0)
    counts: list[float] = []
    for n_cuts in (1, 10, 100, 1000):
        stream = LogMelStream(log_mel)
        for piece in np.split(sound, np.sort(rng.integers(0, len(sound), n_cuts))):
            stream.push(piece)
        counts.append(float(np.count_nonzero(stream.window() != whole)))
    return Spread(max(counts), min(counts), max(counts))


def _us(seconds: list[float]) -> Spread:
    return Spread.of([1e6 * value for value in seconds])
