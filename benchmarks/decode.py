"""G9: recordings of several kinds to 16 kHz mono, against ``librosa.load``.

Every kind is the same sound. What one also sees done, starting ``ffmpeg`` for each file, stands here for
comparison only: where that program is installed, its own processor time is counted too.
"""

import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr

from benchmarks.findings import Effort, Finding, Goal, Spread, at_least, at_most, ratio
from benchmarks.timing import interleaved
from listener.audio import decode
from listener.types import Samples

GROUP = "decode"
RATE = 16_000
SOUND_S, CLIP_S = 30.0, 5.0
SAME = at_most("G9", 1e-5)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of recording."""

    name: str
    file: str
    rate: int
    channels: int
    subtype: str | None = None
    goal: Goal | None = None
    duration_s: float = SOUND_S


KINDS = (
    Kind("WAV, 44.1 kHz stereo", "stereo.wav", 44_100, 2, goal=at_least("G9", 4.0)),
    Kind("WAV, 16 kHz mono", "mono.wav", RATE, 1, goal=at_least("G9", 4.0)),
    Kind("WAV, 16 kHz mono, 5 s", "clip.wav", RATE, 1, duration_s=CLIP_S),
    Kind("WAV, 24-bit, 44.1 kHz stereo", "fine.wav", 44_100, 2, "PCM_24"),
    Kind("FLAC, 44.1 kHz stereo", "stereo.flac", 44_100, 2, goal=at_least("G9", 1.5)),
    Kind("FLAC, 16 kHz mono", "mono.flac", RATE, 1),
    Kind("FLAC, 16 kHz mono, 5 s", "clip.flac", RATE, 1, duration_s=CLIP_S),
    Kind("MP3, 44.1 kHz stereo", "stereo.mp3", 44_100, 2, goal=at_least("G9", 1.2)),
    Kind("MP3, 16 kHz mono", "mono.mp3", RATE, 1),
    Kind("OGG Vorbis, 44.1 kHz stereo", "stereo.ogg", 44_100, 2),
)


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Measure each kind, and how far the samples of both sides lie apart."""
    findings: list[Finding] = []
    for kind in KINDS:
        path = _write(kind, folder)
        repeats = max(2, round(effort.repeats * CLIP_S / kind.duration_s))
        variants: dict[str, Callable[[], float]] = {
            "librosa": partial(_cpu_s, partial(librosa.load, path, sr=RATE), repeats),
            "listener": partial(_cpu_s, partial(decode, path, sample_rate=RATE), repeats),
        }
        if kind.goal and (program := shutil.which("ffmpeg")):
            variants["ffmpeg"] = partial(_cpu_s, partial(_launch, program, path), 1)
        for run_in in variants.values():
            run_in()
        seconds = interleaved(variants, 4 * effort.rounds)
        findings += _findings(kind, path, seconds)
    return findings


def _findings(kind: Kind, path: Path, seconds: dict[str, list[float]]) -> list[Finding]:
    found = [
        Finding(GROUP, f"{kind.name}: {name}", Spread.of([1e3 * value for value in rounds]), "ms")
        for name, rounds in seconds.items()
    ]
    found.append(
        Finding(
            GROUP,
            f"{kind.name}: librosa / listener",
            ratio(seconds["librosa"], seconds["listener"]),
            goal=kind.goal,
        )
    )
    if "ffmpeg" in seconds:
        found.append(
            Finding(
                GROUP,
                f"{kind.name}: ffmpeg started / listener",
                ratio(seconds["ffmpeg"], seconds["listener"]),
            )
        )
    for mono in (True, False):
        what = "mono" if mono else "every channel"
        apart = _apart(path, mono)
        found.append(
            Finding(
                GROUP, f"{kind.name}: {what}, RMS of the difference", Spread(apart, apart, apart), "", SAME
            )
        )
    return found


def _apart(path: Path, mono: bool) -> float:
    """How far the samples lie apart, RMS; librosa rounds the number of samples up."""
    theirs = np.atleast_2d(librosa.load(path, sr=RATE, mono=mono)[0])
    ours = np.atleast_2d(decode(path, sample_rate=RATE, mono=mono).samples)
    n_samples = min(theirs.shape[1], ours.shape[1])
    assert max(theirs.shape[1], ours.shape[1]) - n_samples <= 1
    return float(np.sqrt(np.mean((theirs[:, :n_samples] - ours[:, :n_samples]) ** 2)))


def _cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Processor time of one run, in seconds; that of programs which it starts is counted."""
    before = _spent_s()
    for _ in range(repeats):
        work()
    return (_spent_s() - before) / repeats


def _spent_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _launch(program: str, path: Path) -> Samples:
    command = [
        program,
        "-v",
        "error",
        "-nostdin",
        "-i",
        str(path),
        "-ac",
        "1",
        "-ar",
        str(RATE),
        "-f",
        "f32le",
        "-",
    ]
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, np.float32)


def _write(kind: Kind, folder: Path) -> Path:
    """Write tones and noise that come and go: what a codec is quick at, and what it is not."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(kind.duration_s * 48_000)) / 48_000
    loudness = 0.05 + 0.95 * (np.sin(2 * np.pi * 0.3 * time_s) > 0)
    channels = [
        loudness
        * (0.1 * np.sin(2 * np.pi * 440 * (c + 1) * time_s) + 0.05 * rng.standard_normal(len(time_s)))
        for c in range(kind.channels)
    ]
    sound = soxr.resample(np.stack(channels, axis=1), 48_000, kind.rate)
    path = folder / kind.file
    soundfile.write(path, np.clip(sound, -0.99, 0.99), kind.rate, subtype=kind.subtype)
    return path
