"""G1 and G2: processor time for a second of sound, the engine live against the tutorial every half second."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.apart import Apart
from benchmarks.findings import Effort, Finding, Goal, Spread, at_least, at_most, ratio
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
        for name in effort.networks:
            path = write_network(name, folder, effort.width)
            tutorial = stack.enter_context(Apart(Tutorial, path, folder))
            tutorial.run(Tutorial.run_in, WINDOW_SAMPLES)
            variants[f"tutorial {name}"] = partial(tutorial.run, _tutorial_cost, effort)
            variants[f"engine {name}"] = partial(_engine_cost, load(path), sound, effort)
        if shipped.is_file():
            variants[f"engine {SHIPPED}"] = partial(_engine_cost, load(shipped), sound, effort)
        return _findings(effort.networks, interleaved(variants, effort.rounds))


def _engine_cost(classifier: Classifier, sound: Samples, effort: Effort) -> Cost:
    """Measure from one window's scores to those of a later one, so that neither start nor end counts."""
    steps, _ = listen(classifier, sound, effort.windows + 1, effort.speed)
    first, last = steps[0], steps[-1]
    heard_s = last.end_s - first.end_s
    total_s = last.cpu_s - first.cpu_s
    model_s = last.model_cpu_s - first.model_cpu_s
    return Cost(total_s / heard_s, (total_s - model_s) / heard_s)


def _tutorial_cost(tutorial: Tutorial, effort: Effort) -> Cost:
    """Record on and on, and label the newest window every half second."""
    newest = np.zeros(WINDOW_SAMPLES, np.int16)
    in_model_before_s, before_s = tutorial.model_cpu_s, time.process_time()
    for _ in range(effort.windows):
        newest = np.concatenate((newest, tutorial.record(HOP_S, effort.speed)))[-WINDOW_SAMPLES:]
        tutorial.label(newest)
    heard_s = effort.windows * HOP_S
    total_s = time.process_time() - before_s
    model_s = tutorial.model_cpu_s - in_model_before_s
    return Cost(total_s / heard_s, (total_s - model_s) / heard_s)


def _findings(networks: Sequence[str], costs: Mapping[str, list[Cost]]) -> list[Finding]:
    totals = {name: [cost.total_s for cost in rounds] for name, rounds in costs.items()}
    outside = {name: [cost.outside_model_s for cost in rounds] for name, rounds in costs.items()}
    findings = [
        Finding(GROUP, f"{name}: processor time per second of sound", _ms(rounds), "ms")
        for name, rounds in totals.items()
    ]
    findings += [
        Finding(GROUP, f"{name}: of it outside the model", _ms(rounds), "ms")
        for name, rounds in outside.items()
    ]
    for name in networks:
        engine, tutorial = f"engine {name}", f"tutorial {name}"
        g1, g2 = at_most("G1", 0.5), at_least("G2", 8)
        findings += [
            _against(f"{name}: engine / tutorial", totals[engine], totals[tutorial], g1),
            _against(f"{name}: tutorial / engine, outside the model", outside[tutorial], outside[engine], g2),
        ]
    if f"engine {SHIPPED}" in totals:
        engine, tutorial = f"engine {SHIPPED}", f"tutorial {networks[-1]}"
        findings.append(
            _against(
                f"{SHIPPED}: engine / tutorial with its {networks[-1]}", totals[engine], totals[tutorial]
            )
        )
    return findings


def _against(what: str, over: list[float], under: list[float], goal: Goal | None = None) -> Finding:
    return Finding(GROUP, what, ratio(over, under), goal=goal)


def _ms(seconds: list[float]) -> Spread:
    return Spread.of([1000 * value for value in seconds])
