"""The threads, and the queues between them. Nothing else in the program knows about threads.

::

    capture:<source>  ->  ring (30 s)  ->  features  ->  inbox  ->  inference  ->  action inboxes

Live sound is never waited for: what cannot be taken is skipped and counted. A source that
is not live waits where live sound would be skipped.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from listener.actions.base import Action
from listener.actions.runner import ActionRunner
from listener.actions.runner.account import ActionStats
from listener.classifiers.base import Classifier
from listener.config import ActionSettings
from listener.errors import ListenerError, SourceError
from listener.events import LabelRule
from listener.pipeline.capture import Capture
from listener.pipeline.inference import InferenceWorker
from listener.pipeline.lanes import WINDOWS_WAITING, Analysis, FeatureLane, FeatureWorker, Inbox
from listener.pipeline.overload import Overload
from listener.pipeline.program import RunningProgram
from listener.pipeline.tap import RingTap
from listener.pipeline.threads import StageThread, join_all, wait_for
from listener.pipeline.troubles import Troubles
from listener.sources.base import Source
from listener.types import Decision, Event, ModelCard, PipelineStats, Prediction, SourceState, StageProgress

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
STOP_STAGES_S = 3.5
"""What the stages have together to end; the last half second after they were told to leave what waits."""
LAST_MOMENT_S = 0.5
ACTIONS_STOP_S = 6.0
"""What stages and actions have when somebody wants the program to end. Runs that are cancelled then have
`CANCEL_S` more; with what the rest of the program needs, that is less than 15 s in the worst case."""
LEAST_ACTIONS_S = 1.0
"""What is left for actions, however long the stages took."""
ACTIONS_FINISH_S = 60.0
"""What they have when the sources ended by themselves, or others took their place, and nobody waits."""
HURRY_S = 3.0
"""What is left when somebody does not want to wait: a program has two seconds to end politely."""


class Pipeline:
    """The running engine.

    Parameters
    ----------
    sources
        Where sound comes from.
    classifier
        The model.
    rules
        The event logic's rules, one for each label of the model.
    hop_s
        Time between windows, in seconds.
    actions
        What is done about events; see `listener.assembly.build_actions`.
    on_event, on_step
        Called with each event, by one thread at a time and before any action is told of it, and in the
        inference thread with each window's scores and decisions. They must not block.
    duration_s
        Seconds of sound after which each source is taken to have ended; None: listen on.
    on_told
        Called with each event when the actions are through with it: see `ActionRunner`.
    is_dry
        No action does anything: what it would do is logged.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        classifier: Classifier,
        rules: Sequence[LabelRule | None],
        hop_s: float,
        actions: Sequence[tuple[Action, ActionSettings]] = (),
        on_event: Callable[[Event], None] = lambda event: None,
        on_step: Callable[[Prediction, list[Decision]], None] = lambda prediction, decisions: None,
        duration_s: float | None = None,
        on_told: Callable[[Event], None] = lambda event: None,
        is_dry: bool = False,
    ) -> None:
        card = classifier.card
        doorbell = threading.Event()
        self.done = threading.Event()
        """Set when every source has ended and its events are told, or when a stage has failed."""
        self.failure: tuple[str, Exception] | None = None
        self._tell = on_event
        self._tell_step = on_step
        self._telling = threading.Lock()
        self._troubles = Troubles(self._on_event)
        self._captures = {
            source.name: Capture(source, card.sample_rate, doorbell, duration_s, self._troubles.of_source)
            for source in sources
        }
        self._overload = Overload(hop_s, card.window_samples / card.sample_rate, self._troubles.of_model)
        # Those that can wait leave room for those that cannot.
        most_waiting = WINDOWS_WAITING * sum(source.waits for source in sources)
        self._lanes = {
            name: FeatureLane(capture, card, hop_s, most_waiting, self._overload)
            for name, capture in self._captures.items()
        }
        self._inbox = Inbox(WINDOWS_WAITING * len(sources))
        self._features = FeatureWorker(list(self._lanes.values()), self._inbox, doorbell, self._overload)
        self._analysis = Analysis(classifier, rules, hop_s)
        self._inference = InferenceWorker(
            self._analysis,
            self._captures,
            self._inbox,
            doorbell,
            self._overload,
            self._on_event,
            self._on_step,
        )
        rings = {name: capture.ring for name, capture in self._captures.items()}
        self._runner = ActionRunner(actions, RingTap(rings), on_told=on_told, is_dry=is_dry)
        self._capture_threads = [
            StageThread(f"capture:{name}", capture.run, self._on_failure)
            for name, capture in self._captures.items()
        ]
        self._features_thread = StageThread("features", self._features.run, self._on_failure)
        self._inference_thread = StageThread("inference", self._infer, self._on_failure)
        self._started_at = time.monotonic()
        self._cpu_at_start = time.process_time()

    def start(self, stop: threading.Event | None = None, wait_for_sources: bool = False) -> None:
        """Open everything and begin to listen.

        Parameters
        ----------
        stop
            When it is set, a source that does not open is waited for no longer.
        wait_for_sources
            A live source that cannot be opened is no error: it is absent, and tried again and again.

        Raises
        ------
        ListenerError
            An action cannot work, or a source cannot be opened; nothing goes on then.
        """
        self._inference.classifier.warm_up(len(self._captures))
        self._runner.start(
            RunningProgram(self._runner, lambda: self.card.labels, list(self._captures), self.stats)
        )
        for capture in self._captures.values():
            capture.waits_for_source = wait_for_sources
        self._started_at, self._cpu_at_start = time.monotonic(), time.process_time()
        for thread in (self._inference_thread, self._features_thread, *self._capture_threads):
            thread.start()
        for capture in self._captures.values():
            while not capture.opened.wait(LOOK_EVERY_S):
                if stop is not None and stop.is_set():
                    return
            if capture.open_problem is not None:
                self.stop()
                raise capture.open_problem
        self._started_at = time.monotonic()

    def stop(self, actions_s: float = ACTIONS_STOP_S) -> None:
        """End: sound first, then what follows from it, and actions last; open events get their offset.

        Parameters
        ----------
        actions_s
            Seconds until actions are to be done with what waits and what runs.
        """
        began_at = time.monotonic()
        stages_until, actions_until = began_at + STOP_STAGES_S, began_at + actions_s
        for capture in self._captures.values():
            capture.stop()
        wait_for(self._capture_threads, STOP_STAGES_S / 2)
        # These end by themselves, when what is left in the rings has gone through.
        workers = [self._features_thread, self._inference_thread]
        wait_for(workers, stages_until - LAST_MOMENT_S - time.monotonic())
        self._features.stop()
        self._inference.stop()
        join_all([*self._capture_threads, *workers], stages_until - time.monotonic())
        self._troubles.finish()
        self._runner.stop(max(LEAST_ACTIONS_S, actions_until - time.monotonic()))

    def hurry(self) -> None:
        """End now: open events get their offset if that is soon done, and what actions run is cancelled.

        For who cannot wait for `stop`, also while it is under way.
        """
        until = time.monotonic() + HURRY_S
        for capture in self._captures.values():
            capture.stop()
        wait_for([self._features_thread, self._inference_thread], HURRY_S / 3)
        self._troubles.finish()
        self._runner.hurry(0.0)
        self._runner.wait(until)

    def change_analysis(
        self, classifier: Classifier, rules: Sequence[LabelRule | None], hop_s: float, timeout_s: float = 60.0
    ) -> bool:
        """Judge what is heard from now on by another model, other rules or with another hop.

        No sound is left out between the two, and events that both know go on.

        Parameters
        ----------
        classifier
            The model in force, or another one; of the same sample rate.
        rules, hop_s
            As for the constructor.
        timeout_s
            How long to wait for it to be in force, in seconds.

        Returns
        -------
        bool
            Whether it is in force; then the model before may be closed.
        """
        if classifier is not self._inference.classifier:
            classifier.warm_up(len(self._captures))
        analysis = Analysis(classifier, rules, hop_s)
        self._features.change(analysis)
        deadline = time.monotonic() + timeout_s
        while not analysis.in_force.wait(LOOK_EVERY_S):
            gives_up = self.done.is_set() or time.monotonic() >= deadline
            if gives_up and analysis.withdraw():
                before = self._analysis
                self._features.change(Analysis(before.classifier, before.rules, before.hop_s))
                return False
        self._analysis = analysis
        return True

    def change_actions(self, actions: Sequence[tuple[Action, ActionSettings]]) -> None:
        """Answer events with other actions from now on; see `ActionRunner.change`.

        Raises
        ------
        ActionError
            One of them cannot work; those before go on.
        """
        self._runner.change(actions, ACTIONS_FINISH_S)

    def switch_off(self, names: Iterable[str]) -> None:
        """Let actions begin nothing until somebody switches them on; unknown names are left alone."""
        for name in names:
            self._runner.pause(name, True)

    def announce(self, event: Event) -> None:
        """Tell of an event that comes from elsewhere than the model, and whose sound nobody has."""
        self._on_event(event, has_sound=False)

    def progress(self) -> list[StageProgress]:
        """How far each stage is; for who watches that none stands still."""
        stages = [
            StageProgress(
                f"capture:{name}",
                capture.turns,
                has_work=not capture.source.waits and capture.state is not SourceState.ENDED,
                is_waiting=capture.state in (SourceState.OPENING, SourceState.ABSENT, SourceState.LOST),
            )
            for name, capture in self._captures.items()
        ]
        stages += [
            # A source that can wait is held up by the model, and by actions that want its sound.
            StageProgress(f"features:{name}", lane.position, lane.is_due and not capture.source.waits)
            for (name, lane), capture in zip(self._lanes.items(), self._captures.values(), strict=True)
        ]
        done = self._inference.windows + self._inference.skipped.total()
        has_work = self._inference.is_busy or not self._inbox.empty()
        return [*stages, StageProgress("inference", done, has_work)]

    @property
    def actions(self) -> list[tuple[Action, ActionSettings]]:
        """Those that answer events now, each with its settings."""
        return self._runner.actions

    @property
    def card(self) -> ModelCard:
        """Of the model in force: within `on_step`, of the one whose scores are given."""
        return self._inference.classifier.card

    @property
    def sample_rate(self) -> int:
        """The model's rate, in Hz; all models in turn must have the same."""
        return next(iter(self._captures.values())).ring.sample_rate

    def raise_failure(self) -> None:
        """Raise what ended a stage, if something did.

        Raises
        ------
        ListenerError
            What a user can mend, as it is; anything else names the stage.
        """
        if self.failure is None:
            return
        stage, error = self.failure
        if isinstance(error, ListenerError):
            raise error
        raise StageFailure(stage, error) from error

    def stats(self) -> PipelineStats:
        """How it is going."""
        latencies = list(self._inference.latencies_s) or [float("nan")]
        p50, p95, p99 = np.percentile(latencies, (50, 95, 99)).tolist()
        elapsed_s = time.monotonic() - self._started_at
        return PipelineStats(
            elapsed_s=elapsed_s,
            sources=tuple(
                replace(
                    capture.stats(),
                    thinned=self._lanes[name].thinned,
                    skipped=self._lanes[name].skipped + self._inference.skipped[name],
                )
                for name, capture in self._captures.items()
            ),
            windows=self._inference.windows,
            events=self._inference.events,
            queued=self._inbox.qsize(),
            hop_s=self._overload.hop_s,
            latency_s=(p50, p95, p99),
            cpu_share=(time.process_time() - self._cpu_at_start) / max(elapsed_s, 1e-9),
        )

    def action_stats(self) -> Mapping[str, ActionStats]:
        """What became of the events that each action was to answer."""
        return self._runner.stats()

    def _infer(self) -> None:
        self._inference.run()
        self.done.set()

    def _on_event(self, event: Event, has_sound: bool = True) -> None:
        with self._telling:
            self._tell(event)
            self._runner.submit(event, has_sound)

    def _on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        scores = {decision.label: decision.smoothed_score for decision in decisions}
        with self._telling:
            self._runner.follow(prediction.source, prediction.end_s, scores)
        self._tell_step(prediction, decisions)

    def _on_failure(self, stage: str, error: Exception) -> None:
        if self.failure is None:
            self.failure = (stage, error)
        if not isinstance(error, SourceError):
            self.done.set()
        elif len(self._captures) > 1:
            # Its own end is that of its sound, as for all sources; the others are heard on.
            log.error("%s", error)


class StageFailure(Exception):  # noqa: N818 - a defect of the program, not an error of its user
    """A stage of the engine has failed; the program ends.

    Parameters
    ----------
    stage
        Name of its thread.
    error
        What happened.
    """

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(f"the stage {stage} has failed: {type(error).__name__}: {error}")
