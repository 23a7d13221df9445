"""Reads and writes what an ONNX file says beside its network, without loading the network.

An ONNX file is one message of protocol buffers (`ModelProto` of onnx.proto3): a row of
fields, each with its number and its length. So the card is found by stepping over the
rest, and added by writing one field more; neither the package ``onnx`` nor memory for
the weights is needed.

A bundle ends in a check sum of all that stands before it. ONNX has none of its own, and
a network with a few changed bits would load and give other scores.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from listener.classifiers.card import LONGEST_PROBLEM
from listener.errors import ModelError, one_line, printable
from listener.files import whole_file
from listener.yaml_file import shortened

CARD_KEY = "card.json"
"""Of the card among the file's metadata."""

SUM_KEY = "listener.sha256"
"""Of the check sum, which comes last."""

MOST_MODEL_BYTES = 2**31
"""A message of protocol buffers cannot be longer."""

MOST_FIELDS = 10_000
"""Tens are usual; more would be a way to make us step through a file for hours."""

_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5
_GRAPH, _METADATA = 7, 14
_KNOWN = frozenset((*range(1, 9), _METADATA, 20, 25, 26))
"""Fields of a model; a file with others is something else."""
_LONGEST_VARINT = 10


def is_onnx(path: Path) -> bool:
    """Tell by its name whether a model file is ONNX."""
    return path.suffix.lower() == ".onnx"


def write_onnx_bundle(path: Path, model: bytes, card: str) -> None:
    """Write a network with its card and a check sum, so that the file is either whole or not there.

    Parameters
    ----------
    path
        Of the bundle.
    model
        The network as ONNX; a card that is in it already is left out.
    card
        The card, as JSON.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    whole = bare(model) + _entry(CARD_KEY, card)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as half_written:
            half_written.write_bytes(whole + _entry(SUM_KEY, hashlib.sha256(whole).hexdigest()))
    except OSError as error:
        raise ModelError(f"{printable(path)}: the bundle cannot be written: {one_line(error)}") from error


def bare(model: bytes) -> bytes:
    """Give a network without card and check sum.

    Raises
    ------
    ValueError
        It is no ONNX.
    """
    file = BytesIO(model)
    own = [
        (field.start, field.end)
        for field in _fields(file, len(model))
        if field.number == _METADATA and _key(file, field) in (CARD_KEY, SUM_KEY)
    ]
    begins, ends = [0, *(end for _, end in own)], [*(start for start, _ in own), len(model)]
    return b"".join(model[begin:end] for begin, end in zip(begins, ends, strict=True))


def card_text(path: Path, most_bytes: int) -> bytes | None:
    """Read the card, None where there is none; of a longer one than ``most_bytes`` so many and one more.

    Raises
    ------
    ValueError
        It is no ONNX, or a broken one.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        entry = _metadata(file, size).get(CARD_KEY)
        if entry is None:
            return None
        file.seek(entry.value_start)
        return file.read(min(entry.end - entry.value_start, most_bytes + 1))


def read_model(path: Path) -> bytes:
    """Read a whole file, and see that a bundle's check sum is right.

    Raises
    ------
    ValueError
        It is no ONNX, or it is damaged.
    OSError
        It cannot be read.
    """
    if path.stat().st_size > MOST_MODEL_BYTES:
        raise ValueError("it is longer than 2 GiB")
    content = path.read_bytes()
    metadata = _metadata(BytesIO(content), len(content))
    if CARD_KEY not in metadata:
        return content  # it is none of ours, and its card lies beside it
    total = metadata.get(SUM_KEY)
    if total is None or total.end != len(content):
        raise ValueError("its check sum is missing; install it, or export it, again")
    is_sum = content[total.value_start : total.end]
    if hashlib.sha256(content[: total.start]).hexdigest().encode() != is_sum:
        raise ValueError("its check sum is wrong; install it, or export it, again")
    return content


def broken_onnx(path: Path, error: Exception) -> ModelError:
    """Form the error for a file that is no ONNX model, whatever was found in it instead."""
    told = shortened(one_line(error), LONGEST_PROBLEM) or type(error).__name__
    return ModelError(f"{printable(path)}: no ONNX model, or a broken one: {told}")


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    start: int
    content: int
    end: int


@dataclass(frozen=True, slots=True)
class _Entry:
    start: int
    value_start: int
    end: int


def _fields(file: BinaryIO, size: int) -> Iterator[_Field]:
    """Step over the fields of a model.

    Raises
    ------
    ValueError
        It is none.
    """
    position, has_graph = 0, False
    for _ in range(MOST_FIELDS):
        if position >= size:
            break
        field = _field(file, position, size)
        if field.number not in _KNOWN:
            raise ValueError(f"a model has no field {field.number}")
        has_graph = has_graph or field.number == _GRAPH
        yield field
        position = field.end
    else:
        raise ValueError(f"it has more than {MOST_FIELDS} fields")
    if not has_graph:
        raise ValueError("there is no network in it")


def _field(file: BinaryIO, start: int, limit: int) -> _Field:
    file.seek(start)
    tag = _varint(file)
    number, kind = tag >> 3, tag & 7
    if kind == _VARINT:
        _varint(file)
        length = 0
    elif kind == _MESSAGE:
        length = _varint(file)
    elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
        length = 8 if kind == _EIGHT_BYTES else 4
    else:
        raise ValueError(f"field {number} is of no kind that there is")
    content = file.tell()
    if content + length > limit:
        raise ValueError("it is not all there")
    return _Field(number, start, content, content + length)


def _varint(file: BinaryIO) -> int:
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            raise ValueError("it is not all there")
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    raise ValueError("a number in it has no end")


def _metadata(file: BinaryIO, size: int) -> dict[str, _Entry]:
    """Where our own entries of the metadata stand; the last one of each."""
    found = {}
    for field in list(_fields(file, size)):
        if field.number == _METADATA and (key := _key(file, field)) in (CARD_KEY, SUM_KEY):
            value = _field(file, _field(file, field.content, field.end).end, field.end)
            if value.number != 2 or value.end != field.end:
                raise ValueError(f"its metadata '{key}' cannot be read")
            found[key] = _Entry(field.start, value.content, value.end)
    return found


def _key(file: BinaryIO, field: _Field) -> str:
    """Key of an entry of the metadata; empty where it is too long to be one of ours."""
    if field.content == field.end:
        return ""
    key = _field(file, field.content, field.end)
    if key.number != 1 or key.end - key.content > len(SUM_KEY):
        return ""
    file.seek(key.content)
    return file.read(key.end - key.content).decode("utf-8", "replace")


def _entry(key: str, value: str) -> bytes:
    both = b"".join(_message(number, text.encode()) for number, text in ((1, key), (2, value)))
    return _message(_METADATA, both)


def _message(number: int, content: bytes) -> bytes:
    return _written(number << 3 | _MESSAGE) + _written(len(content)) + content


def _written(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
