"""TorchScript bundles and their cards, spoilt: see `tests.fuzz.models`."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import torch

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.testing import tiny_bundle
from listener.types import ModelCard
from tests.fuzz.models import CARD, Models, spoilt_value
from tests.fuzz.mutate import damaged, odd_int, put
from tests.fuzz.target import Input

NAME = "model.pt"


class Bundles(Models):
    """TorchScript bundles with their cards."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        torch.set_num_threads(1)
        path = folder / NAME
        tiny_bundle(path)
        self._whole = path.read_bytes()
        self._members = _members_of(self._whole)
        self._card_name = next(name for name in self._members if name.endswith("/extra/card.json"))
        self._card = json.loads(self._members[self._card_name])
        state = io.BytesIO()
        torch.save({"weight": torch.zeros(3)}, state)
        self._others = (
            state.getvalue(),
            _zip({"x/y.txt": b"words"}),
            b"",
            b"words",
            b"\x80\x04K\x01.",
            b"PK\x05\x06",
        )
        # The first run of a model is slow: it is not what is looked for here.
        TorchScriptClassifier(path, read_card(path))

    def load(self, path: Path, card: ModelCard) -> Classifier:
        """Load a model."""
        return TorchScriptClassifier(path, card)

    def make(self, random: Random) -> Input:
        """Spoil the card, the archive or what is in it."""
        choice = random.random()
        if choice < 0.45:
            content = json.dumps(self._spoilt_card(random)).encode()
            if random.random() < 0.1:
                content = damaged(random, content)
            return Input({NAME: _zip(self._members | {self._card_name: content})})
        if choice < 0.6:
            text = json.dumps(self._spoilt_card(random)).encode()
            text = damaged(random, text) if random.random() < 0.3 else text
            return Input({NAME: self._whole, CARD: random.choice((text, text, text, _card_bomb(random)))})
        if choice < 0.75:
            return Input({NAME: damaged(random, self._whole)})
        if choice < 0.88:
            return Input({NAME: random.choice(_ARCHIVE_DAMAGES)(random, self._whole)})
        if choice < 0.98:
            return Input({NAME: _zip(self._with_spoilt_member(random))})
        other = random.choice(self._others)
        return Input({NAME: damaged(random, other) if other and random.random() < 0.5 else other})

    def _spoilt_card(self, random: Random) -> Any:
        card = deepcopy(self._card)
        for _ in range(random.choice((1, 1, 2, 3))):
            table = random.choice((card, card, card["features"], card["reference"], card["thresholds"]))
            if not isinstance(table, dict):
                break
            key = random.choice([*table, *table, "x", "first", "\n", "", "preset", "x" * 500])
            table[key] = spoilt_value(random, table.get(key))
            if random.random() < 0.15:
                del table[key]
            if not all(isinstance(card.get(key), dict) for key in ("features", "reference", "thresholds")):
                break
        return random.choice((card,) * 30 + (None, [card], "x", 5, {"card": card}))

    def _with_spoilt_member(self, random: Random) -> Mapping[str, bytes]:
        """Other contents under right check sums: no broken disk does that, but a broken program does."""
        members = dict(self._members)
        for _ in range(random.choice((1, 1, 2))):
            name = random.choice(list(members))
            match random.randrange(6):
                case 0:
                    del members[name]
                case 1:
                    members[random.choice((name.upper(), name + "x", "/" + name, "../" + name))] = (
                        members.pop(name)
                    )
                case 2:
                    members[name] = members[random.choice(list(members))]
                case 3 if name.endswith(".py"):
                    members[name] = _spoilt_code(random, members[name])
                case _:
                    members[name] = damaged(random, members[name])
        return members


def _spoilt_code(random: Random, code: bytes) -> bytes:
    lines = code.split(b"\n")
    place = random.randrange(len(lines))
    number = str(odd_int(random, 64)).encode()
    match random.randrange(4):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[random.randrange(len(lines))])
        case 2:
            lines[place] = lines[place].replace(random.choice((b"1", b"2", b"0", b"3")), number)
        case _:
            words = (
                b"Tensor",
                b"int",
                b"float",
                b"self",
                b"torch.",
                b"List",
                b"NoneType",
                b"return",
                b"[",
                b"(",
            )
            lines[place] = lines[place].replace(
                random.choice(words), random.choice((*words, b"None", number))
            )
    return b"\n".join(lines)


def _card_bomb(random: Random) -> bytes:
    """A card as YAML that becomes more than a machine can hold, or than a stack can."""
    depth = random.choice((5, 30, 100, 400, 2_000))
    merge = random.choice(("[{0}]", "{{<<: [{0}]}}"))
    first = "{x: 1}" if "<<" in merge else "x"
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {merge.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, 12)]
    bomb = "\n".join(lines)
    return random.choice(
        (
            f"{bomb}\nname: *a11\n",
            f"{bomb}\nfeatures: {{preset: *a11}}\n",
            "labels: " + "[" * depth + "]" * depth,
            "features: " + "{preset: " * depth + "x" + "}" * depth,
            "sample_rate: 1" + ":59" * 50 * depth,
            "window_s: 1" + ":59" * depth + ".5",
            "labels: &a [*a]",
            "features: &a {preset: *a}",
            "name: !!int ''",
            "name: 2026-99-99",
            "? {a: b}\n: c",
        )
    ).encode()


def _members_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _zip(members: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return archive.getvalue()


_CENTRAL, _LOCAL, _END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
_CENTRAL_FIELDS = (
    (4, 2),
    (6, 2),
    (8, 2),
    (10, 2),
    (12, 4),
    (16, 4),
    (20, 4),
    (24, 4),
    (28, 2),
    (30, 2),
    (32, 2),
    (42, 4),
)
_LOCAL_FIELDS = ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))
_END_FIELDS = ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2))


def _spoilt_record(random: Random, archive: bytes) -> bytes:
    """A field of one of the archive's records says something else."""
    signature, fields = random.choice(
        (
            (_CENTRAL, _CENTRAL_FIELDS),
            (_CENTRAL, _CENTRAL_FIELDS),
            (_LOCAL, _LOCAL_FIELDS),
            (_END, _END_FIELDS),
        )
    )
    places = [place for place in range(len(archive)) if archive.startswith(signature, place)]
    if not places:
        return archive
    place = random.choice((places[0], random.choice(places)))
    offset, n_bytes = random.choice(fields)
    near = int.from_bytes(archive[place + offset : place + offset + n_bytes], "little")
    value = random.choice((odd_int(random, 8 * n_bytes, near), 8, 9, 12, 14, 93, 1, 0x800, near))
    return put(archive, place + offset, value, n_bytes)


def _without_the_end(random: Random, archive: bytes) -> bytes:
    return archive[: archive.rfind(random.choice((_END, _CENTRAL)))]


def _in_front(random: Random, archive: bytes) -> bytes:
    return random.choice((b"#!/bin/sh\n", bytes(100), archive)) + archive


_ARCHIVE_DAMAGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    *([_spoilt_record] * 6),
    lambda random, archive: _spoilt_record(random, _spoilt_record(random, archive)),
    _without_the_end,
    _in_front,
)
