"""One life of an engine that is killed: all of it but the model, so that it starts in no time.

``python life.py FOLDER`` says ``listening`` when it is, and ends in good order on SIGTERM.
"""

import logging
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

import listener.open_events
from listener.actions.clip import ClipAction, ClipOptions
from listener.actions.command.action import CommandAction, CommandOptions
from listener.config import ActionSettings, Options
from listener.events import LabelRule
from listener.open_events import OpenEvents
from listener.pipeline import Pipeline
from listener.sources.base import Source
from listener.testing import NEVER_UNWELL, ScriptedClassifier
from listener.types import AudioChunk, Event, Samples

RATE = 16_000
CHUNK_S = 0.05
LABELS = ("sound", "loud")
CYCLE = ((0.0, 0.3), (0.2, 0.3), (0.6, 0.3), (0.2, 0.2), (0.0, 0.5))
"""Amplitudes, and for how many seconds: a sound, and in the midst of it a loud one."""
SPEED = 4.0
PATIENCE_S = 60.0
CLIP_S = 0.3
"""Seconds before and after an onset in a clip."""

_CYCLE = np.repeat(
    np.array([amplitude for amplitude, _ in CYCLE], np.float32),
    [round(seconds * RATE) for _, seconds in CYCLE],
)


class Bursts(Source):
    """A microphone in a room where the same happens again and again, faster than in real life."""

    health = NEVER_UNWELL

    def __init__(self) -> None:
        super().__init__("mic", Options())
        self._position = 0

    @property
    def waits(self) -> bool:
        """A busy machine is waited for."""
        return True

    def open(self) -> int:
        self._began_at = time.monotonic()
        return RATE

    def read(self, timeout_s: float) -> AudioChunk:
        n_samples = round(CHUNK_S * RATE)
        positions = np.arange(self._position, self._position + n_samples)
        due_at = self._began_at + positions[-1] / RATE / SPEED
        time.sleep(max(0.0, due_at - time.monotonic()))
        chunk = AudioChunk(_CYCLE[positions % len(_CYCLE)], self._position, RATE)
        self._position += n_samples
        return chunk

    def close(self) -> None:
        pass


def score(samples: Samples) -> list[float]:
    """Both labels from the peak of the window."""
    peak = float(np.abs(samples).max(initial=0.0))
    return [float(peak > 0.1), float(peak > 0.4)]


def actions(folder: Path) -> list[tuple[CommandAction | ClipAction, ActionSettings]]:
    """A program that writes down each event at once, and clips."""
    limits = {"use": "any", "inbox": 10_000, "deadline_s": PATIENCE_S, "timeout_s": PATIENCE_S}
    command = CommandOptions(run=("sh", "-c", 'exec cat >> "$0"', str(folder / "told.jsonl")))
    clip = ClipOptions(directory=folder / "clips", before_s=CLIP_S, after_s=CLIP_S)
    return [
        (CommandAction("tell", command), ActionSettings.model_validate({**limits, "when": "both"})),
        (ClipAction("clip", clip), ActionSettings.model_validate(limits)),
    ]


def live(folder: Path) -> None:
    """Listen until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    listener.open_events.NOTE_WAITS_S = PATIENCE_S  # what was not noted was not for want of time
    journal = OpenEvents(folder / "state", "key", is_service=True)
    journal.start()

    def on_event(event: Event) -> None:
        journal.note(event)

    pipeline = Pipeline(
        [Bursts()],
        ScriptedClassifier(LABELS, score, window_s=0.2, hop_s=0.1),
        [LabelRule(0.5, 0.5, release_s=0.1, cooldown_s=0.0)] * len(LABELS),
        0.1,
        actions(folder),
        on_event,
        lambda prediction, decisions: journal.watch(decisions),
        on_told=journal.told,
    )
    pipeline.start()
    for event in journal.recovered():
        pipeline.announce(event)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while not stop.wait(0.05):
        pipeline.raise_failure()
    pipeline.stop()
    journal.close()
    pipeline.raise_failure()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    live(Path(sys.argv[1]))
