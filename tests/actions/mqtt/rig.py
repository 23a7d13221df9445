"""The action as the program drives it, with a program of the test around it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from listener.actions.base import ActionContext
from listener.actions.mqtt import MqttAction
from listener.actions.mqtt.options import MqttOptions
from listener.config_file import validate
from listener.types import Event, Phase, PipelineStats, SourceState, SourceStats
from tests.actions.fakes import ONSET, no_audio, settings
from tests.broker import Broker


def options(broker: Broker, **more: object) -> MqttOptions:
    return validate(MqttOptions, {"host": "127.0.0.1", "port": broker.port, "node": "attic", **more})


class FakeProgram:
    """Fills `listener.actions.base.Program`."""

    def __init__(self, labels: Sequence[str] = ("dog", "cat"), sources: Sequence[str] = ("mic",)) -> None:
        self.labels = list(labels)
        self.sources = list(sources)
        self.actions = ["mqtt", "photo"]
        self.paused: set[str] = set()
        self.states = dict.fromkeys(sources, SourceState.LIVE)
        self.level_db = -42.04

    def stats(self) -> PipelineStats:
        return PipelineStats(
            elapsed_s=1.0,
            sources=tuple(
                SourceStats(name, self.states[name], level_db=self.level_db) for name in self.sources
            ),
            windows=0,
            events=0,
            queued=0,
            hop_s=0.5,
            latency_s=(0.0, 0.0, 0.0),
            cpu_share=0.0,
        )

    def pause(self, action: str, paused: bool) -> None:
        (self.paused.add if paused else self.paused.discard)(action)

    def is_paused(self, action: str) -> bool:
        return action in self.paused


@contextmanager
def running(
    of: MqttOptions, program: FakeProgram | None = None, labels: tuple[str, ...] = ("*",), name: str = "mqtt"
) -> Iterator[MqttAction]:
    """Open the action, and close it."""
    action = MqttAction(name, of)
    action.adapt(settings(labels=labels))
    action.join(program or FakeProgram())
    action.open()
    try:
        yield action
    finally:
        action.close()


def fire(action: MqttAction, event: Event = ONSET) -> None:
    action.run(event, ActionContext(no_audio, key=f"{event.id}-{event.phase}"))


def offset_of(event: Event) -> Event:
    return replace(event, phase=Phase.OFFSET, offset_s=event.onset_s + 1)
