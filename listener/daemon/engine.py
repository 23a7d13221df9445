"""The engine that runs now, and the configuration that it was made of.

Of a new configuration, thresholds, hop, model and actions are changed while it listens. For
other sources, or a model of another sample rate, another pipeline takes the place of the one
before, which ends in a thread of its own.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from listener.actions.base import Action
from listener.actions.runner.account import ActionStats
from listener.assembly import build_actions, build_rules, build_sources
from listener.config import ActionSettings
from listener.daemon.difference import Difference
from listener.daemon.setup import Setup
from listener.errors import ListenerError, ModelError
from listener.pipeline import ACTIONS_FINISH_S, ACTIONS_STOP_S, Pipeline
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction, SourceState, StageProgress

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
LET_GO_S = 7.5
"""How long a pipeline that ends may take to let go of its sources and to end its events, in seconds."""
CHANGED_WITHIN_S = 1.0
"""How long the end of the program waits for a change that is under way, in seconds."""


class Listeners(Protocol):
    """Those who are told what the engine does. They must not block."""

    def on_event(self, event: Event) -> None:
        """Take an event; called by one thread at a time, and before any action is told of it."""

    def on_told(self, event: Event) -> None:
        """Take note that the actions are through with an event; called by any thread."""

    def on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        """Take a window's scores and decisions."""

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        """Take note that what follows is judged by this model, every so many seconds."""


class Engine:
    """The pipeline that runs, and those that end beside it.

    Parameters
    ----------
    setup
        The configuration and its model.
    listeners
        Who is told.
    duration_s
        Seconds of sound after which each source is taken to have ended; None: listen on.
    wait_for_sources
        A live source that cannot be opened at the start is waited for.
    is_dry
        No action does anything: what it would do is logged.

    Raises
    ------
    ListenerError
        Something in the configuration is wrong.
    """

    def __init__(
        self,
        setup: Setup,
        listeners: Listeners,
        duration_s: float | None = None,
        wait_for_sources: bool = False,
        is_dry: bool = False,
    ) -> None:
        self._listeners = listeners
        self._is_dry = is_dry
        self._duration_s = duration_s
        self._waits = wait_for_sources
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._telling = threading.Lock()
        self._is_between = False
        self._failure: ListenerError | None = None
        self._retiring: list[tuple[Pipeline, threading.Thread]] = []
        self.take(setup)

    @property
    def setup(self) -> Setup:
        """What is in force."""
        return self._setup

    @property
    def is_done(self) -> bool:
        """There is nothing more to come: every source has ended, or a stage has failed."""
        if self._failure is not None:
            return True
        return self._pipeline.done.is_set() and not self._is_between

    @property
    def sample_rate(self) -> int:
        """The model's rate, in Hz: models of another one take a `rebuild`."""
        return self._pipeline.sample_rate

    def take(self, setup: Setup) -> None:
        """Build the pipeline of a configuration in place of one that does not run.

        Raises
        ------
        ListenerError
            Something in it is wrong.
        """
        self._pipeline = self._build(setup, self._duration_s)
        self._setup, self._hop_s = setup, setup.hop_s
        self._told = (setup.classifier.card, setup.hop_s)

    def start(self, stop: threading.Event) -> None:
        """Open everything and begin to listen.

        Parameters
        ----------
        stop
            When it is set, a source that does not open is waited for no longer.

        Raises
        ------
        ListenerError
            An action cannot work, or a source cannot be opened.
        """
        self._pipeline.start(stop, self._waits)

    def stop(self, in_a_hurry: bool) -> None:
        """End: open events get their offset, and actions their time.

        Parameters
        ----------
        in_a_hurry
            Somebody waits: it takes less than 15 s, whatever hangs.
        """
        self._stopping.set()
        has_ended = self.is_done and self._failure is None and self._pipeline.failure is None
        actions_s = ACTIONS_FINISH_S if has_ended and not in_a_hurry else ACTIONS_STOP_S
        in_time = self._changing.acquire(timeout=CHANGED_WITHIN_S)
        try:
            until = time.monotonic() + actions_s
            self._pipeline.stop(actions_s)
            for _, thread in self._retiring:
                thread.join(max(LOOK_EVERY_S, until - time.monotonic()))
            self._setup.classifier.close()
        finally:
            if in_time:
                self._changing.release()

    def hurry(self) -> None:
        """End at once, also where `stop` is under way."""
        self._stopping.set()
        for pipeline in (self._pipeline, *(retiring for retiring, _ in self._retiring)):
            pipeline.hurry()

    def change(self, setup: Setup, what: Difference) -> bool:
        """Go on by another configuration with the same sources; no sound is left out.

        Its model is closed when another one is in force, as is that of a change that failed.

        Returns
        -------
        bool
            Whether it is in force; not so where the program ends meanwhile.

        Raises
        ------
        ListenerError
            Something in it cannot work; the configuration before goes on.
        """
        with self._changing:
            if self._stopping.is_set():
                return False
            classifier, before = setup.classifier, self._setup
            rules = build_rules(setup.file, classifier.card)
            # What can fail comes first, so that nothing has changed when it does.
            classifier.warm_up(len(setup.file.config.sources))
            if what.actions:
                self._pipeline.change_actions(self._actions_of(setup))
            self._hop_s = setup.hop_s
            if (what.model or what.analysis) and not self._pipeline.change_analysis(
                classifier, rules, setup.hop_s
            ):
                if not self._pipeline.done.is_set():
                    raise ModelError(
                        "the model before does not get done with its window, and cannot be replaced"
                    )
                return False
            self._setup = setup
            self._tell_model(classifier.card)
        if before.classifier is not classifier:
            before.classifier.close()
        return True

    def rebuild(self, setup: Setup) -> bool:
        """Go on by a configuration with other sources; for about a second nothing is heard.

        Returns
        -------
        bool
            Whether it is in force; not so where the program ends meanwhile.

        Raises
        ------
        ListenerError
            Something in it cannot work; the configuration before goes on.
        """
        with self._changing:
            if self._stopping.is_set():
                return False
            old, before, duration_s = self._pipeline, self._setup, self._left_s()
            new = self._build(setup, duration_s)
            self._is_between = True
            try:
                self._retire(old)
                if self._stopping.is_set():
                    return False
                self._begin(setup, new)
            except ListenerError:
                self._go_back(before, duration_s)
                raise
            finally:
                self._is_between = False
        if before.classifier is not setup.classifier and old.done.is_set():
            before.classifier.close()
        return True

    def action_in_force(self, new: Action, wanted: ActionSettings) -> Action | None:
        """Give the action that does already what a new one would: its settings and its code are the same."""
        before = self._pipeline.actions
        return next(
            (action for action, settings in before if settings == wanted and type(action) is type(new)), None
        )

    def announce(self, event: Event) -> None:
        """Tell of an event that comes from elsewhere than the model, and whose sound nobody has."""
        self._pipeline.announce(event)

    def stats(self) -> PipelineStats:
        """How it is going."""
        return self._pipeline.stats()

    def action_stats(self) -> Mapping[str, ActionStats]:
        """What became of the events that each action was to answer."""
        return self._pipeline.action_stats()

    def progress(self) -> list[StageProgress]:
        """How far each stage is."""
        return self._pipeline.progress()

    def raise_failure(self) -> None:
        """Raise what has ended it, if something has.

        Raises
        ------
        ListenerError
            What a user can mend, as it is; anything else names the stage.
        """
        if self._failure is not None:
            raise self._failure
        self._pipeline.raise_failure()

    def _build(self, setup: Setup, duration_s: float | None) -> Pipeline:
        def on_step(prediction: Prediction, decisions: list[Decision]) -> None:
            self._tell_model(pipeline.card)
            self._listeners.on_step(prediction, decisions)

        file, classifier = setup.file, setup.classifier
        pipeline = Pipeline(
            build_sources(file),
            classifier,
            build_rules(file, classifier.card),
            setup.hop_s,
            build_actions(file, classifier.card, _leave_out),
            self._on_event,
            on_step,
            duration_s,
            self._listeners.on_told,
            self._is_dry,
        )
        return pipeline

    def _actions_of(self, setup: Setup) -> list[tuple[Action, ActionSettings]]:
        """Make the actions of a configuration; those that are as before are those before."""
        made = build_actions(setup.file, setup.classifier.card)
        return [(self.action_in_force(new, wanted) or new, wanted) for new, wanted in made]

    def _begin(self, setup: Setup, pipeline: Pipeline) -> None:
        pipeline.switch_off(name for name, stats in self.action_stats().items() if stats.paused)
        self._setup, self._pipeline, self._hop_s = setup, pipeline, setup.hop_s
        self._tell_model(setup.classifier.card)
        # Who changes a configuration of a daemon that runs may well plug the microphone in afterwards.
        pipeline.start(self._stopping, wait_for_sources=True)

    def _go_back(self, setup: Setup, duration_s: float | None) -> None:
        """Take up the configuration before, after another one failed to begin."""
        try:
            self._begin(setup, self._build(setup, duration_s))
        except ListenerError as error:
            log.error("the configuration before cannot be taken up again either: %s", error)
            self._failure = error

    def _retire(self, pipeline: Pipeline) -> None:
        """Let a pipeline end; wait until its sources are free and its events have their offset."""
        thread = threading.Thread(
            target=pipeline.stop, args=(ACTIONS_STOP_S,), name="engine:retiring", daemon=True
        )
        thread.start()
        self._retiring = [each for each in (*self._retiring, (pipeline, thread)) if each[1].is_alive()]
        until = time.monotonic() + LET_GO_S
        while not (pipeline.done.is_set() and _has_let_go(pipeline)) and time.monotonic() < until:
            if self._stopping.wait(LOOK_EVERY_S):
                return
        for source in pipeline.stats().sources:
            log.info("%s: heard %.1f s, lost %.1f s", source.name, source.heard_s, source.lost_s)

    def _left_s(self) -> float | None:
        """Seconds of sound that are still wanted."""
        if self._duration_s is None:
            return None
        heard_s = max(source.heard_s + source.lost_s for source in self.stats().sources)
        return max(LOOK_EVERY_S, self._duration_s - heard_s)

    def _on_event(self, event: Event) -> None:
        with self._telling:  # that of one pipeline does not keep two apart
            self._listeners.on_event(event)

    def _tell_model(self, card: ModelCard) -> None:
        told = (card, self._hop_s)
        if told != self._told:
            self._told = told
            self._listeners.on_model(*told)


def _leave_out(problem: str) -> None:
    log.error("%s; the program goes on without this action", problem)


def _has_let_go(pipeline: Pipeline) -> bool:
    return all(source.state is SourceState.ENDED for source in pipeline.stats().sources)
