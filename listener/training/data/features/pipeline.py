"""Which stages are run with which parameters, and the hash that tells one pipeline from another."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import listener.features
from listener.errors import ConfigError, DatasetError, ListenerError, one_line
from listener.plugins import python_file
from listener.training.data.clip import Clip
from listener.training.data.features.stages import (
    STAGES,
    Extract,
    Load,
    MakeExtract,
    Normalise,
    Pad,
    Stage,
)
from listener.types import FeatureParameters, Samples

FORMAT = 1
"""Of a store; one of another format is made anew."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """load -> pad -> extract -> normalise -> save, each by its name."""

    parameters: FeatureParameters
    """Of the front end. Where they bring each window to [0, 1], ``normalise`` does that instead, for it
    keeps what it takes to undo it."""

    n_samples: int
    """In each clip, padded or cut, at the front end's rate."""

    load: str = "active"
    """``active``: what sounds in a clip; ``whole``: its file."""

    pad: str = "zeros"
    """``zeros``: silence behind; ``centre``: on both sides; ``repeat``: the sound again."""

    extract: str = "log_mel"
    """``log_mel``: the front end of the parameters, the very one that runs live."""

    normalise: str = "none"
    """To [0, 1]: ``clip``, each by itself; ``band``; ``global``; ``none``."""

    save: str = "float32"
    """``float32`` or ``float16``."""

    @classmethod
    def of(cls, parameters: FeatureParameters, length_s: float | None = None, **stages: str) -> "Pipeline":
        """Make a pipeline.

        Parameters
        ----------
        parameters
            Of the front end.
        length_s
            Of each clip; None: a window.
        stages
            Names of stages, for those that are not to be the usual ones.

        Raises
        ------
        ConfigError
            A stage is unknown, or does not fit; the message names it.
        """
        n_samples = parameters.window_samples
        if length_s is not None:
            n_samples = max(1, round(length_s * parameters.sample_rate))
        if parameters.normalisation == "min_max":
            parameters = replace(parameters, normalisation="none")
            stages.setdefault("normalise", "clip")
        pipeline = cls(parameters, n_samples, **stages)
        pipeline.check()
        return pipeline

    @property
    def stages(self) -> dict[Stage, str]:
        """Name of each stage."""
        return {stage: getattr(self, stage) for stage in STAGES}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the features as they are kept."""
        dtype: np.dtype[Any] = np.dtype(STAGES["save"][self.save])
        return dtype

    def check(self) -> None:
        """Load every stage and try them on silence.

        Raises
        ------
        ConfigError
            A stage is unknown, or does not fit; the message names it.
        """
        if self.save not in STAGES["save"]:
            raise _unknown("save", self.save)
        for stage in ("load", "normalise"):
            _stage(stage, getattr(self, stage))
        Runner(self).try_on_silence()

    def bounds(self, ranges: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """What is brought to 0 and 1, shape (n_clips, 2, n_mels); None where nothing is."""
        normalise: Normalise | None = _stage("normalise", self.normalise)
        if normalise is None:
            return None
        bounds = np.array(normalise(ranges), np.float32)
        if bounds.shape != ranges.shape or not np.isfinite(bounds).all():
            raise ConfigError(f"--normalise {self.normalise}: gave no bounds of shape {ranges.shape}")
        return bounds

    def key(self, contents: Sequence[tuple[Clip, str]]) -> str:
        """Hash of everything that the features depend on.

        Parameters
        ----------
        contents
            Clips in their order, and the hash of each one's file.
        """
        told = {
            "format": FORMAT,
            "parameters": asdict(self.parameters),
            "n_samples": self.n_samples,
            "stages": {stage: _identity(stage, name) for stage, name in self.stages.items()},
            "program": _hash_of_program(),
            "clips": [(digest, clip.first_s, clip.active_s) for clip, digest in contents],
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Give everything but the code."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Pipeline":
        """Undo `as_json`; no stage is loaded."""
        names = {field.name for field in fields(cls)}
        parameters = FeatureParameters(**told["parameters"])
        return cls(**{name: told[name] for name in names if name != "parameters"}, parameters=parameters)


class Runner:
    """A pipeline up to its extraction, in one process.

    Parameters
    ----------
    pipeline
        Which.

    Raises
    ------
    ConfigError
        A stage is unknown, or cannot be made.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._load: Load = _stage("load", pipeline.load)
        self._pad: Pad = _stage("pad", pipeline.pad)
        make: MakeExtract = _stage("extract", pipeline.extract)
        try:
            self._extract: Extract = make(pipeline.parameters)
        except Exception as error:
            raise _broken("extract", pipeline.extract, error) from error

    def __call__(self, path: Path, clip: Clip) -> NDArray[np.float32]:
        """Features of a clip, (n_mels, n_frames).

        Raises
        ------
        ListenerError
            It cannot be read, or a stage fails on it; one line that names it.
        """
        try:
            samples = self._load(path, clip, self._pipeline.parameters.sample_rate)
        except ListenerError:
            raise
        except Exception as error:
            raise DatasetError(f"{path}: {_broken('load', self._pipeline.load, error)}") from error
        try:
            return self._features(samples)
        except ConfigError as error:
            raise DatasetError(f"{path}: {error}") from error

    def try_on_silence(self) -> tuple[int, int]:
        """Shape of the features: (n_mels, n_frames)."""
        n_bands, n_frames = self._features(np.zeros(self._pipeline.n_samples, np.float32)).shape
        return n_bands, n_frames

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        pipeline = self._pipeline
        try:
            padded = np.asarray(self._pad(samples, pipeline.n_samples), np.float32)
        except Exception as error:
            raise _broken("pad", pipeline.pad, error) from error
        if padded.shape != (pipeline.n_samples,):
            raise ConfigError(f"--pad {pipeline.pad}: gave {padded.shape} for {pipeline.n_samples} samples")
        try:
            features = np.asarray(self._extract(padded), np.float32)
        except Exception as error:
            raise _broken("extract", pipeline.extract, error) from error
        if features.ndim != 2 or 0 in features.shape:
            raise ConfigError(
                f"--extract {pipeline.extract}: gave features of shape {features.shape} for "
                f"{pipeline.n_samples} samples: is --length too short?"
            )
        if not np.isfinite(features).all():
            raise ConfigError(f"--extract {pipeline.extract}: gave what is no number")
        return features


def _stage(stage: Stage, name: str) -> Any:
    if python_file.is_reference(name):
        found = python_file.load(name)
        if not callable(found):
            raise ConfigError(f"--{stage} {name}: is no function")
        return found
    if name not in STAGES[stage]:
        raise _unknown(stage, name)
    return STAGES[stage][name]


def _unknown(stage: Stage, name: str) -> ConfigError:
    known = ", ".join(STAGES[stage])
    own = "" if stage == "save" else ", or python:FILE:NAME"
    return ConfigError(f"--{stage} {name}: is unknown: there are {known}{own}")


def _broken(stage: Stage, name: str, error: Exception) -> ConfigError:
    return ConfigError(f"--{stage} {name}: {type(error).__name__}: {one_line(error)}")


def _identity(stage: Stage, name: str) -> str:
    """Name a stage so that another one never has the same name: a file's changes with what is in it."""
    if not python_file.is_reference(name):
        return name
    reference = python_file.parse(name)
    return f"{sha256(reference.path.read_bytes()).hexdigest()}:{reference.name}"


def _hash_of_program() -> str:
    """Of the code that makes features: who has changed it wants others."""
    return sha256(b"".join(path.read_bytes() for path in _program_files())).hexdigest()


def _program_files() -> Iterator[Path]:
    yield from sorted(Path(folder, name) for folder in listener.features.__path__ for name in _CODE)
    yield Path(__file__).with_name("stages.py")


_CODE = ("front_end.py", "logmel.py", "mel.py")
