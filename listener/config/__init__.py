"""The configuration, and the one source of every default.

``config.yaml`` at the top of the project shows every key with the default that stands here;
a test holds the two together. `listener.config_file` reads such a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from listener.config.actions import (
    ActionSettings,
    BreakerSettings,
    LabelCondition,
    ParallelSettings,
    PlaceSettings,
    RateLimit,
    RetrySettings,
    ScheduleSettings,
)
from listener.config.options import A_YEAR_S, Options, PluginSettings, PositiveSeconds, Score, Seconds

__all__ = [
    "A_YEAR_S",
    "HIGHEST_RATE_HZ",
    "LOWEST_RATE_HZ",
    "ActionSettings",
    "BreakerSettings",
    "Config",
    "EventSettings",
    "EventsSettings",
    "HealthSettings",
    "LabelCondition",
    "LabelEventSettings",
    "ModelSettings",
    "Options",
    "ParallelSettings",
    "PlaceSettings",
    "PluginSettings",
    "PositiveSeconds",
    "RateLimit",
    "RetrySettings",
    "ScheduleSettings",
    "Score",
    "Seconds",
    "SourceSettings",
    "StoreSettings",
    "WebSettings",
    "WindowSettings",
]

MOST_SMOOTH = 100
"""Windows; an event that needs more of them has long been over."""

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 768_000
"""No sound worth classifying has fewer samples in a second, and no device gives more."""

Threshold = Annotated[float, Field(gt=0, le=1)] | Literal["auto"]
Smooth = Annotated[int, Field(ge=1, le=MOST_SMOOTH)] | Literal["auto"]
Release = Seconds | Literal["auto"]


class HealthSettings(Options):
    """When a microphone counts as unwell. What is 0 is not looked for."""

    stalled_s: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    """It is *stalled* when nothing has come for this long."""

    lost_s: Annotated[float, Field(ge=0.5, le=600)] = 3.0
    """It is *lost*, and opened again, when nothing has come for this long."""

    silent_s: Seconds = 15.0
    """It is *silent* when every sample has been the same for this long: no room is as quiet as that."""

    clipping_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """It is *clipping* when this share of its samples has been at full scale for three seconds."""

    lag_s: Annotated[float, Field(ge=0, le=60)] = 0.25
    """It is *lagging* when so much sound has gone missing that nobody reported."""

    @model_validator(mode="after")
    def _stalls_first(self) -> Self:
        if self.lost_s < self.stalled_s:
            raise ValueError(f"lost_s ({self.lost_s:g}) is less than stalled_s ({self.stalled_s:g})")
        return self


class SourceSettings(PluginSettings):
    """One source of sound."""

    use: str = "microphone"

    health: HealthSettings = HealthSettings()
    """When it counts as unwell."""


class ModelSettings(Options):
    """The model."""

    use: str = "auto"
    """Classifier that runs it: see ``listener plugins``. ``auto``: as the model file's name ends."""

    path: Path = Path("models/household.pt")
    """The bundle. Looked for in the working folder, beside the configuration, among the shipped ones."""

    card: Path | None = None
    """YAML card of a model file that has none inside."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the arithmetic. ``auto`` is fp32."""

    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads of the model. One is right unless the machine idles."""


class WindowSettings(Options):
    """How often the model looks."""

    hop_s: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    """Time between windows, in seconds."""


class EventSettings(Options):
    """When scores make an event."""

    threshold_on: Threshold = "auto"
    """Score at which an event begins. ``auto``: from the model's card."""

    threshold_off: Threshold = "auto"
    """Score under which it ends. ``auto``: from the card, and never above ``threshold_on``."""

    smooth: Smooth = "auto"
    """Windows whose mean score is compared. ``auto``: from the card, else 1."""

    min_duration_s: Seconds = 0.0
    """A shorter sound is no event; a longer one is announced this long, and a window, after it began."""

    release_s: Release = "auto"
    """An event is over when the score has stayed below ``threshold_off`` for this long. ``auto``: from the
    card, else 1.0."""

    cooldown_s: Seconds = 5.0
    """No new event of the label begins for this long after the end of the last one."""


class LabelEventSettings(Options):
    """What is different for one label; what is left out is as in ``events.default``."""

    threshold_on: Threshold | None = None
    threshold_off: Threshold | None = None
    smooth: Smooth | None = None
    min_duration_s: Seconds | None = None
    release_s: Release | None = None
    cooldown_s: Seconds | None = None


class EventsSettings(Options):
    """When scores make events, for all labels and for some."""

    default: EventSettings = EventSettings()
    """For every label."""

    labels: Mapping[str, LabelEventSettings] = {}
    """What is different for a label."""

    only: tuple[str, ...] = ()
    """The labels that make events; empty: every label of the model."""


class StoreSettings(Options):
    """Where events are kept; this version keeps none, and says so."""

    url: str | None = None
    """Reserved: address of the event database."""


class WebSettings(Options):
    """The dashboard; this version has none, and refuses to be asked for it."""

    enabled: Literal[False] = False
    """Reserved."""

    host: str = "127.0.0.1"
    """Reserved."""

    port: Annotated[int, Field(ge=1, le=65_535)] = 8765
    """Reserved."""


class Config(Options):
    """The whole configuration."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(use="microphone", name="mic"),)
    """Where sound comes from."""

    model: ModelSettings = ModelSettings()
    """What names it."""

    windows: WindowSettings = WindowSettings()
    """How often."""

    events: EventsSettings = EventsSettings()
    """When it counts."""

    actions: tuple[ActionSettings, ...] = (ActionSettings(use="log"),)
    """What is done about it."""

    place: PlaceSettings = PlaceSettings()
    """Where the machine stands; for schedules that follow the sun."""

    store: StoreSettings = StoreSettings()
    """Reserved."""

    web: WebSettings = WebSettings()
    """Reserved."""
