"""A training recipe: one YAML file that says all there is to say about a model.

The data lie elsewhere; everything else that decides what comes out, the seed
included, stands in the recipe, so that one command trains the same model again.
"""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from listener.config import Options
from listener.errors import ConfigError
from listener.features import PRESETS

Fraction = Annotated[float, Field(ge=0, le=1)]


class Data(Options):
    """Which rows of ``clips.csv`` are used, and what they are good for."""

    datasets: tuple[str, ...]
    """Names in the column ``dataset``; a label outside of the recipe's labels makes a negative."""
    leave_out: tuple[str, ...] = ()
    """Labels of which no clip is used at all: neither the sound nor its absence is certain."""
    uncertain: dict[str, tuple[str, ...]] = {}
    """Label of a negative: the recipe's labels that may well be heard in it, and so are not judged there."""
    weights: dict[str, float] = {}
    """Label of a negative: how many times more often than its length warrants it is drawn."""


class Augmentation(Options):
    """How a window is made; `listener.training.augment` says what each chance is of."""

    event_chance: Fraction = 0.8
    second_event_chance: Fraction = 0.5
    background_chance: Fraction = 0.6
    room_chance: Fraction = 0.3
    filter_chance: Fraction = 0.5
    speed: float = Field(default=0.15, ge=0, lt=0.5)
    """Largest relative change of speed (and with it of pitch)."""
    snr_db: tuple[float, float] = (0.0, 40.0)
    """Event above background."""
    level_db: tuple[float, float] = (-50.0, -8.0)
    """RMS of a whole window, below full scale."""
    mask_chance: Fraction = 0.5
    masked_bands: int = Field(default=10, ge=0)
    """Largest number of mel bands under one mask."""
    masked_frames: int = Field(default=20, ge=0)
    """Largest number of frames under one mask."""


class Network(Options):
    """The ResNet18 of `listener.training.networks`."""

    width: int = Field(default=32, ge=4, le=128)
    """Channels of the first stage; each stage after it has twice as many."""
    dropout: Fraction = 0.2


class Fit(Options):
    """The optimisation."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest; reached after ``warmup_steps``, then down to zero along a cosine."""
    warmup_steps: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the moving average of the weights, which is what is kept in the end."""
    bfloat16: bool = True
    """Compute in bfloat16 where it is safe to; the weights stay float32."""
    checkpoint_steps: int = Field(default=200, ge=1)


class Streams(Options):
    """Long recordings with known events: each is given to the network that was trained without its fold."""

    folder: str = "streams"
    folds: dict[str, int]
    """Name of a stream: the fold that its events are from."""
    negative: str
    """Name of the stream without events; the recordings it is made of are dealt to its fold."""


class Recipe(Options):
    """A whole recipe."""

    name: str
    version: str
    seed: int = 0
    preset: str = "household"
    """Name of the front end: see `listener.features.PRESETS`."""
    labels: tuple[str, ...]
    """What the model tells apart, in the order of its scores."""
    synthetic: tuple[str, ...] = ()
    """Those of the labels that are trained on sounds which the program makes itself."""
    folds: tuple[int, ...]
    """Folds that there are: each is held out once by the cross-validation."""
    data: Data
    augmentation: Augmentation = Augmentation()
    network: Network = Network()
    fit: Fit
    streams: Streams | None = None
    licence: str
    """SPDX name, of the weights."""
    notes: str = ""

    @model_validator(mode="after")
    def _known_labels(self) -> "Recipe":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("'labels' names a label twice")
        known = set(self.labels)
        named = {*self.synthetic, *(label for labels in self.data.uncertain.values() for label in labels)}
        if named - known:
            raise ValueError(f"not among 'labels': {', '.join(sorted(named - known))}")
        if self.preset not in PRESETS:
            raise ValueError(f"'preset' knows {', '.join(PRESETS)}, not {self.preset}")
        if set(self.synthetic) - {"smoke_alarm"}:
            raise ValueError("'synthetic' knows smoke_alarm only")
        return self


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    ConfigError
        The file is missing or no YAML, or a key or a value is wrong; every problem is named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: is no recipe: a mapping of keys is expected")
    try:
        # By way of JSON, whose strict reading takes a list for a tuple.
        return Recipe.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise ConfigError(*(_problem(path, problem) for problem in error.errors())) from error


def _problem(path: Path, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "recipe"
    if problem["type"] != "extra_forbidden":
        given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
        return f"{path}: {where}: {problem['msg'].removeprefix('Value error, ')}{given}"
    known = _keys(Recipe, problem["loc"][:-1])
    near = get_close_matches(str(problem["loc"][-1]), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    return f"{path}: {where}: is no known key: {hint}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        parts = [annotation, *getattr(annotation, "__args__", ())]
        model = next(kind for kind in parts if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)
