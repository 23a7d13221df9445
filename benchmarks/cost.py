"""G1 and G2: processor time for a second of sound, the engine live against the tutorial every half second."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Spread, at_least, at_most, ratio
from benchmarks.live import HOP_S, listen, load
from benchmarks.networks import noise, write_network
from benchmarks.timing import interleaved
from benchmarks.tutorial import SAMPLE_RATE, WINDOW_SAMPLES, Tutorial
from listener.classifiers.base import Classifier
from listener.types import Samples

GROUP = "cost"
SOUND_S = 20
SHIPPED = "shipped model"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one second of sound."""

    total_s: float
    """Processor time, in seconds."""

    outside_model_s: float
    """Of it, what is not the model's."""


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure G1 and G2 with the same networks on both sides, and with the shipped model."""
    sound = noise(SOUND_S * SAMPLE_RATE)
    variants: dict[str, Callable[[], Cost]] = {}
    with ExitStack() as stack:
        engines = {SHIPPED: load(shipped)} if shipped.is_file() else {}
        for name in effort.networks:
            path = write_network(name, folder, effort.width)
            engines[name] = load(path)
            tutorial = stack.enter_context(Apart(Tutorial, path, folder))
            tutorial.run(Tutorial.run_in, WINDOW_SAMPLES)
            for pace, speed in _paces(effort).items():
                variants[f"{pace}, tutorial, {name}"] = partial(
                    tutorial.run, _tutorial_cost, effort.windows, speed
                )
        for name, classifier in engines.items():
            for pace, speed in _paces(effort).items():
                variants[f"{pace}, engine, {name}"] = partial(
                    _engine_cost, classifier, sound, effort.windows, speed
                )
        return _findings(effort, SHIPPED in engines, interleaved(variants, effort.rounds))


def _paces(effort: Effort) -> Mapping[str, float]:
    """At full speed nothing but the work counts; live, every time it is woken up the caches are cold."""
    return {"at full speed": math.inf, "live": effort.speed}


def _engine_cost(classifier: Classifier, sound: Samples, n_windows: int, speed: float) -> Cost:
    """Measure from one window's scores to those of a later one, so that neither start nor end counts."""
    steps, _ = listen(classifier, sound, n_windows + 1, speed)
    first, last = steps[0], steps[-1]
    heard_s = last.end_s - first.end_s
    total_s = last.cpu_s - first.cpu_s
    model_s = last.model_cpu_s - first.model_cpu_s
    return Cost(total_s / heard_s, (total_s - model_s) / heard_s)


def _tutorial_cost(tutorial: Tutorial, n_windows: int, speed: float) -> Cost:
    """Record on and on, and label the newest window every half second."""
    newest = np.zeros(WINDOW_SAMPLES, np.int16)
    in_model_before_s, before_s = tutorial.model_cpu_s, time.process_time()
    for _ in range(n_windows):
        newest = np.concatenate((newest, tutorial.record(HOP_S, speed)))[-WINDOW_SAMPLES:]
        tutorial.label(newest)
    heard_s = n_windows * HOP_S
    total_s = time.process_time() - before_s
    model_s = tutorial.model_cpu_s - in_model_before_s
    return Cost(total_s / heard_s, (total_s - model_s) / heard_s)


def _findings(effort: Effort, with_shipped: bool, costs: Mapping[str, list[Cost]]) -> list[Finding]:
    totals = {name: [cost.total_s for cost in rounds] for name, rounds in costs.items()}
    outside = {name: [cost.outside_model_s for cost in rounds] for name, rounds in costs.items()}
    findings = [
        Finding(GROUP, f"{name}: a second of sound", _ms(rounds), "ms") for name, rounds in totals.items()
    ]
    findings += [
        Finding(GROUP, f"{name}: outside the model", _ms(rounds), "ms") for name, rounds in outside.items()
    ]
    for pace in _paces(effort):
        for name in effort.networks:
            engine, tutorial = f"{pace}, engine, {name}", f"{pace}, tutorial, {name}"
            findings += [
                Finding(
                    GROUP,
                    f"{pace}, {name}: engine / tutorial",
                    ratio(totals[engine], totals[tutorial]),
                    goal=at_most("G1", 0.5),
                ),
                Finding(
                    GROUP,
                    f"{pace}, {name}: tutorial / engine, outside the model",
                    ratio(outside[tutorial], outside[engine]),
                    goal=at_least("G2", 8),
                ),
            ]
        if with_shipped:
            own = effort.networks[-1]
            engine, tutorial = f"{pace}, engine, {SHIPPED}", f"{pace}, tutorial, {own}"
            both = ratio(totals[engine], totals[tutorial])
            findings.append(Finding(GROUP, f"{pace}, {SHIPPED}: engine / tutorial with its {own}", both))
    return findings


def _ms(seconds: list[float]) -> Spread:
    return Spread.of([1000 * value for value in seconds])
