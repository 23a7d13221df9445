from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from listener.errors import DatasetError
from listener.features import PRESETS
from listener.training.evaluate import (
    Judged,
    Scorer,
    StreamResult,
    accuracies,
    check_stream,
    per_label,
    stream_figures,
)
from listener.training.manifest import Clip
from listener.training.recipe import Recipe
from listener.training.sounds import Sound
from listener.training.thresholds import CANDIDATES, calibrate
from listener.types import ModelCard, Thresholds

HOUSEHOLD = PRESETS["household"]
LABELS = ("low", "high", "smoke_alarm")


class LoudIsLow(nn.Module):
    """Says ``low`` to whatever is loud."""

    def forward(self, log_mel: Tensor) -> Tensor:
        loud = 10 * (log_mel.amax(dim=(1, 2)) + 5).clamp(-1, 1)
        return torch.stack((loud, -10 * torch.ones_like(loud), -10 * torch.ones_like(loud)), dim=1)


@pytest.fixture
def scorer() -> Scorer:
    card = ModelCard(
        name="loud",
        version="1",
        labels=LABELS,
        sample_rate=HOUSEHOLD.sample_rate,
        window_s=HOUSEHOLD.window_samples / HOUSEHOLD.sample_rate,
        hop_s=0.5,
        input="log_mel",
        activation="sigmoid",
        features=HOUSEHOLD,
    )
    return Scorer(LoudIsLow(), card)


def judged(label: str, *windows: tuple[float, float, float], esc10: bool = False) -> Judged:
    clip = Clip(f"{label}.flac", "tiny", label, 1, True, esc10, 0.0, 1.0, "", "", "", "", "")
    sound = Sound(label, np.ones(1, np.int16), np.zeros(2, np.int32), clip)
    return Judged(sound, np.array(windows, np.float32))


def test_a_clip_is_what_its_surest_window_says() -> None:
    answers = [
        judged("low", (0.2, 0.1, 0.0), (0.8, 0.1, 0.0), esc10=True),
        judged("low", (0.1, 0.7, 0.0)),
        judged("high", (0.2, 0.6, 0.9)),  # no clip is a smoke alarm: it is no possible verdict
        judged("hiss", (0.9, 0.9, 0.9)),
    ]
    figures = accuracies(answers, LABELS)
    assert figures["accuracy_2"] == pytest.approx(2 / 3)
    assert figures["esc10_accuracy"] == 1.0
    assert figures["clips"] == 3
    each = per_label(answers, LABELS)
    assert each["low"] == {"recall": 0.5, "precision": 1.0, "clips": 2.0}
    assert each["high"] == {"recall": 1.0, "precision": 0.5, "clips": 1.0}


def test_thresholds_lie_above_what_was_said_in_error(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    events = [judged("low", (1.0, 0, 0)), judged("high", (0, 1.0, 0))]
    quiet = judged("dishes", *[(0.1, 0.1, 0.1)] * 600)
    noisy = judged("dishes", *[(0.1, 0.97, 0.1), (0.1, 0.1, 0.1)] * 300)
    thresholds = calibrate([*events, quiet, noisy], recipe, hop_s=0.5)
    assert thresholds["low"].on == min(CANDIDATES)
    assert thresholds["high"].on > 0.97
    assert all(0 < both.off < both.on < 1 for both in thresholds.values())


def test_what_is_uncertain_raises_no_threshold(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()  # the hiss may hold a low sound
    hiss = judged("hiss", *[(0.99, 0.99, 0.1), (0.1, 0.1, 0.1)] * 300)
    thresholds = calibrate([judged("low", (1.0, 0, 0)), hiss], recipe, hop_s=0.5)
    assert thresholds["low"].on == min(CANDIDATES)
    assert thresholds["high"].on == max(CANDIDATES)


def test_a_stream_is_compared_with_what_happens_in_it(scorer: Scorer, tmp_path: Path) -> None:
    rate = HOUSEHOLD.sample_rate
    samples = np.zeros(40 * rate)
    for second in (5, 20):
        samples[second * rate : (second + 1) * rate] = 0.5 * np.sin(np.arange(rate))
    soundfile.write(tmp_path / "day.flac", samples, rate)
    rows = ("onset_s,offset_s,label,kind", "5,6,low,target", "12,13,high,target", "30,31,low,distractor")
    (tmp_path / "day.csv").write_text("\n".join(rows) + "\n")
    thresholds = dict.fromkeys(LABELS, Thresholds(0.9, 0.5))
    result = check_stream(scorer, tmp_path / "day.flac", thresholds)
    assert result == StreamResult(targets=2, found=1, false_events=1, duration_s=40.0)


def test_a_stream_that_cannot_be_read(scorer: Scorer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"night\.flac: cannot be read"):
        check_stream(scorer, tmp_path / "night.flac", {})


def test_the_stream_without_events_is_counted_apart() -> None:
    results = {"day": StreamResult(10, 6, 2, 60.0), "void": StreamResult(0, 0, 1, 300.0)}
    assert stream_figures(results, "void") == {
        "stream_targets": 10,
        "stream_found": 6,
        "stream_false_events": 2,
        "negative_false_events": 1,
        "negative_minutes": 5.0,
    }
