"""A model in one file: a TorchScript archive with its card inside.

The archive is a zip file, so the card can be read without loading the model, or torch.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from listener.errors import ModelError
from listener.features import PRESETS
from listener.types import ModelCard

if TYPE_CHECKING:
    import torch

CARD_FILE = "card.json"
_CARD = TypeAdapter(ModelCard)


def write_bundle(path: Path, module: "torch.jit.ScriptModule", card: ModelCard) -> None:
    """Write a model and its card, so that the file is either whole or not there.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    import torch

    half_written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.jit.save(module, half_written, _extra_files={CARD_FILE: card_json(card)})
        half_written.replace(path)
    except (OSError, RuntimeError) as error:
        half_written.unlink(missing_ok=True)
        raise ModelError(f"{path}: the bundle cannot be written: {error}") from error


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
        raise ModelError(
            f"{path}: no such model file; `listener models list` shows what there is"
        )
    if card_path is None:
        return _parse(_card_inside(path), str(path))
    try:
        return _parse(
            yaml.safe_load(card_path.read_text(encoding="utf-8")), str(card_path)
        )
    except FileNotFoundError:
        raise ModelError(
            f"{card_path}: no such card file (setting model.card)"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{card_path}: the card cannot be read: {reason}") from error


def _card_inside(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                name
                for name in archive.namelist()
                if name.endswith(f"/extra/{CARD_FILE}")
            ]
            if not names:
                raise ModelError(
                    f"{path}: there is no card in this model file; "
                    f"give one as YAML: model: {{path: {path.name}, card: {path.stem}.yaml}}"
                )
            return json.loads(archive.read(names[0]))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ModelError(
            f"{path}: no TorchScript model, or a broken one: {error}"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path}: its card is not valid JSON: {error}") from error


def _parse(raw: Any, where: str) -> ModelCard:
    if not isinstance(raw, Mapping):
        raise ModelError(f"{where}: the card is not a table of fields")
    fields = _with_preset(dict(raw), where)
    unknown = [key for key in fields if key not in ModelCard.__dataclass_fields__]
    if unknown:
        near = get_close_matches(str(unknown[0]), ModelCard.__dataclass_fields__, n=1)
        hint = f": did you mean '{near[0]}'?" if near else ""
        raise ModelError(f"{where}: the card has an unknown field '{unknown[0]}'{hint}")
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
    name = given.get("preset", "tutorial")
    base = asdict(PRESETS[name]) if name in PRESETS else {}
    unknown = [key for key in given if key not in asdict(PRESETS["tutorial"])]
    if unknown:
        raise ModelError(f"{where}: card field 'features' has no '{unknown[0]}'")
    return fields | {"features": base | dict(given)}


def _check(card: ModelCard, where: str) -> None:
    """Refuse a card that contradicts itself."""
    problem = None
    if not card.labels or len(set(card.labels)) != len(card.labels):
        problem = "labels: there must be some, each one once"
    elif card.sample_rate <= 0 or card.window_s <= 0 or card.hop_s <= 0:
        problem = "sample_rate, window_s and hop_s must be above 0"
    elif card.input == "log_mel" and card.features is None:
        problem = "features: a log_mel model must name a preset, such as `features: {preset: tutorial}`"
    elif card.features is not None and card.features.sample_rate != card.sample_rate:
        problem = f"features.sample_rate is {card.features.sample_rate}, but sample_rate is {card.sample_rate}"
    elif card.reference is not None and len(card.reference.scores) != len(card.labels):
        problem = f"reference has {len(card.reference.scores)} scores for {len(card.labels)} labels"
    elif unknown := [label for label in card.thresholds if label not in card.labels]:
        problem = f"thresholds: '{unknown[0]}' is none of its labels"
    elif wrong := [
        label for label, t in card.thresholds.items() if not 0 < t.off <= t.on <= 1
    ]:
        problem = f"thresholds: '{wrong[0]}' needs 0 < off <= on <= 1"
    if problem:
        raise ModelError(f"{where}: card field {problem}")


def with_reference_scores(
    card: ModelCard, scores: tuple[float, ...], signal: str = "chirp"
) -> ModelCard:
    """Give a card the reference that loading will verify."""
    from listener.types import Reference

    return replace(
        card, reference=Reference(signal, tuple(round(score, 6) for score in scores))
    )
