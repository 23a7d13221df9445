"""Hands events to actions and never waits for one.

Each action has an inbox and threads of its own (`listener.actions.runner.lane`): one that is
slow, fails, hangs or floods its output changes nothing for the others, nor for the
thread that submits. What cannot be done is counted and said.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from listener.actions.base import Action, AudioTap, Program
from listener.actions.runner.account import ActionStats
from listener.actions.runner.lane import CANCEL_S, Lane, open_action
from listener.actions.runner.run import Board, Job, Telling
from listener.actions.when.lasting import Lasting
from listener.actions.when.trigger import Verdict
from listener.config import ActionSettings
from listener.errors import BrokenPluginError, ConfigError
from listener.types import Event, Phase

log = logging.getLogger(__name__)


class ActionRunner:
    """Runs all actions.

    Parameters
    ----------
    actions
        Each action with its settings. Their names differ.
    audio
        Where actions get the sound of an event from.
    cancel_s
        Seconds that a cancelled action has to return before it is left behind.
    on_told
        Called with each event when every action that answers to it is through with it, or has dropped it;
        those that want sound are not waited for. Not called for an event that somebody could not be told of
        because of `stop`. Called by any thread; must neither block nor raise.
    is_dry
        Nothing is done: what would be is logged.

    Raises
    ------
    ConfigError
        Two actions have the same name.
    """

    def __init__(
        self,
        actions: Sequence[tuple[Action, ActionSettings]],
        audio: AudioTap,
        cancel_s: float = CANCEL_S,
        on_told: Callable[[Event], None] = lambda event: None,
        is_dry: bool = False,
    ) -> None:
        self._audio = audio
        self._board = Board()
        self._cancel_s = cancel_s
        self._on_told = on_told
        self._is_dry = is_dry
        self._lasting = Lasting()
        self._program: Program | None = None
        self._retiring: list[Lane] = []
        self._take(self._lanes_of(actions, ()))

    @property
    def actions(self) -> list[tuple[Action, ActionSettings]]:
        """Those that answer events now, each with its settings."""
        return [(lane.action, lane.settings) for lane in self._lanes]

    @property
    def is_busy(self) -> bool:
        """Something runs or waits."""
        with self._board.lock:
            return any(lane.is_busy for lane in (*self._lanes, *self._retiring))

    def start(self, program: Program | None = None) -> None:
        """Open all actions and begin to take events; one whose own code fails at that is left out.

        Parameters
        ----------
        program
            What actions may get to know.

        Raises
        ------
        ActionError
            One of them can never work as configured; those before it are closed again.
        """
        self._program = program
        self._take(self._begin(self._lanes, leaves_out=True))

    def change(self, actions: Sequence[tuple[Action, ActionSettings]], budget_s: float) -> None:
        """Answer events with other actions from now on.

        One that is among those before (the same object) goes on as it is. What the others run and have
        waiting is seen to its end, for up to ``budget_s`` seconds; nobody waits for that. Who was switched
        off stays so under its name.

        Raises
        ------
        ConfigError
            Two actions have the same name.
        ActionError
            One of the new can never work as configured; those before go on.
        BrokenPluginError
            The code of one of the new fails; likewise.
        """
        lanes = self._lanes_of(actions, self._lanes)
        self._begin([lane for lane in lanes if lane not in self._lanes])
        with self._board.lock:
            gone = [lane for lane in self._lanes if lane not in lanes]
            for lane in gone:
                lane.retire(budget_s)
            self._retiring = [lane for lane in (*self._retiring, *gone) if lane.is_alive]
            paused = self.paused
            self._take(lanes)
            for name in paused:
                self.pause(name, True)

    def submit(self, event: Event, has_sound: bool = True, at_s: float | None = None) -> None:
        """Hand an event to every action that answers to it. Never waits and never raises.

        Parameters
        ----------
        event
            What was heard.
        has_sound
            Its sound can be had; else it is not handed to actions that want sound.
        at_s
            Stream time at which it was known, in seconds.
        """
        if at_s is None:
            at_s = event.onset_s if event.offset_s is None else event.offset_s
        with self._board.lock:
            self._lasting.note(event)
        self._hand_out(event, at_s, has_sound)

    def follow(self, source: str, at_s: float, scores: Mapping[str, float]) -> None:
        """Take note of how far a source is, and how the sounds that go on score now. Never waits.

        Parameters
        ----------
        source
            Its name.
        at_s
            Stream time, in seconds.
        scores
            Of each label that goes on.
        """
        with self._board.lock:
            self._board.mutes.follow(source, at_s)
            updates = self._lasting.updates(source, scores) if self._wants_updates else ()
        for event in updates:
            self._hand_out(event, at_s, has_sound=True)

    def _hand_out(self, event: Event, at_s: float, has_sound: bool) -> None:
        is_update = event.phase is Phase.UPDATE  # which nobody is told later
        telling = Telling(event, (lambda event: None) if is_update else self._on_told)
        writers: list[tuple[Action, Job]] = []
        full: list[Lane] = []
        with self._board.lock:
            for lane in self._writers_first:
                verdict = lane.judge(event, at_s)
                if verdict.is_meant:
                    self._explain(lane, event, verdict)
                if not verdict.fires or self._is_dry or (lane.action.wants_audio and not has_sound):
                    continue
                if lane.skips(event):
                    continue
                job = lane.accept(event, at_s, writers, telling)
                if job is None:
                    full.append(lane)
                elif lane.action.writes_clip or lane.action.writes_picture:
                    writers.append((lane.action, job))
        for lane in full:
            lane.complain_of_full_inbox()
        telling.finish()

    def _explain(self, lane: Lane, event: Event, verdict: Verdict) -> None:
        """Leave a trace of why an action did or did not answer; for all to see where none of them acts."""
        level = logging.INFO if self._is_dry else logging.DEBUG
        if event.phase is Phase.UPDATE and not verdict.fires:
            level = logging.DEBUG  # it is asked about with every window
        verb = "would answer" if self._is_dry else "answers"
        does = verb if verdict.fires else "does not answer"
        about = f"the {event.phase} of {event.label} at {event.onset_s:.1f} s"
        # One text, or the log would take the next one for a repeat.
        log.log(level, "%s", f"action '{lane.action.name}' {does} {about}: {verdict.why}")

    def pause(self, name: str, paused: bool) -> None:
        """Let an action begin nothing, or again; what it has begun it ends."""
        for lane in self._lanes:
            if lane.action.name == name and lane.is_paused is not paused:
                lane.is_paused = paused
                log.warning("action '%s' is switched %s", name, "off" if paused else "on")

    def is_paused(self, name: str) -> bool:
        """Say whether an action is switched off."""
        return any(lane.is_paused for lane in self._lanes if lane.action.name == name)

    @property
    def paused(self) -> list[str]:
        """Names of the actions that are switched off."""
        return [lane.action.name for lane in self._lanes if lane.is_paused]

    def stats(self) -> Mapping[str, ActionStats]:
        """Give the counts of each action by its name, in the order of the configuration."""
        return {lane.action.name: lane.stats() for lane in self._lanes}

    def stop(self, budget_s: float) -> None:
        """End all actions.

        What waits and what runs has ``budget_s`` seconds; then runs are cancelled and the
        rest is dropped. The call lasts ``cancel_s`` longer at most, and names in the log
        the threads that go on all the same. To stop again can only make it shorter.
        """
        self.hurry(budget_s)
        # A moment more than a cancelled run has, so that its lane can see it end.
        alive = self.wait(self._board.stop_at + self._cancel_s + 0.5)
        if alive:
            log.error("still running at the end: %s", ", ".join(alive))

    def hurry(self, budget_s: float) -> None:
        """Take no more events, and end what waits and what runs within ``budget_s`` seconds; do not wait."""
        with self._board.lock:
            self._board.stop_at = min(self._board.stop_at, time.monotonic() + budget_s)
            for lane in (*self._lanes, *self._retiring):
                lane.wake()
            self._board.file_written.notify_all()

    def wait(self, until: float) -> list[str]:
        """Wait for the end, until a moment of ``time.monotonic()``; name the threads that go on."""
        return [name for lane in (*self._lanes, *self._retiring) for name in lane.alive_at(until)]

    def _lanes_of(
        self, actions: Sequence[tuple[Action, ActionSettings]], before: Sequence[Lane]
    ) -> list[Lane]:
        names = Counter(action.name for action, _ in actions)
        problems = [
            f"{count} actions are called '{name}': give each a name of its own ('name:')"
            for name, count in names.items()
            if count > 1
        ]
        if problems:
            raise ConfigError(*problems)
        kept = {id(lane.action): lane for lane in before}
        return [
            kept.get(id(action)) or Lane(action, settings, self._audio, self._board, self._cancel_s)
            for action, settings in actions
        ]

    def _take(self, lanes: list[Lane]) -> None:
        self._lanes = lanes
        self._wants_updates = any(Phase.UPDATE in lane.settings.phases for lane in lanes)
        # An action that wants the clip waits for the jobs that write it: those are accepted first.
        self._writers_first = sorted(
            lanes, key=lambda lane: not (lane.action.writes_clip or lane.action.writes_picture)
        )

    def _begin(self, lanes: Sequence[Lane], leaves_out: bool = False) -> list[Lane]:
        """Open the actions of lanes and let them work; if one cannot, none does. Give those that work."""
        opened = []
        with ExitStack() as undo:
            for lane in lanes:
                try:
                    # Who does not get to know the program only looks whether it could work.
                    open_action(lane.action, None if self._is_dry else self._program)
                except BrokenPluginError as error:
                    if not leaves_out:
                        raise
                    log.error("%s; the program goes on without it", error, exc_info=error.__cause__)
                    continue
                undo.callback(lane.action.close)
                opened.append(lane)
            undo.pop_all()
        for lane in opened:
            lane.start()
        return opened
