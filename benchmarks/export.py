"""G4, as exported: ONNX and int8 against the plain TorchScript file and the engine, on one core."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Spread, at_least, ratio
from benchmarks.live import load
from benchmarks.model import RUNS_UNTIL_COMPILED, Plain
from benchmarks.networks import write_network
from benchmarks.timing import cpu_s, interleaved
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import card_json
from listener.classifiers.onnx import OnnxClassifier
from listener.classifiers.onnx_file import write_onnx_bundle
from listener.classifiers.self_check import reference_window
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.training.export import forms, int8
from listener.training.export.recordings import as_features, hear_demo
from listener.types import ModelCard

GROUP = "export"
BATCH = 8


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure one window's processor time in each form, of a bench network and of the shipped model."""
    name = effort.networks[0]
    bundles = {name: write_network(name, folder, effort.width)}
    if shipped.is_file():
        bundles["shipped"] = shipped
    return [
        finding
        for name, bundle in bundles.items()
        for finding in _findings(name, _measured(bundle, effort, folder))
    ]


def _measured(bundle: Path, effort: Effort, folder: Path) -> dict[str, list[float]]:
    engine = load(bundle)
    assert isinstance(engine, TorchScriptClassifier)
    classifiers: dict[str, Classifier] = {"engine": engine, **_exported(bundle, engine, folder)}
    window = reference_window(engine.card)
    data = np.asarray(window.data)[np.newaxis]
    plain_window = data[:, np.newaxis] if engine.has_channel_axis else data
    with Apart(Plain, bundle) as plain:
        variants: dict[str, Callable[[], float]] = {
            "plain": partial(plain.run, _plain_s, plain_window, effort.repeats)
        }
        for name, classifier in classifiers.items():
            variants[name] = partial(_classifier_s, classifier, 1, effort.repeats)
            if name != "engine":
                variants[f"{name}, batches"] = partial(_classifier_s, classifier, BATCH, effort.repeats)
        return interleaved(variants, effort.rounds)


def _exported(bundle: Path, engine: TorchScriptClassifier, folder: Path) -> dict[str, Classifier]:
    """Export a bundle; what int8 loses is no matter of speed."""
    card, axis = engine.card, engine.has_channel_axis
    windows = [as_features(card, window).data for one in hear_demo(card) for window in one.windows[::4]]
    arrays = [np.asarray(window, np.float32) for window in windows]
    network = forms.load_network(bundle)
    fp32 = forms.onnx_model(network, forms.example_windows(card, axis), bundle)
    inside = forms.with_front_end(network, card, axis, for_onnx=True)
    hearing = forms.waveform_card(card)
    return {
        "ONNX": _loaded(folder / f"{bundle.stem}.onnx", fp32, card),
        "int8": _loaded(
            folder / f"{bundle.stem}-int8.onnx",
            int8.quantise(fp32, [each[np.newaxis] if axis else each for each in arrays]),
            card,
        ),
        "ONNX with front end": _loaded(
            folder / f"{bundle.stem}-waveform.onnx",
            forms.onnx_model(inside, forms.example_windows(hearing, False), bundle),
            hearing,
        ),
    }


def _loaded(path: Path, model: bytes, card: ModelCard) -> Classifier:
    card = replace(card, reference=None)  # that of int8 is another
    write_onnx_bundle(path, model, card_json(card))
    return OnnxClassifier(path, card)


def _plain_s(plain: Plain, samples: NDArray[np.float32], repeats: int) -> float:
    window = torch.from_numpy(samples)
    with torch.no_grad():
        for _ in range(RUNS_UNTIL_COMPILED - plain.runs[1]):
            plain.module(window)
        plain.runs[1] = RUNS_UNTIL_COMPILED
        return cpu_s(lambda: plain.module(window), repeats)


def _classifier_s(classifier: Classifier, size: int, repeats: int) -> float:
    """Processor time of a window in a batch of ``size``, in seconds."""
    batch = [reference_window(classifier.card)] * size
    return cpu_s(lambda: classifier.predict(batch), repeats // size + 1) / size


def _findings(name: str, seconds: Mapping[str, list[float]]) -> list[Finding]:
    plain = seconds["plain"]
    goals = {"int8": at_least("G4", 5), "ONNX": at_least("G4", 1.6)}
    findings = [
        Finding(GROUP, f"{name}: {form}, a window", Spread.of([1000 * value for value in values]), "ms")
        for form, values in seconds.items()
    ]
    return findings + [
        Finding(GROUP, f"{name}: plain / {form}", ratio(plain, values), goal=goals.get(form))
        for form, values in seconds.items()
        if form != "plain"
    ]
