"""A data set of a few seconds, in the form of the real one."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from listener.training import reproduce, trainer
from listener.training.augment import colour
from listener.training.recipe import Recipe, read_recipe

RATE = 16_000
COLUMNS = (
    *("path", "dataset", "clip_id", "label", "fold", "esc10", "duration_s", "active_s", "lead_silence_s"),
    *("licence_clip", "clean", "title", "author", "source_url", "sha256"),
)
RECIPE = {
    "name": "tiny",
    "version": "0.1.0",
    "seed": 7,
    "licence": "CC0-1.0",
    "features": "household",
    "labels": ["low", "high", "smoke_alarm"],
    "synthetic": ["smoke_alarm"],
    "folds": [1, 2],
    "data": {"where": {"dataset": ["tiny"]}, "uncertain": {"hiss": ["low"]}},
    "network": {"use": "resnet18", "width": 4, "dropout": 0.1},
    "fit": {"steps": 4, "batch_size": 4, "warmup_steps": 2, "checkpoint_steps": 2, "precision": "32-true"},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are rounded alike whoever runs the tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def few_made_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds in earnest takes none."""
    monkeypatch.setattr(trainer, "MADE", trainer.Made(alarms=2, beeps=2))
    monkeypatch.setattr(reproduce, "UNHEARD", 2)
    monkeypatch.setattr(colour, "SIZES", colour.Sizes(rooms=4, bands=4, noise_samples=1 << 16))


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """Two labels with one clip in each of two folds, and a background that belongs to no fold."""
    folder = tmp_path / "data"
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = []
    for label, pitch_hz in (("low", 300.0), ("high", 3_000.0), ("hiss", 0.0)):
        for fold in ("1", "2") if pitch_hz else ("",):
            time_s = np.arange(RATE) / RATE
            tone = np.sin(2 * np.pi * pitch_hz * (1 + 0.01 * int(fold)) * time_s) if fold else 0.0
            samples = np.zeros(2 * RATE)
            samples[RATE // 2 : RATE // 2 + RATE] = 0.3 * tone + 0.01 * rng.standard_normal(RATE)
            path = folder / "audio" / f"{fold or 'x'}-{label}.flac"
            soundfile.write(path, samples, RATE, subtype="PCM_16")
            rows.append(_row(folder, path, label, fold))
    write_rows(folder, rows)
    return folder


def _row(folder: Path, path: Path, label: str, fold: str) -> dict[str, str]:
    return {
        "path": str(path.relative_to(folder)),
        "dataset": "tiny",
        "clip_id": path.stem,
        "label": label,
        "fold": fold,
        "esc10": "1" if label == "low" else "",
        "duration_s": "2.0",
        "active_s": "1.0",
        "lead_silence_s": "0.5",
        "licence_clip": "CC0",
        "clean": "1",
        "title": f"A {label} sound",
        "author": "nobody",
        "source_url": "https://example.org/",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def read_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def make_recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe for `tiny_data`, with some keys changed."""

    def make(**changes: object) -> Recipe:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, **changes}))
        return read_recipe(path)

    return make
