"""The engine under test: two microphones to which things happen, the shipped model, real actions."""

import time
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.live import load
from listener.actions.base import Action, ActionContext
from listener.actions.clip import ClipAction, ClipOptions
from listener.actions.command.action import CommandAction, CommandOptions
from listener.actions.log import LogAction, LogOptions
from listener.assembly import UNTUNED
from listener.config import ActionSettings, Options
from listener.events import LabelRule
from listener.lab.clocks import PacedClock
from listener.lab.microphone import FaultyMicrophone
from listener.lab.plans import drawn, rates
from listener.lab.sounds import Loop
from listener.pipeline import Pipeline
from listener.sources.demo import SAMPLE_RATE, render_scene
from listener.types import Decision, Event, Phase, Prediction

HOP_S = 0.5
FAULT_EVERY_S = 120.0
CLIPS_KEPT = 20
RELOAD_EVERY_S = 3600.0
"""In the time of the unpaced microphone."""
NEW_MODELS = 2
"""With the first reloads the model is loaded anew too. Not later: 7 MB of each stay in oneDNN for good."""


class Tally:
    """Counts events, and says whether each onset got its offset."""

    def __init__(self) -> None:
        self.counts: Counter[Phase] = Counter()
        self.labels: Counter[str] = Counter()
        self.problems: list[str] = []
        self._open: dict[tuple[str, str], str] = {}

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self.counts[event.phase] += 1
        self.labels[event.label] += event.phase is Phase.ONSET
        place = (event.source, event.label)
        if event.phase is Phase.ONSET:
            if place in self._open:
                self.problems.append(f"{place} began twice")
            self._open[place] = event.id
        elif self._open.pop(place, None) != event.id:
            self.problems.append(f"{place} ended without having begun")

    @property
    def open(self) -> int:
        """Events that have not ended."""
        return len(self._open)


class CountingAction(Action):
    """Takes down every event that reaches it.

    Parameters
    ----------
    tally
        Shared with those that come after it.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__("count", Options())
        self._tally = tally

    def run(self, event: Event, context: ActionContext) -> None:
        """Count the event."""
        self._tally(event)


class Rig:
    """Everything that runs.

    Parameters
    ----------
    bundle
        The model.
    hours
        Of sound for the microphone that is not paced.
    seed
        Of all that happens.
    folder
        For what actions write.
    """

    def __init__(self, bundle: Path, hours: float, seed: int, folder: Path) -> None:
        self.duration_s = hours * 3600
        self.told, self.acted = Tally(), Tally()
        self.latencies_s = array("d")
        self.reloads = 0
        self.reloads_in_force = 0
        self.dropped: Counter[str] = Counter()
        self._bundle = bundle
        self._clips = folder / "clips"
        self._classifier = load(bundle)
        sound = Loop(render_scene(), SAMPLE_RATE)
        for rate_hz in rates(SAMPLE_RATE):
            sound.take(0, 1, rate_hz)  # made before memory is looked at
        self.unpaced = FaultyMicrophone(
            "unpaced", sound, drawn(f"{seed} unpaced", FAULT_EVERY_S), duration_s=self.duration_s
        )
        self.paced = FaultyMicrophone(
            "paced", sound, drawn(f"{seed} paced", FAULT_EVERY_S), clock=PacedClock()
        )
        self.pipeline = Pipeline(
            [self.unpaced, self.paced],
            self._classifier,
            self._rules(0),
            HOP_S,
            self._actions(),
            self.told,
            self._on_step,
        )

    @property
    def simulated_s(self) -> float:
        """How far the microphone is that is not paced, in seconds of its time."""
        return min(self.duration_s, self.unpaced.clock.now())

    @property
    def is_through(self) -> bool:
        """The microphone that is not paced has given all."""
        return self.simulated_s >= self.duration_s

    def reload(self) -> None:
        """Change what can be changed while it listens."""
        self.reloads += 1
        self.dropped.update(self._dropped())
        before = self._classifier
        is_new = self.reloads <= NEW_MODELS
        if is_new:
            self._classifier = load(self._bundle)
        in_force = self.pipeline.change_analysis(self._classifier, self._rules(self.reloads), HOP_S)
        self.reloads_in_force += in_force
        if is_new and in_force:
            before.close()
        self.pipeline.change_actions(self._actions())
        self._tidy()

    def stop(self) -> None:
        """End it."""
        self.pipeline.stop()
        self.dropped.update(self._dropped())

    def _rules(self, turn: int) -> list[LabelRule | None]:
        """Thresholds move to and fro with each reload."""
        card = self._classifier.card
        found = [card.thresholds.get(label, UNTUNED) for label in card.labels]
        return [LabelRule(min(1.0, each.on + 0.02 * (turn % 2)), each.off) for each in found]

    def _actions(self) -> list[tuple[Action, ActionSettings]]:
        return [
            (LogAction("log", LogOptions()), ActionSettings(use="log", when="both", inbox=1000)),
            (
                CountingAction(self.acted),
                ActionSettings(use="count", labels=("*", "@*"), when="both", inbox=10_000),
            ),
            (
                CommandAction("command", CommandOptions(run=("true", "{label}"))),
                ActionSettings(use="command", labels=("smoke_alarm", "@source.lost")),
            ),
            (
                ClipAction("clip", ClipOptions(directory=self._clips, before_s=1.0, after_s=1.0)),
                ActionSettings(use="clip", labels=("glass_breaking",)),
            ),
        ]

    def _on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        if prediction.source == self.paced.name and prediction.captured_at:
            self.latencies_s.append(time.monotonic() - prediction.captured_at)

    def _dropped(self) -> Iterator[str]:
        for name, stats in self.pipeline.action_stats().items():
            yield from [name] * (stats.failed + stats.timed_out + stats.dropped + stats.late)

    def _tidy(self) -> None:
        for path in sorted(self._clips.glob("*.flac"))[:-CLIPS_KEPT]:
            path.unlink()
