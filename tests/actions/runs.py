"""An action that runs by itself, and a server that is away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from listener.actions.base import Action, ActionContext
from listener.actions.runner import ActionRunner
from listener.errors import TransientError
from listener.types import Event
from tests.actions.fakes import LIMIT_S, FakeTap, settings

QUICK = {"times": 5, "pause_s": 0.01, "longest_pause_s": 0.02}


class Away:
    """A server that does not answer for a while."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.keys: list[tuple[str, int]] = []

    def __call__(self, event: Event, context: ActionContext) -> None:
        self.keys.append((context.key, context.attempt))
        if len(self.keys) <= self.times:
            raise TransientError("it does not answer")


@contextmanager
def running(action: Action, is_dry: bool = False, **chosen: object) -> Iterator[ActionRunner]:
    runner = ActionRunner([(action, settings(**chosen))], FakeTap(), LIMIT_S, is_dry=is_dry)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop(LIMIT_S)


def until_idle(runner: ActionRunner) -> None:
    waiting = threading.Event()
    for _ in range(int(LIMIT_S * 200)):
        if not runner.is_busy:
            return
        waiting.wait(0.005)
    raise AssertionError("it is still busy")
