"""How good a network is on recordings that it has never met.

Windows are cut and scores pooled by the stages that run live, and events are made by
the live event logic: what is measured here is what a user gets.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import nn

from listener.errors import DatasetError
from listener.events import EventDetector, LabelRule
from listener.stages import FeatureStage, predictions
from listener.training.data.sounds import Sound, as_float
from listener.types import AudioChunk, Event, Features, ModelCard, Phase, Prediction, Samples, Thresholds

_WINDOWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """What a network said to the windows of one recording that it was not trained on."""

    sound: Sound
    scores: NDArray[np.float32]
    """Shape (n_windows, n_labels), in [0, 1]."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How a stream went."""

    targets: int
    """Events that were to be found."""
    found: int
    """Of these, those that an event of the same label overlaps."""
    false_events: int
    """Events that overlap nothing of their label."""
    duration_s: float


class Scorer:
    """Runs a network over sound.

    Parameters
    ----------
    network
        In evaluation mode; log-mel to logits.
    card
        Says how windows are cut, and what the labels are.
    """

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        self._network = network
        self.card = card

    def predictions(self, samples: Samples) -> list[Prediction]:
        """Score the windows of a whole recording."""
        stage = FeatureStage("training", self.card, self.card.hop_s)
        windows = [*stage.push(AudioChunk(samples, 0, self.card.sample_rate)), *stage.finish()]
        some = [windows[i : i + _WINDOWS_AT_ONCE] for i in range(0, len(windows), _WINDOWS_AT_ONCE)]
        return [prediction for batch in some for prediction in predictions(batch, self._scores(batch))]

    def judge(self, sounds: Sequence[Sound]) -> Iterator[Judged]:
        """Score recordings, each as a whole."""
        for sound in sounds:
            heard = self.predictions(as_float(sound.samples))
            yield Judged(sound, np.stack([prediction.scores for prediction in heard]))

    def events(self, samples: Samples, thresholds: Mapping[str, Thresholds]) -> list[Event]:
        """Find the events of a stream, with the event logic's defaults beside the thresholds."""
        rules = [LabelRule(thresholds[label].on, thresholds[label].off) for label in self.card.labels]
        detector = EventDetector("training", self.card.identity, self.card.labels, rules)
        steps = [event for heard in self.predictions(samples) for event in detector.step(heard)[0]]
        steps += detector.finish(len(samples) / self.card.sample_rate)
        return [event for event in steps if event.phase is Phase.OFFSET]

    def _scores(self, windows: Sequence[Features]) -> NDArray[np.float32]:
        log_mel = np.stack([np.asarray(window.data) for window in windows])
        with torch.inference_mode():
            scores: NDArray[np.float32] = torch.sigmoid(self._network(torch.from_numpy(log_mel))).numpy()
        return scores


def check_stream(scorer: Scorer, path: Path, thresholds: Mapping[str, Thresholds]) -> StreamResult:
    """Compare the events found in a stream with those that its CSV names.

    Raises
    ------
    DatasetError
        The stream cannot be read.
    """
    try:
        samples, rate = soundfile.read(path, dtype="int16")
    except soundfile.LibsndfileError as error:
        raise DatasetError(f"{path}: cannot be read: {error.error_string}") from error
    true = _targets(path.with_suffix(".csv"))
    events = scorer.events(as_float(samples), thresholds)
    found = sum(any(_overlap(event, *target) for event in events) for target in true)
    false_events = sum(not any(_overlap(event, *target) for target in true) for event in events)
    return StreamResult(len(true), found, false_events, len(samples) / rate)


def stream_figures(results: Mapping[str, StreamResult], negative: str) -> dict[str, float]:
    """Sum up how the streams went: events found, and false ones where there is none and elsewhere."""
    others = [result for name, result in results.items() if name != negative]
    if not results:
        return {}
    figures = {
        "stream_targets": float(sum(result.targets for result in others)),
        "stream_found": float(sum(result.found for result in others)),
        "stream_false_events": float(sum(result.false_events for result in others)),
    }
    if negative in results:
        figures["negative_false_events"] = float(results[negative].false_events)
        figures["negative_minutes"] = round(results[negative].duration_s / 60, 1)
    return figures


def _targets(path: Path) -> list[tuple[str, float, float]]:
    """Label, onset and offset of what happens in a stream; nothing does where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "target"]
    return [(row["label"], float(row["onset_s"]), float(row["offset_s"])) for row in rows]


def _overlap(event: Event, label: str, onset_s: float, offset_s: float) -> bool:
    assert event.offset_s is not None
    return event.label == label and event.onset_s < offset_s and event.offset_s > onset_s


def pool(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join the scores of windows, (n_windows, n_labels), to those of the whole: the highest counts."""
    return np.asarray(scores.max(axis=0))


def accuracies(judged: Sequence[Judged], labels: Sequence[str]) -> dict[str, float]:
    """Accuracy over all labels, and over those of ESC-10.

    The verdict on a clip is the label of the highest pooled score, among all labels that are
    trained on real clips. For ESC-10 it is the highest among its ten labels, on its clips
    alone: the same network, no other training.
    """
    verdicts = _verdicts(judged, labels)
    figures = {f"accuracy_{len({true for true, _ in verdicts})}": _share(verdicts)}
    ten = [one for one in judged if one.sound.clip is not None and one.sound.clip.esc10]
    if ten:
        figures["esc10_accuracy"] = _share(_verdicts(ten, labels))
    return figures | {"clips": float(len(verdicts))}


def per_label(judged: Sequence[Judged], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Recall and precision of each label in the verdicts of `accuracies`."""
    verdicts = _verdicts(judged, labels)
    return {
        label: _of_label(label, verdicts) for label in labels if any(true == label for true, _ in verdicts)
    }


def _verdicts(judged: Sequence[Judged], labels: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of the true label and the one said, of those clips that have one of the labels."""
    clips = [one for one in judged if one.sound.clip is not None and one.sound.clip.event]
    known = [one for one in clips if one.sound.label in labels]
    among = sorted({one.sound.label for one in known})
    columns = [labels.index(label) for label in among]
    return [(one.sound.label, among[int(pool(one.scores)[columns].argmax())]) for one in known]


def _share(verdicts: Sequence[tuple[str, str]]) -> float:
    return sum(true == said for true, said in verdicts) / max(1, len(verdicts))


def _of_label(label: str, verdicts: Sequence[tuple[str, str]]) -> dict[str, float]:
    of_it = [said for true, said in verdicts if true == label]
    called_it = [true for true, said in verdicts if said == label]
    return {
        "recall": of_it.count(label) / max(1, len(of_it)),
        "precision": called_it.count(label) / max(1, len(called_it)),
        "clips": float(len(of_it)),
    }
