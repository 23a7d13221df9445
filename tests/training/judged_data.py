"""Clips and streams for a bundle that tells loud from quiet."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000


def tone(seconds: float, level: float) -> NDArray[np.float64]:
    """Make a tone of so much RMS."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(level * np.sqrt(2) * np.sin(2 * np.pi * 440 * time_s))


def write_clips(folder: Path, rows: list[tuple[str, str, str, float]]) -> Path:
    """Write a manifest of clips: path, label, fold, and level of the tone from 0.5 s on, for 1 s."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,label,fold,first_s,active_s,shape"]
    for path, label, fold, level in rows:
        sound = np.concatenate([np.zeros(RATE // 2), tone(1.0, level), tone(0.5, 0.3)])
        soundfile.write(folder / path, sound, RATE, subtype="PCM_16")
        lines.append(f"{path},{label},{fold},0.5,1.0,{'round' if level > 0.1 else 'square'}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_stream(path: Path, seconds: float, loud: list[tuple[float, float, float]]) -> Path:
    """Write a stream with tones: onset, offset, level; faint noise lies below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 1e-3 * np.random.default_rng(1).standard_normal(round(seconds * RATE))
    for onset_s, offset_s, level in loud:
        first = round(onset_s * RATE)
        piece = tone(offset_s - onset_s, level)
        sound[first : first + len(piece)] += piece
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    return path


def write_reference(path: Path, *rows: str) -> None:
    """Write what happens in a stream."""
    path.write_text("\n".join(("onset_s,offset_s,label,kind,snr_db,clip_id", *rows)) + "\n", encoding="utf-8")
