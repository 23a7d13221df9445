"""From a sound to the moment in which a program has started because of it.

A paced source plays a sound every few seconds; the network scores every window, and what it says
is replaced by whether the window holds 250 ms of the sound, as what a model makes of it does not
come into it. The program is a shell that writes down the time of day: its own start is in the
figures. Decisions are told more often than such sounds come, so their delay is measured apart.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.findings import Effort, Finding, Spread, at_most
from benchmarks.live import HOP_S, PacedSource, load
from benchmarks.networks import noise, write_network
from listener.actions.base import Action
from listener.actions.command.action import CommandAction, CommandOptions
from listener.classifiers.base import Classifier
from listener.config import ActionSettings
from listener.events import LabelRule, new_id
from listener.pipeline import Pipeline
from listener.types import Event, Features, Phase

GROUP = "actions"
EVERY_S = 3.37
"""Between two sounds: longer than a window, and no multiple of a hop."""
NEEDED_S = 0.25
PAUSE_S = 0.05
"""Between two decisions that are told."""
ENDS_WITHIN_S = 30.0


class HearsTheSound(Classifier):
    """A network whose first label is the sound, and is right.

    Parameters
    ----------
    classifier
        Scores every window, for what that costs.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.card = classifier.card
        self.max_batch = classifier.max_batch

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        scores = np.zeros_like(self._classifier.predict(batch))
        for row, window in zip(scores, batch, strict=True):
            start_s, end_s = (at / window.sample_rate for at in (window.start_sample, window.end_sample))
            newest_s = (end_s - NEEDED_S) // EVERY_S * EVERY_S
            row[0] = newest_s >= max(start_s, EVERY_S)
        return scores


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Let a program answer sounds, then decisions."""
    path = shipped if shipped.exists() else write_network(effort.networks[-1], folder, effort.width)
    classifier = HearsTheSound(load(path))
    noted = folder / "started"
    action = _command(noted)
    sounds, decisions = 4 * effort.rounds, 60 * effort.rounds
    source = PacedSource(
        noise(round(EVERY_S * classifier.card.sample_rate)), classifier.card.sample_rate, 1.0
    )
    source.has_clock = True
    rules = [LabelRule(0.5, 0.35, release_s=0.0, cooldown_s=0.0), *[None] * (len(classifier.card.labels) - 1)]
    decided: dict[str, tuple[float, Event]] = {}

    def on_event(event: Event) -> None:
        if event.phase is Phase.ONSET:
            decided[event.id] = time.time(), event

    settings = ActionSettings(use="command", when="onset", inbox=1000)
    pipeline = Pipeline([source], classifier, rules, HOP_S, [(action, settings)], on_event)
    pipeline.start()
    heard_at = time.time() - (time.monotonic() - source.opened_at)
    try:
        _until(lambda: len(decided) >= sounds, (sounds + 3) * EVERY_S + ENDS_WITHIN_S)
        of_sounds = dict(decided)
        for _ in range(decisions):
            pipeline.announce(_made_up())
            time.sleep(PAUSE_S)
        _until(lambda: len(_started(noted)) >= len(decided), ENDS_WITHIN_S)
    finally:
        pipeline.stop()
    started = _started(noted)
    began = {
        key: heard_at + round(event.onset_s / EVERY_S) * EVERY_S for key, (_, event) in of_sounds.items()
    }
    from_sound = [started[key] - at for key, at in began.items()]
    from_decision = [started[key] - at for key, (at, _) in decided.items()]
    return [
        *_percentiles("from the sound to the start of a program", from_sound),
        *_percentiles("from the decision to the start of a program", from_decision, limit_ms=50.0),
    ]


def _command(noted: Path) -> Action:
    script = f'echo "$LISTENER_EVENT_ID $EPOCHREALTIME" >> {noted}'
    action = CommandAction("note", CommandOptions(run=("bash", "-c", script)))
    action.open()
    return action


def _made_up() -> Event:
    now = datetime.now(UTC)
    return replace(
        Event(new_id(), Phase.ONSET, "made up", "sound", 0.0, None, 1.0, 1.0, "none/0"), started_at=now
    )


def _started(noted: Path) -> dict[str, float]:
    """When the program started for each event, by the time of day."""
    lines = noted.read_text().splitlines() if noted.exists() else []
    return {key: float(at) for key, _, at in (line.partition(" ") for line in lines)}


def _until(is_so: Callable[[], bool], timeout_s: float) -> None:
    ends_at = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not within {timeout_s:g} s")
        time.sleep(PAUSE_S)


def _percentiles(what: str, delays_s: list[float], limit_ms: float | None = None) -> list[Finding]:
    p50, p99 = (1000 * np.percentile(delays_s, (50, 99))).tolist()
    goal = None if limit_ms is None else at_most("actions", limit_ms)
    return [
        Finding(GROUP, f"{what}: p50", Spread(p50, p50, p50), "ms"),
        Finding(GROUP, f"{what}: p99 of {len(delays_s)}", Spread(p99, p99, p99), "ms", goal=goal),
    ]
