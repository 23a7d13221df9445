"""G7: a fresh process up to its first decision: processor time and memory at the peak."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import soundfile

from benchmarks.apart import without_settings
from benchmarks.findings import Effort, Finding, Spread, at_most, ratio
from benchmarks.networks import noise, write_network
from benchmarks.timing import interleaved
from benchmarks.tutorial import SAMPLE_RATE

GROUP = "start-up"
SOUND_S = 3
SHIPPED = "shipped model"
ENGINE = "from listener.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process took."""

    cpu_s: float
    """Processor time, in seconds."""

    rss_mib: float
    """Most memory that it held, in MiB."""


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Start both sides with the same networks, and the engine with the shipped model."""
    recording = folder / "three_seconds.wav"
    soundfile.write(recording, noise(SOUND_S * SAMPLE_RATE), SAMPLE_RATE)
    variants: dict[str, Callable[[], Usage]] = {}
    for name in effort.networks:
        model = write_network(name, folder, effort.width)
        tutorial = [sys.executable, "-m", "benchmarks.tutorial", str(model), str(folder)]
        variants[f"tutorial {name}"] = partial(_usage, tutorial)
        variants[f"engine {name}"] = partial(_usage, _engine(model, recording, folder))
    if shipped.is_file():
        variants[f"engine {SHIPPED}"] = partial(_usage, _engine(shipped, recording, folder))
    next(iter(variants.values()))()  # what only a first start does: byte code, compiled loops
    return _findings(effort.networks, interleaved(variants, effort.rounds))


def _engine(model: Path, recording: Path, folder: Path) -> list[str]:
    config = folder / f"{model.stem}.yaml"
    config.write_text(f"model: {{path: {model.resolve()}}}\n")
    arguments = ["run", "-c", str(config), "--source", str(recording), "--speed", "max", "--json"]
    return [sys.executable, "-c", ENGINE, *arguments]


def _usage(command: list[str]) -> Usage:
    with without_settings():
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.rusage", *command], check=True, capture_output=True, text=True
        )
    return Usage(**json.loads(told.stdout))


def _findings(networks: Sequence[str], usages: Mapping[str, list[Usage]]) -> list[Finding]:
    cpu_s = {name: [usage.cpu_s for usage in rounds] for name, rounds in usages.items()}
    rss_mib = {name: [usage.rss_mib for usage in rounds] for name, rounds in usages.items()}
    findings = [
        Finding(GROUP, f"{name}: processor time", Spread.of(rounds), "s") for name, rounds in cpu_s.items()
    ]
    findings += [
        Finding(GROUP, f"{name}: peak memory", Spread.of(rounds), "MiB") for name, rounds in rss_mib.items()
    ]
    against = {name: (f"engine {name}", f"tutorial {name}") for name in networks}
    if f"engine {SHIPPED}" in usages:
        own = networks[-1]
        against[f"{SHIPPED}, tutorial with its {own}"] = (f"engine {SHIPPED}", f"tutorial {own}")
    for name, (engine, tutorial) in against.items():
        findings += [
            Finding(
                GROUP,
                f"{name}: engine / tutorial, memory",
                ratio(rss_mib[engine], rss_mib[tutorial]),
                goal=at_most("G7", 0.7),
            ),
            Finding(
                GROUP,
                f"{name}: engine / tutorial, processor time",
                ratio(cpu_s[engine], cpu_s[tutorial]),
                goal=at_most("G7", 0.5),
            ),
        ]
    return findings
