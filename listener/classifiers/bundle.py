"""A model in one file: a TorchScript archive with its card inside.

The archive is a zip file, so the card can be read without loading the model, or torch.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from listener.errors import ModelError
from listener.features import PRESETS
from listener.files import whole_file
from listener.types import FeatureParameters, ModelCard, Reference, Thresholds

if TYPE_CHECKING:
    import torch

CARD_FILE = "card.json"
_CARD = TypeAdapter(ModelCard)
_NO_SCALAR = (ValueError, TypeError, KeyError, AttributeError)
"""What PyYAML raises at a value that is not what its form or tag says, such as the date 2026-99-99."""


def write_bundle(path: Path, module: "torch.jit.ScriptModule", card: ModelCard) -> None:
    """Write a model and its card, so that the file is either whole or not there.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as half_written:
            torch.jit.save(module, half_written, _extra_files={CARD_FILE: card_json(card)})
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path}: the bundle cannot be written: {_one_line(error)}") from error


def card_json(card: ModelCard) -> str:
    """Form a card as it stands in the bundle."""
    return json.dumps(asdict(card), indent=2)


def read_card(path: Path, card_path: Path | None = None) -> ModelCard:
    """Read the card of a bundle, or the YAML card that stands beside a foreign model.

    Parameters
    ----------
    path
        The model file.
    card_path
        The YAML card, where the model file has none inside.

    Raises
    ------
    ModelError
        One of the files is missing, is not what it should be, or the card is wrong.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; `listener models list` shows what there is")
    if card_path is None:
        return _parse(_card_inside(path), str(path))
    return _parse(_card_beside(card_path), str(card_path))


def _card_beside(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such card file (setting model.card)") from None
    except (OSError, yaml.YAMLError, RecursionError, *_NO_SCALAR) as error:
        raise ModelError(f"{path}: the card cannot be read: {_one_line(error)}") from error


def _card_inside(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{CARD_FILE}")]
            if not names:
                raise ModelError(
                    f"{path}: there is no card in this model file; "
                    f"give one as YAML: model: {{path: {path.name}, card: {path.stem}.yaml}}"
                )
            return json.loads(archive.read(names[0]))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise ModelError(f"{path}: no TorchScript model, or a broken one: {_one_line(error)}") from error
    except ValueError as error:
        raise ModelError(f"{path}: its card is not valid JSON: {error}") from error


def _parse(raw: Any, where: str) -> ModelCard:
    if not isinstance(raw, Mapping):
        raise ModelError(f"{where}: the card is not a table of fields")
    _refuse_unknown(raw, ModelCard.__dataclass_fields__, "the card", where)
    fields = _with_preset(dict(raw), where)
    _refuse_unknown(fields.get("reference"), Reference.__dataclass_fields__, "card field 'reference'", where)
    for label, thresholds in _items(fields.get("thresholds")):
        _refuse_unknown(
            thresholds, Thresholds.__dataclass_fields__, f"card field 'thresholds.{label}'", where
        )
    try:
        card = _CARD.validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{where}: card field '{field}': {first['msg']}") from error
    _check(card, where)
    return card


def _with_preset(fields: dict[str, Any], where: str) -> dict[str, Any]:
    """Fill in what a card leaves to the preset that it names."""
    given = fields.get("features")
    given = {"preset": given} if isinstance(given, str) else given
    if not isinstance(given, Mapping):
        return fields
    _refuse_unknown(given, FeatureParameters.__dataclass_fields__, "card field 'features'", where)
    name = str(given.get("preset", "tutorial"))
    if name in PRESETS:
        return fields | {"features": asdict(PRESETS[name]) | dict(given)}
    if missing := [key for key in FeatureParameters.__dataclass_fields__ if key not in given]:
        hint = _hint(name, PRESETS) or f"; there are {', '.join(PRESETS)}"
        raise ModelError(f"{where}: card field 'features': no preset '{name}', and no '{missing[0]}'{hint}")
    return fields | {"features": dict(given)}


def _refuse_unknown(given: Any, known: Iterable[str], what: str, where: str) -> None:
    """Refuse fields that a table of this kind does not have."""
    for key, _ in _items(given):
        if key not in known:
            raise ModelError(f"{where}: {what} has an unknown field '{key}'{_hint(str(key), known)}")


def _items(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, Mapping) else ()


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


def _check(card: ModelCard, where: str) -> None:
    """Refuse a card that contradicts itself."""
    problem = None
    lengths = (card.sample_rate, card.window_s, card.hop_s)
    if not card.labels or len(set(card.labels)) != len(card.labels) or not all(map(str.strip, card.labels)):
        problem = "labels: there must be some, each one once, and none empty"
    elif not all(0 < length < math.inf for length in lengths):
        problem = "sample_rate, window_s and hop_s must be above 0"
    elif (card.input == "log_mel") != (card.features is not None):
        problem = (
            "features: a log_mel model must name a preset, such as `features: {preset: tutorial}`, no other"
        )
    elif card.features is not None and (found := _feature_problem(card, card.features)):
        problem = found
    elif card.window_samples < 1:
        problem = f"window_s: {card.window_s:g} s hold no sample at {card.sample_rate} Hz"
    elif card.reference is not None and len(card.reference.scores) != len(card.labels):
        problem = f"reference has {len(card.reference.scores)} scores for {len(card.labels)} labels"
    elif unknown := [label for label in card.thresholds if label not in card.labels]:
        problem = f"thresholds: '{unknown[0]}' is none of its labels"
    elif wrong := [label for label, t in card.thresholds.items() if not 0 < t.off <= t.on <= 1]:
        problem = f"thresholds: '{wrong[0]}' needs 0 < off <= on <= 1"
    if problem:
        raise ModelError(f"{where}: card field {problem}")


def _feature_problem(card: ModelCard, features: FeatureParameters) -> str | None:
    counts = (features.hop_length, features.n_mels, features.n_frames)
    if features.sample_rate != card.sample_rate:
        return f"features.sample_rate is {features.sample_rate}, but sample_rate is {card.sample_rate}"
    if min(counts) < 1 or features.n_fft < max(2, features.hop_length):
        return (
            "features: hop_length, n_mels and n_frames must be 1 or more, and n_fft no less than hop_length"
        )
    if not 0 <= features.f_min_hz < features.f_max_hz <= card.sample_rate / 2:
        return f"features: must be 0 <= f_min_hz < f_max_hz <= {card.sample_rate / 2:g}"
    if not 0 < features.floor < math.inf:
        return "features.floor must be above 0"
    # A frame's worth of leeway: some count a window as n_frames * hop_length.
    window_s = features.window_samples / card.sample_rate
    if abs(window_s - card.window_s) > features.n_fft / card.sample_rate:
        return f"window_s is {card.window_s:g}, but its features make windows of {window_s:.3f} s"
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
