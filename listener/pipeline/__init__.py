"""The threads, and the queues between them. Nothing else in the program knows about threads.

::

    capture:<source>  ->  ring (30 s)  ->  features  ->  inbox  ->  inference  ->  action inboxes

Live sound is never waited for: what cannot be taken is skipped and counted. A source that
is not live waits where live sound would be skipped.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from listener.actions.base import Action
from listener.actions.lane import ActionStats
from listener.actions.runner import ActionRunner
from listener.classifiers.base import Classifier
from listener.config import ActionSettings
from listener.errors import ListenerError
from listener.events import EventDetector, LabelRule
from listener.pipeline.capture import Capture
from listener.pipeline.inference import InferenceWorker
from listener.pipeline.lanes import WINDOWS_WAITING, FeatureLane, FeatureWorker, Inbox
from listener.pipeline.tap import RingTap
from listener.pipeline.threads import StageThread, join_all, wait_for
from listener.sources.base import Source
from listener.types import Decision, Event, PipelineStats, Prediction

LOOK_EVERY_S = 0.1
STOP_STAGE_S = 3.0
ACTIONS_STOP_S = 8.0
"""What actions have when somebody wants the program to end: together with the rest, less than 15 s."""
ACTIONS_FINISH_S = 60.0
"""What they have when the sources ended by themselves and nobody waits."""


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
        Called in the inference thread with each event, and with each window's scores and
        decisions. They must not block.
    duration_s
        Seconds of sound after which each source is taken to have ended; None: listen on.
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
    ) -> None:
        card = classifier.card
        doorbell = threading.Event()
        self.done = threading.Event()
        """Set when every source has ended and its events are told, or when a stage has failed."""
        self.failure: tuple[str, Exception] | None = None
        self._classifier = classifier
        self._tell = on_event
        self._captures = {
            source.name: Capture(source, card.sample_rate, doorbell, duration_s) for source in sources
        }
        # Those that can wait leave room for those that cannot.
        most_waiting = WINDOWS_WAITING * sum(not source.live for source in sources)
        self._lanes = {
            name: FeatureLane(capture, card, hop_s, most_waiting) for name, capture in self._captures.items()
        }
        inbox = Inbox(WINDOWS_WAITING * len(sources))
        self._inbox = inbox
        self._features = FeatureWorker(list(self._lanes.values()), inbox, doorbell)
        detectors = {
            source.name: EventDetector(source.name, card.identity, card.labels, rules) for source in sources
        }
        self._inference = InferenceWorker(
            classifier, self._captures, detectors, inbox, doorbell, self._on_event, on_step
        )
        self._runner = ActionRunner(
            actions, RingTap({name: capture.ring for name, capture in self._captures.items()})
        )
        self._capture_threads = [
            StageThread(f"capture:{name}", capture.run, self._on_failure)
            for name, capture in self._captures.items()
        ]
        self._features_thread = StageThread("features", self._features.run, self._on_failure)
        self._inference_thread = StageThread("inference", self._infer, self._on_failure)
        self._started_at = time.monotonic()
        self._cpu_at_start = time.process_time()

    def start(self, stop: threading.Event | None = None) -> None:
        """Open everything and begin to listen.

        Parameters
        ----------
        stop
            When it is set, a source that does not open is waited for no longer.

        Raises
        ------
        ListenerError
            An action cannot work, or a source cannot be opened; nothing goes on then.
        """
        self._classifier.warm_up(len(self._captures))
        self._runner.start()
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
            Seconds that actions have for what waits and what runs.
        """
        for capture in self._captures.values():
            capture.stop()
        join_all(self._capture_threads, STOP_STAGE_S)
        # These end by themselves, when what is left in the rings has gone through.
        wait_for([self._features_thread, self._inference_thread], STOP_STAGE_S)
        self._features.stop()
        self._inference.stop()
        join_all([self._features_thread, self._inference_thread], STOP_STAGE_S)
        self._runner.stop(actions_s)

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
                replace(capture.stats(), skipped=self._lanes[name].skipped)
                for name, capture in self._captures.items()
            ),
            windows=self._inference.windows,
            events=self._inference.events,
            queued=self._inbox.qsize(),
            latency_s=(p50, p95, p99),
            cpu_share=(time.process_time() - self._cpu_at_start) / max(elapsed_s, 1e-9),
        )

    def action_stats(self) -> Mapping[str, ActionStats]:
        """What became of the events that each action was to answer."""
        return self._runner.stats()

    def _infer(self) -> None:
        self._inference.run()
        self.done.set()

    def _on_event(self, event: Event) -> None:
        self._runner.submit(event)
        self._tell(event)

    def _on_failure(self, stage: str, error: Exception) -> None:
        if self.failure is None:
            self.failure = (stage, error)
        self.done.set()


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
