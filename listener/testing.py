"""Stand-ins for what the engine is made of, to be injected where the real part would be.

`ScriptedSource` is a microphone or a file that does what it was told, `ScriptedClassifier`
a model whose scores are known beforehand, `CollectingAction` an action that only takes
note. `FaultyMicrophone` goes wrong as a plan says, for days of simulated time. `tiny_bundle`
writes a real model: small, untrained, and the same on every machine.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from listener import config
from listener.actions.base import Action, ActionContext, Recording
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import write_bundle
from listener.classifiers.reference import SIGNALS, reference_signal
from listener.errors import ActionError, SourceError
from listener.features import LogMel
from listener.lab.clocks import PacedClock, SimulatedClock
from listener.lab.faults import Clipping, Drift, Fault, Loss, OddChunks, Silence, Stall, Unplug
from listener.lab.microphone import FaultyMicrophone
from listener.lab.plans import drawn
from listener.lab.sounds import Burst, Bursts, Loop, Sound
from listener.lab.truth import Stretch, Truth
from listener.sources.base import EndOfSource, Source
from listener.types import (
    AudioChunk,
    Event,
    FeatureParameters,
    Features,
    ModelCard,
    Phase,
    Reference,
    Samples,
)

__all__ = [
    "NEVER_UNWELL",
    "TINY_FEATURES",
    "Burst",
    "Bursts",
    "Clipping",
    "CollectingAction",
    "Drift",
    "Fault",
    "FaultyMicrophone",
    "Loop",
    "Loss",
    "Lost",
    "OddChunks",
    "PacedClock",
    "ScriptedClassifier",
    "ScriptedSource",
    "Silence",
    "SimulatedClock",
    "Sound",
    "Stall",
    "Step",
    "Stretch",
    "Truth",
    "Unplug",
    "drawn",
    "hears_any_sound",
    "made_up_context",
    "made_up_event",
    "tiny_bundle",
    "tiny_card",
]


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples that are missing before the next chunk."""

    n_samples: int = 0
    """How many, at the source's rate; 0: nobody knows."""


Step = Samples | Lost | SourceError | threading.Event | None
"""What `ScriptedSource.read` does: give a chunk, leave samples out, raise, wait for a flag, give nothing."""


NEVER_UNWELL = config.HealthSettings(stalled_s=60, lost_s=600, silent_s=0, clipping_share=0, lag_s=0)
"""For a script, whose sound comes as it comes."""


class ScriptedSource(Source):
    """A source that does what its script says, and then ends.

    Where the script raises a `SourceError`, it goes on after the source was opened again;
    positions begin anew then, as those of a real device do.

    Parameters
    ----------
    name
        Of the source.
    script
        What happens, in order.
    sample_rate
        Hz.
    live
        Whether it is like a microphone; else it is like a file, and has no clock.
    waits
        Whether it can be made to wait for those who listen, as no microphone can.
    open_problems
        Raised by the first calls of `open`, one by each; None lets a call succeed.
    """

    def __init__(
        self,
        name: str,
        script: Iterable[Step],
        sample_rate: int = 16_000,
        live: bool = True,
        waits: bool = True,
        open_problems: Iterable[SourceError | None] = (),
    ) -> None:
        super().__init__(name, config.Options())
        self.live = self.has_clock = live
        self.health = NEVER_UNWELL
        self._waits = waits
        self.opened = 0
        """How often it was opened."""
        self.closed = 0
        """How often it was closed."""
        self._script = list(script)
        self._sample_rate = sample_rate
        self._open_problems = list(open_problems)
        self._position = 0
        self._overflowed = False

    @property
    def waits(self) -> bool:
        """It can be made to wait for those who listen."""
        return self._waits

    def open(self) -> int:
        """Begin, or go on where the script raised."""
        problem = self._open_problems.pop(0) if self._open_problems else None
        if problem is not None:
            raise problem
        self.opened += 1
        self._position, self._overflowed = 0, False
        return self._sample_rate

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Do the next thing in the script."""
        while self._script:
            step = self._script[0]
            if isinstance(step, threading.Event) and not step.wait(timeout_s):
                return None
            del self._script[0]
            if isinstance(step, SourceError):
                raise step
            if isinstance(step, Lost):
                self._position += step.n_samples
                self._overflowed = True
            if step is None or isinstance(step, np.ndarray):
                return None if step is None else self._chunk(step)
        raise EndOfSource

    def close(self) -> None:
        """Take note of it."""
        self.closed += 1

    def _chunk(self, samples: Samples) -> AudioChunk:
        chunk = AudioChunk(samples, self._position, self._sample_rate, self._overflowed)
        self._position, self._overflowed = chunk.end_sample, False
        return chunk


def hears_any_sound(samples: Samples) -> list[float]:
    """Score as the ideal model of one label: 1 if anything in the window is above -40 dB, else 0."""
    return [float(np.abs(samples).max(initial=0.0) > 0.01)]


class ScriptedClassifier(Classifier):
    """A model of waveforms whose scores are a pure function of the window's samples.

    Parameters
    ----------
    labels
        As many as ``score`` gives.
    score
        From a window's samples to the scores of its labels, each in [0, 1].
    window_s, hop_s
        In seconds.
    sample_rate
        Hz.
    """

    def __init__(
        self,
        labels: Sequence[str] = ("sound",),
        score: Callable[[Samples], Sequence[float]] = hears_any_sound,
        window_s: float = 1.0,
        hop_s: float = 0.25,
        sample_rate: int = 16_000,
    ) -> None:
        self.card = ModelCard(
            "scripted", "1.0.0", tuple(labels), sample_rate, window_s, hop_s, "waveform", "none"
        )
        self.batches: list[int] = []
        """Size of each batch that it was given."""
        self.closed = False
        """Whether it was closed."""
        self._score = score

    def predict(self, batch: Sequence[Features]) -> NDArray[np.float32]:
        """Score windows: see `Classifier.predict`."""
        self.batches.append(len(batch))
        return np.array([self._score(np.asarray(window.data)) for window in batch], np.float32)

    def close(self) -> None:
        """Take note of it."""
        self.closed = True


class CollectingAction(Action):
    """Keeps the events that it was to answer.

    Parameters
    ----------
    name
        Of the action.
    """

    def __init__(self, name: str = "collect") -> None:
        super().__init__(name, config.Options())
        self._events: list[Event] = []
        self._changed = threading.Condition()

    @property
    def events(self) -> list[Event]:
        """What came so far, in order."""
        with self._changed:
            return list(self._events)

    def run(self, event: Event, context: ActionContext) -> None:
        """Keep the event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def wait_for(self, n_events: int, timeout_s: float) -> bool:
        """Wait until ``n_events`` have come; say whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._events) >= n_events, timeout_s)


def made_up_event(label: str = "sound", phase: Phase = Phase.ONSET, number: int = 1) -> Event:
    """Make an event up, for an action to answer.

    Parameters
    ----------
    label
        What was heard.
    phase
        Which part of the event.
    number
        Events of one number are parts of the same; it began at 10 s times that, and lasts for 2 s.
    """
    onset_s, started_at = 10.0 * number, datetime(2026, 1, 31, 6, 12, tzinfo=UTC) + timedelta(minutes=number)
    event = Event(
        id=f"made-up-{number}",
        phase=phase,
        source="mic",
        label=label,
        onset_s=onset_s,
        offset_s=None,
        score=0.9,
        peak_score=0.9,
        model="scripted/1.0.0",
        started_at=started_at,
    )
    if phase is not Phase.OFFSET:
        return event
    return replace(event, offset_s=onset_s + 2, ended_at=started_at + timedelta(seconds=2))


def made_up_context(
    samples: Samples | None = None, clip: Path | None = None, picture: Path | None = None
) -> ActionContext:
    """Make up what an action may use beside the event.

    Parameters
    ----------
    samples
        What ``fetch_audio`` gives, at 16 kHz, whatever it is asked for; None: it raises `ActionError`.
    clip, picture
        What other actions wrote.
    """

    def fetch_audio(start_s: float, end_s: float) -> Recording:
        if samples is None:
            raise ActionError("no sound is kept")
        return Recording(samples, start_s, 16_000)

    return ActionContext(fetch_audio, clip=clip, picture=picture, key="made-up-1-onset")


TINY_FEATURES = FeatureParameters(
    preset="tiny", n_fft=512, hop_length=256, n_mels=16, n_frames=32, normalisation="none"
)
"""A window of 0.53 s, in little time."""


def tiny_card(
    labels: Sequence[str] = ("first", "second", "third"), features: FeatureParameters = TINY_FEATURES
) -> ModelCard:
    """Make the card of `tiny_bundle`, without a reference."""
    return ModelCard(
        name="tiny",
        version="1.0.0",
        labels=tuple(labels),
        sample_rate=features.sample_rate,
        window_s=features.window_samples / features.sample_rate,
        hop_s=0.1,
        input="log_mel",
        activation="sigmoid",
        features=features,
    )


def tiny_bundle(path: Path, card: ModelCard | None = None, seed: int = 0) -> ModelCard:
    """Write a small log-mel bundle that has learnt nothing, but whose scores depend on the sound.

    Parameters
    ----------
    path
        Of the bundle.
    card
        Its card, less the reference; that of `tiny_card` unless told. ``input`` must be ``log_mel``.
    seed
        Of the weights.

    Returns
    -------
    ModelCard
        The card as it stands in the bundle, with its reference.
    """
    import torch
    from torch import nn

    card = card or tiny_card()
    features = card.features or TINY_FEATURES
    generator = torch.Generator().manual_seed(seed)
    # A matrix product as the last layer would be rounded differently in a batch.
    head = nn.Conv2d(8, len(card.labels), 1, bias=False)
    network = nn.Sequential(
        nn.Unflatten(1, (1, features.n_mels)),
        nn.Conv2d(1, 8, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        head,
        nn.Flatten(),
    ).eval()
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) / weights[0].numel() ** 0.5)
        logits = network(torch.from_numpy(_spectrograms(features, seed)))
        # Scores from 0 to 1 over sounds of all kinds, each label with a middle of its own.
        spread = logits.std(dim=0)
        head.weight.mul_(2 / spread[:, None, None, None])
        head.bias = nn.Parameter(-2 * logits.mean(dim=0) / spread)
        signal = reference_signal(SIGNALS[0], features.window_samples, features.sample_rate)
        scores = torch.sigmoid(network(torch.from_numpy(LogMel(features)(signal)[np.newaxis])))[0]
    card = replace(card, reference=Reference(SIGNALS[0], tuple(scores.tolist())))
    write_bundle(path, torch.jit.script(network), card)
    return card


def _spectrograms(features: FeatureParameters, seed: int) -> NDArray[np.float32]:
    """Tones in noise, 64 of them, at any pitch and level: (64, n_mels, n_frames)."""
    random = np.random.default_rng(seed)
    time_s = np.arange(features.window_samples) / features.sample_rate
    pitch_hz = random.uniform(50, features.sample_rate / 2, (64, 1))
    tone = np.sin(2 * np.pi * pitch_hz * time_s) * 10 ** random.uniform(-3, 0, (64, 1))
    noise = random.standard_normal((64, len(time_s))) * 10 ** random.uniform(-4, -1, (64, 1))
    return LogMel(features)((tone + noise).astype(np.float32))
