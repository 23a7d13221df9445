"""A model in one file: a TorchScript archive, or an ONNX file, with its card inside.

The archive is a zip file, and ONNX has room for metadata: so the card can be read without
loading the model, or torch.
"""

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listener.classifiers import onnx_file
from listener.classifiers.card import LONGEST_PROBLEM, parse_card
from listener.errors import ConfigError, ModelError, one_line, printable
from listener.files import is_file, whole_file
from listener.types import ModelCard
from listener.yaml_file import read_plain_yaml, shortened

if TYPE_CHECKING:
    import torch

CARD_FILE = "card.json"
MOST_CARD_BYTES = 2**22
"""A card with figures for tens of thousands of labels; more would be a way to fill the memory."""


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
        content = io.BytesIO()  # torch would end the process where a file cannot be written to its end
        torch.jit.save(module, content, _extra_files={CARD_FILE: card_json(card)})
        with whole_file(path) as half_written:
            half_written.write_bytes(content.getbuffer())
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{printable(path)}: the bundle cannot be written: {one_line(error)}") from error


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
    if not is_file(path):
        raise ModelError(f"{printable(path)}: no such model file; `listener models list` shows what there is")
    if card_path is None:
        return parse_card(_card_inside(path), path)
    return parse_card(_card_beside(card_path), card_path)


def _card_beside(path: Path) -> Any:
    try:
        return read_plain_yaml(path)
    except FileNotFoundError:
        raise ModelError(f"{printable(path)}: no such card file (setting model.card)") from None
    except OSError as error:
        raise ModelError(f"{printable(path)}: the card cannot be read: {error.strerror}") from error
    except ConfigError as error:
        raise ModelError(error.problems[0]) from error


def _card_inside(path: Path) -> Any:
    text = _onnx_card(path) if onnx_file.is_onnx(path) else _archive_card(path)
    if text is None:
        raise ModelError(
            f"{printable(path)}: there is no card in this model file; give one as YAML: "
            f"model: {{path: {printable(path.name)}, card: {printable(path.stem)}.yaml}}"
        )
    if len(text) > MOST_CARD_BYTES:
        raise ModelError(f"{printable(path)}: its card is longer than {MOST_CARD_BYTES // 2**20} MiB")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise (onnx_file.broken_onnx if onnx_file.is_onnx(path) else broken)(path, error) from error
    except ValueError as error:
        raise ModelError(f"{printable(path)}: its card is not valid JSON: {one_line(error)}") from error


def _archive_card(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            card = next(
                (file for file in archive.infolist() if file.filename.endswith(f"/extra/{CARD_FILE}")), None
            )
            if card is None:
                return None
            with archive.open(card) as file:
                return file.read(MOST_CARD_BYTES + 1)
    except Exception as error:  # zipfile raises almost anything at a damaged archive
        raise broken(path, error) from error


def _onnx_card(path: Path) -> bytes | None:
    try:
        return onnx_file.card_text(path, MOST_CARD_BYTES)
    except (OSError, ValueError) as error:
        raise onnx_file.broken_onnx(path, error) from error


def broken(path: Path, error: Exception) -> ModelError:
    """Form the error for a file that is no model, whatever was found in it instead."""
    # libtorch says a page about where in its own code it was, and then what is wrong.
    lines = [line for line in str(error).splitlines() if line.strip()]
    told = shortened(one_line(lines[-1]), LONGEST_PROBLEM) if lines else type(error).__name__
    return ModelError(f"{printable(path)}: no TorchScript model, or a broken one: {told}")
