"""A data set of six clips, and a front end for it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from listener.features import PRESETS
from listener.training.data.clip import Clip, Manifest
from listener.training.data.manifest import read_manifest, write_manifest

RATE = 16_000
SMALL = replace(PRESETS["household"], n_fft=256, n_mels=8, n_frames=20)
N_CLIPS = 6


def make_data(folder: Path, n_clips: int = N_CLIPS, first: int = 0) -> Manifest:
    rng = np.random.default_rng(first)
    clips = []
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    for number in range(first, first + n_clips):
        path = f"audio/{number:03d}.wav"
        samples = 0.1 * (1 + number % 5) * rng.standard_normal(4_000 + 500 * (number % 4))
        soundfile.write(folder / path, np.clip(samples, -1, 1), RATE, subtype="PCM_16")
        clips.append(Clip(path, "odd" if number % 2 else "even", fold=str(number % 3)))
    write_manifest(folder / "manifest.csv", clips)
    return read_manifest(folder)


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def write_stage(folder: Path, text: str, name: str = "own.py") -> str:
    path = folder / name
    path.write_text(text)
    return f"python:{path}:stage"
