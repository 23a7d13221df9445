"""G4: the model alone, loaded by the engine and plainly, against what this core can convolve at all."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Spread, at_least, ratio
from benchmarks.live import load
from benchmarks.networks import make_network, noise, write_network
from benchmarks.timing import cpu_s, interleaved
from benchmarks.tutorial import N_FRAMES, N_MELS
from listener.classifiers.base import Classifier
from listener.types import Features

GROUP = "model"
BATCHES = (1, 2, 4, 8)
RUNS_UNTIL_COMPILED = 3


class Plain:
    """A TorchScript file as `torch.jit.load` gives it, and nothing done to it.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        torch.set_num_threads(1)
        self.runs: Counter[int] = Counter()
        """How often it has been run in with each batch size."""
        self.module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure one window's processor time, alone and in batches; the shipped model has its own floor."""
    findings: list[Finding] = []
    for name in effort.networks:
        path = write_network(name, folder, effort.width)
        classifier = load(path)
        classifier.warm_up(max(BATCHES))
        with Apart(Plain, path) as plain:
            variants: dict[str, Callable[[], float]] = {"bound": partial(_convolution_s, effort)}
            for size in BATCHES:
                variants[f"plain {size}"] = partial(plain.run, _plain_s, size, effort)
                variants[f"engine {size}"] = partial(_engine_s, classifier, size, effort)
            findings += _findings(name, effort, interleaved(variants, effort.rounds))
    return findings


def _plain_s(plain: Plain, size: int, effort: Effort) -> float:
    """Processor time of a window in a batch of ``size``, in seconds."""
    batch = torch.from_numpy(noise(size * N_MELS * N_FRAMES)).reshape(size, 1, N_MELS, N_FRAMES)
    with torch.no_grad():
        for _ in range(RUNS_UNTIL_COMPILED - plain.runs[size]):
            plain.module(batch)
        plain.runs[size] = RUNS_UNTIL_COMPILED
        return cpu_s(lambda: plain.module(batch), effort.repeats // size + 1) / size


def _engine_s(classifier: Classifier, size: int, effort: Effort) -> float:
    card = classifier.card
    data = noise(N_MELS * N_FRAMES).reshape(N_MELS, N_FRAMES)
    batch = [Features("", data, 0, card.window_samples, card.sample_rate)] * size
    return cpu_s(lambda: classifier.predict(batch), effort.repeats // size + 1) / size


def _convolution_s(effort: Effort) -> float:
    """Processor time of a floating-point operation in a 3x3 convolution of 64 channels, in seconds."""
    image, kernel = torch.ones(8, 64, 32, 32), torch.ones(64, 64, 3, 3)
    operations = 2 * kernel.numel() * image.shape[0] * image.shape[2] * image.shape[3]
    with torch.inference_mode():
        return cpu_s(lambda: functional.conv2d(image, kernel, padding=1), effort.repeats) / operations


def _findings(name: str, effort: Effort, seconds: Mapping[str, list[float]]) -> list[Finding]:
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        make_network(name, effort.width)(torch.zeros(1, 1, N_MELS, N_FRAMES))
    floor = [counter.get_total_flops() * bound for bound in seconds["bound"]]
    plain, engine = seconds["plain 1"], seconds["engine 1"]
    findings = [
        Finding(GROUP, f"{name}: plain, a window", _ms(plain), "ms"),
        Finding(GROUP, f"{name}: engine, a window", _ms(engine), "ms"),
        Finding(GROUP, f"{name}: its operations as one bare 3x3 convolution", _ms(floor), "ms"),
        Finding(GROUP, f"{name}: plain / engine", ratio(plain, engine), goal=at_least("G4", 1.6)),
        Finding(GROUP, f"{name}: engine / bare convolution", ratio(engine, floor)),
    ]
    for size in BATCHES[1:]:
        both = ratio(plain, seconds[f"engine {size}"])
        findings.append(Finding(GROUP, f"{name}: plain / engine in batches of {size}", both))
    return findings


def _ms(seconds: list[float]) -> Spread:
    return Spread.of([1000 * value for value in seconds])
