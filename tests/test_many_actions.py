"""A thousand events in a minute, ten actions, three fail: nobody waits, nothing grows, all is counted."""

import gc
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from listener.actions.base import Action, ActionContext
from listener.actions.command.action import CommandAction, CommandOptions
from listener.actions.log import LogAction, LogOptions
from listener.actions.runner.account import ActionStats
from listener.config import ActionSettings, Options
from listener.errors import ActionError, TransientError
from listener.events import LabelRule
from listener.pipeline import Pipeline
from listener.testing import CollectingAction, ScriptedClassifier, ScriptedSource
from listener.types import Event, Phase
from tests.program import PATIENCE_S

RATE = 16_000
LABELS = 10
"""Sounds at once."""
BURSTS = 100
MINUTE_S = 60.0
BLOCK_S = 0.1
RecordProperty = Callable[[str, object], None]


class Does(Action):
    """Does what it is told."""

    def __init__(self, name: str, does: Callable[[Event, ActionContext], object]) -> None:
        super().__init__(name, Options())
        self.does = does

    def run(self, event: Event, context: ActionContext) -> None:
        self.does(event, context)


def fails(event: Event, context: ActionContext) -> None:
    raise ActionError("it never works")


def is_away(event: Event, context: ActionContext) -> None:
    raise TransientError("it is away")


def hangs(event: Event, context: ActionContext) -> None:
    context.cancelled.wait(PATIENCE_S)


def heard_sound() -> ScriptedSource:
    """A minute in which ten sounds are heard a hundred times, twice as fast; it waits for nobody."""
    pause = threading.Event()
    script: list[object] = []
    for block in range(round(MINUTE_S / BLOCK_S)):
        is_loud = block % 6 < 2
        script += [np.full(round(BLOCK_S * RATE), 0.5 * is_loud, np.float32), _Wait(pause, BLOCK_S / 2)]
    return ScriptedSource("mic", script, RATE, live=True, waits=False)  # type: ignore[arg-type]


class _Wait(threading.Event):
    """A step of a script that lets a little time go by."""

    def __init__(self, pause: threading.Event, pause_s: float) -> None:
        super().__init__()
        self._pause, self._pause_s = pause, pause_s

    def wait(self, timeout: float | None = None) -> bool:
        self._pause.wait(self._pause_s)
        return True


def seven_that_work(folder: Path) -> list[tuple[Action, ActionSettings]]:
    note = CommandOptions(run=("sh", "-c", f"cat >> {folder}/told"))
    collecting = [(CollectingAction(f"collect{n}"), settings(when="both")) for n in range(4)]
    return [
        *collecting,
        (CommandAction("note", note), settings(concurrency={"parallel": 4}, inbox=2000)),
        (LogAction("log", LogOptions(level="debug")), settings()),
        (Does("slow", lambda event, context: context.cancelled.wait(0.3)), settings(inbox=16)),
    ]


def settings(**chosen: object) -> ActionSettings:
    return ActionSettings.model_validate({"use": "test", "inbox": 4000} | chosen)


def test_a_thousand_events_in_a_minute(tmp_path: Path, record_property: RecordProperty) -> None:
    quick = {"times": 3, "pause_s": 0.01, "longest_pause_s": 0.02}
    three_that_fail = [
        (Does("fails", fails), settings(breaker={"failures": 5, "pause_s": 1.0}, inbox=64)),
        (Does("away", is_away), settings(retry=quick, breaker={"failures": 3, "pause_s": 0.5}, inbox=32)),
        (Does("hangs", hangs), settings(timeout_s=0.5, inbox=8)),
    ]
    classifier = ScriptedClassifier(
        [f"sound{n}" for n in range(LABELS)],
        lambda samples: [float(np.abs(samples).max(initial=0.0) > 0.01)] * LABELS,
        window_s=0.2,
        hop_s=0.1,
    )
    rules = [LabelRule(0.5, 0.35, release_s=0.1, cooldown_s=0.0)] * LABELS
    told: Counter[Phase] = Counter()
    memory: list[float] = []

    def on_event(event: Event) -> None:
        told[event.phase] += 1
        if told[Phase.ONSET] % 250 == 0 and event.phase is Phase.ONSET:
            gc.collect()
            memory.append(resident_mb())

    actions = [*seven_that_work(tmp_path), *three_that_fail]
    pipeline = Pipeline([heard_sound()], classifier, rules, 0.1, actions, on_event)
    try:
        began_at = time.monotonic()
        pipeline.start()
        assert pipeline.done.wait(PATIENCE_S * 2)
        took_s = time.monotonic() - began_at
        stats = pipeline.stats()
        deepest = {name: one.queued for name, one in pipeline.action_stats().items()}
        pipeline.stop(5.0)
        counts = pipeline.action_stats()
    finally:
        pipeline.stop(0.1)
    (source,) = stats.sources
    assert (source.lost_s, source.overflows, source.overruns, source.skipped) == (0, 0, 0, 0)
    assert told == {Phase.ONSET: BURSTS * LABELS, Phase.OFFSET: BURSTS * LABELS}
    for name, one in counts.items():
        expected = BURSTS * LABELS * (2 if name.startswith("collect") else 1)
        assert accounted_for(one) == expected, f"{name}: {one}"
        assert deepest[name] <= 4000
    for n in range(4):
        assert counts[f"collect{n}"].fired == 2 * BURSTS * LABELS
    assert counts["note"].fired == BURSTS * LABELS
    lines = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert len({line["id"] for line in lines}) == BURSTS * LABELS
    assert counts["fails"].fired == counts["away"].fired == counts["hangs"].fired == 0
    assert counts["slow"].dropped > 0  # its inbox is short, and it says so
    assert memory[-1] - memory[0] < 16, memory
    record_property("seconds", took_s)
    record_property("memory in MB", memory)
    record_property("dropped", {name: one.dropped for name, one in counts.items()})


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def accounted_for(one: ActionStats) -> int:
    return (
        one.fired + one.failed + one.timed_out + one.dropped + one.late + one.held + one.skipped + one.queued
    )
