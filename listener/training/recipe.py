"""A training recipe: one YAML file that says all there is to say about a model.

The data lie elsewhere; everything else that decides what comes out, the seed
included, stands in the recipe, so that one command trains the same model again.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from listener.classifiers.card import feature_problem
from listener.config import Options
from listener.errors import ConfigError
from listener.features import PRESETS
from listener.types import FeatureParameters

Fraction = Annotated[float, Field(ge=0, le=1)]
Fold = Annotated[str, BeforeValidator(lambda given: str(given) if isinstance(given, int) else given)]
"""A number or a name."""


Layout = Literal["auto", "manifest", "folders", "urbansound8k", "esc50", "fsdd", "csv", "list"]
"""How a data set lies on the disk: see `listener.training.data.layouts`."""

FEATURES = tuple(FeatureParameters.__dataclass_fields__)
"""What may stand under ``features``."""


class Data(Options):
    """Which clips are used, and what they are good for."""

    layout: Layout = "auto"
    """How the data lie on the disk: ``auto`` takes a manifest where there is one, else looks."""
    where: dict[str, tuple[str, ...]] = {}
    """Column of the manifest: the texts of which a clip must have one there, ``clean: ["1"]``."""
    leave_out: tuple[str, ...] = ()
    """Labels of which no clip is used at all: neither the sound nor its absence is certain."""
    rename: dict[str, str] = {}
    """Label in the data: what it is called here; several may become one."""
    min_s: float = Field(default=0.0, ge=0)
    """Shorter clips are left out, in seconds."""
    uncertain: dict[str, tuple[str, ...]] = {}
    """Label of a negative: the recipe's labels that may well be heard in it, and so are not judged there."""
    weights: dict[str, float] = {}
    """Label of a negative: how many times more often than its length warrants it is drawn."""


class Augmentation(Options):
    """How a window is made; `listener.training.augment` says what each chance is of.

    With ``event_chance`` at 1, every other chance and ``speed`` at 0, ``shift`` false and ``level_db`` null,
    a window is a piece of one clip, as it is. Where ``fit.loss`` is softmax, exactly one label is right:
    every window holds an event, and none a second one, whatever these two chances say.
    """

    event_chance: Fraction = 0.8
    """A window holds an event; else it is a background, a tone that is no alarm, noise or silence."""
    second_event_chance: Fraction = 0.5
    """There is an event of another label as well."""
    background_chance: Fraction = 0.6
    """The event lies on a background."""
    mixup_chance: Fraction = 0.0
    """Two events are mixed, as loud as a random share says, and so are labels (Tokozume et al., 2018)."""
    room_chance: Fraction = 0.3
    """A sound is heard through a synthetic room."""
    filter_chance: Fraction = 0.5
    """A sound is heard through a band-limited microphone."""
    codec_chance: Fraction = 0.0
    """The window went through a lossy coder: rough bands, few bits, or few kHz."""
    speed: float = Field(default=0.15, ge=0, lt=0.5)
    """Largest relative change of speed (and with it of pitch), in steps of 0.01."""
    whole_chance: Fraction = 0.5
    """As much of a sound lies in the window as there is room for; else it may have begun before, or end after
    it, as a stream brings it."""
    shift: bool = True
    """A clip begins anywhere in the window; else the window is filled with any piece of the clip, and a clip
    that is shorter is repeated."""
    snr_db: tuple[float, float] = (0.0, 40.0)
    """Event above background."""
    level_db: tuple[float, float] | None = (-50.0, -8.0)
    """RMS of a whole window, below full scale; None leaves it."""
    noise_chance: Fraction = 0.5
    """Faint noise of some colour is added; by the same chance again, the window is rounded to 16 bits."""
    mask_chance: Fraction = 0.5
    """Bands and frames are covered, each twice by this chance (Park et al., "SpecAugment", 2019)."""
    masked_bands: int = Field(default=10, ge=0)
    """Largest number of mel bands under one mask."""
    masked_frames: int = Field(default=20, ge=0)
    """Largest number of frames under one mask."""


class NetworkSettings(Options):
    """The network; further keys are its own options."""

    model_config = ConfigDict(extra="allow")

    use: str = "resnet18"
    """Name of a network of `listener.training.networks`, or ``python:FILE:CLASS``."""

    @property
    def own(self) -> dict[str, Any]:
        """The network's own keys, as they stand there."""
        return dict(self.model_extra or {})


class Fit(Options):
    """The optimisation."""

    steps: int | None = Field(default=None, ge=1)
    """How many batches; either this or ``epochs``."""
    epochs: float | None = Field(default=None, gt=0)
    """How often as many windows are drawn as there are clips with a label."""
    batch_size: int = Field(default=64, ge=2)
    """Windows in a step, on all devices together."""
    balance: bool = True
    """Each label is drawn as often as any other; else in proportion to its clips."""
    loss: Literal["sigmoid", "softmax"] = "sigmoid"
    """``sigmoid``: each label by itself, none or several may be heard. ``softmax``: exactly one is."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of every answer that is spread: over all labels (softmax), over yes and no (sigmoid)."""
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    """``adamw``: decay beside the gradient; ``adam``, ``sgd``: within it."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of ``sgd``, after Nesterov."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """``cosine``: down to zero. ``step``: times ``step_factor`` after each epoch."""
    step_factor: float = Field(default=0.8, gt=0, le=1)
    """Of the schedule ``step``."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """The rate rises from zero over so many; None: for ``cosine`` 200, a tenth of all at most, else 0."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of matrices and kernels; biases and normalisation do not decay."""
    clip_gradient: float | None = Field(default=5.0, gt=0)
    """Largest norm of the gradient; None: any."""
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the moving average of the weights, which is what is kept in the end; 0 keeps the last weights."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """``auto``: bfloat16 where the processor or the accelerator is fast at it; the weights stay float32."""
    checkpoint_steps: int = Field(default=200, ge=1)
    """A training that is killed loses no more than this."""
    early_stop: int | None = Field(default=None, ge=1)
    """Ends after so many checkpoints without a better loss on what is held out, and keeps the best; None
    never does, nor does a training that nothing is held out from."""

    @model_validator(mode="after")
    def _one_length(self) -> "Fit":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("needs either 'steps' or 'epochs'")
        return self

    def steps_per_epoch(self, n_clips: int) -> int:
        """How many steps draw as many windows as there are clips with a label."""
        return max(1, math.ceil(n_clips / self.batch_size))

    def n_steps(self, n_clips: int) -> int:
        """How many steps the training takes, where there are so many clips with a label."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return math.ceil(self.epochs * self.steps_per_epoch(n_clips))


class Streams(Options):
    """Long recordings with known events: each is given to the network that was trained without its fold."""

    folder: str = "streams"
    """Below the folder of the data; holds ``NAME.flac`` (or another format) and ``NAME.csv``."""
    folds: dict[str, Fold]
    """Name of a stream: the fold that its events are from."""
    negative: str
    """Name of the stream without events; the recordings it is made of are dealt to its fold."""

    @model_validator(mode="after")
    def _has_fold(self) -> "Streams":
        if self.negative not in self.folds:
            raise ValueError(f"'folds' must name a fold for the negative stream, {self.negative}")
        return self


class Recipe(Options):
    """A whole recipe."""

    name: str
    """Of the model, and of its files: letters, digits and ``._-``."""
    version: str
    """Of the model."""
    seed: int = 0
    """Decides everything that is left to chance."""
    features: FeatureParameters
    """The front end: the name of a preset, or a table with ``preset`` and what differs from it."""
    labels: tuple[str, ...] | Literal["auto"] = "auto"
    """What the model tells apart, in the order of its scores; ``auto``: every label of the data, sorted."""
    synthetic: tuple[str, ...] = ()
    """Those of the labels that are trained on sounds which the program makes itself."""
    folds: tuple[Fold, ...] | int | Literal["auto"] = "auto"
    """Folds that are held out in turn by the cross-validation. A number deals groups to so many folds;
    ``auto`` takes those of the data, or deals five."""
    train_folds: tuple[Fold, ...] = ()
    """Further folds, which are trained on and never held out."""
    trained_on: Literal["all", "rest"] = "all"
    """What the bundle is trained on: ``all`` clips, whatever was held out before; or the ``rest`` beside the
    one fold that is held out, and then it is the very network that was judged."""
    data: Data = Data()
    subsets: dict[str, dict[str, tuple[str, ...]]] = {}
    """Name: what chooses clips, as ``data.where`` does, of which accuracy is told for themselves, among
    their labels: ``esc10: {esc10: ["1"]}``."""
    augmentation: Augmentation = Augmentation()
    network: NetworkSettings = NetworkSettings()
    start_from: Path | None = None
    """Bundle whose weights the network begins with, all but the last layer: where recordings are few. It
    must have the same front end and network: ``models/household.pt``."""
    fit: Fit
    streams: Streams | None = None
    hop_s: float = Field(default=0.5, gt=0)
    """Time between windows, live and where the model is judged, in seconds."""
    licence: str = "LicenseRef-unstated"
    """SPDX name, of the weights."""
    notes: str = ""
    """What a user should know before trusting it."""

    @field_validator("name")
    @classmethod
    def _of_a_file(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError("must be letters, digits and ._- alone, for files are called by it")
        return name

    @field_validator("features", mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        given = {"preset": given} if isinstance(given, str) else given
        if not isinstance(given, dict):
            return given
        if (name := given.get("preset", "tutorial")) not in PRESETS:
            raise ValueError(f"'preset' knows {', '.join(PRESETS)}, not {name}")
        return asdict(PRESETS[name]) | given

    @field_validator("features")
    @classmethod
    def _possible(cls, features: FeatureParameters) -> FeatureParameters:
        if problem := feature_problem(features):
            raise ValueError(problem.removeprefix("features: ").removeprefix("features."))
        return features

    @model_validator(mode="after")
    def _known_labels(self) -> "Recipe":
        if set(self.synthetic) - {"smoke_alarm"}:
            raise ValueError("'synthetic' knows smoke_alarm only")
        if self.streams is not None and isinstance(self.folds, int):
            raise ValueError("'streams' are made of folds of the data: 'folds' must name these, or be auto")
        if self.trained_on == "rest" and not (isinstance(self.folds, tuple) and len(self.folds) == 1):
            raise ValueError("'trained_on: rest' needs one fold in 'folds', which is held out")
        if self.labels == "auto":
            return self
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("'labels' names a label twice")
        named = {*self.synthetic, *(label for labels in self.data.uncertain.values() for label in labels)}
        if unknown := named - set(self.labels):
            raise ValueError(f"not among 'labels': {', '.join(sorted(unknown))}")
        return self

    def labels_of(self, found: Sequence[str]) -> tuple[str, ...]:
        """The model's labels, where these are found in the data."""
        return tuple(sorted({*found, *self.synthetic})) if self.labels == "auto" else self.labels

    def folds_of(self, found: Sequence[str]) -> tuple[str, ...]:
        """The folds that are held out in turn, where these are found in the data."""
        if isinstance(self.folds, tuple):
            return self.folds
        return tuple(fold for fold in found if fold not in self.train_folds)


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path
        The file.
    changes
        What differs from it: ``fit.steps=100``, with a value as YAML has it.

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
    for change in changes:
        _apply(change, content)
    try:
        # By way of JSON, whose strict reading takes a list for a tuple.
        return Recipe.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise ConfigError(*(_problem(path, problem) for problem in error.errors())) from error


def _apply(change: str, content: dict[str, Any]) -> None:
    """Set one key of a recipe that was read."""
    where, is_one, text = change.partition("=")
    *parents, key = where.strip().split(".")
    if not is_one or not key:
        raise ConfigError(f"--set {change}: a KEY=VALUE is expected, such as fit.steps=100")
    for parent in parents:
        inner = content.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {change}: '{parent}' holds no further keys")
        content = inner
    try:
        content[key] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {change}: the value is no YAML") from error


def _problem(path: Path, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "recipe"
    if problem["type"] == "unexpected_keyword_argument":
        return f"{path}: {where}: is no known key: {_hint(str(problem['loc'][-1]), FEATURES)}"
    if problem["type"] != "extra_forbidden":
        given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
        return f"{path}: {where}: {problem['msg'].removeprefix('Value error, ')}{given}"
    known = _keys(Recipe, problem["loc"][:-1])
    return f"{path}: {where}: is no known key: {_hint(str(problem['loc'][-1]), known)}"


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        parts = [annotation, *getattr(annotation, "__args__", ())]
        model = next(kind for kind in parts if isinstance(kind, type) and issubclass(kind, BaseModel))
    return list(model.model_fields)
