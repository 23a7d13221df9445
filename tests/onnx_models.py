"""Small ONNX files: bundles, plain ones, and ones that were damaged."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from listener.classifiers import onnx_file
from listener.classifiers.bundle import card_json
from listener.testing import TINY_FEATURES, tiny_bundle
from listener.training.export.forms import onnx_model
from listener.types import ModelCard

LOG_MEL = torch.zeros(2, TINY_FEATURES.n_mels, TINY_FEATURES.n_frames)


def as_onnx(module: nn.Module, example: Tensor = LOG_MEL) -> bytes:
    """Write a module as ONNX, without a card."""
    return onnx_model(torch.jit.script(module.eval()), example, Path("module"))


def tiny_onnx(path: Path, seed: int = 0) -> ModelCard:
    """Write the ONNX form of `tiny_bundle`."""
    torchscript = path.with_suffix(".pt")
    card = tiny_bundle(torchscript, seed=seed)
    module = torch.jit.load(torchscript)  # type: ignore[no-untyped-call]
    onnx_file.write_onnx_bundle(path, onnx_model(module, LOG_MEL, torchscript), card_json(card))
    torchscript.unlink()
    return card


def resealed(content: bytes) -> bytes:
    """Give a damaged bundle the check sum of what it is now: as no disk does, but a bad program."""
    n_sum = len(onnx_file._entry(onnx_file.SUM_KEY, 64 * "0"))
    body = content[:-n_sum]
    return body + onnx_file._entry(onnx_file.SUM_KEY, hashlib.sha256(body).hexdigest())


def damages(content: bytes, n: int, seed: int = 0) -> Iterator[bytes]:
    """Spoil a file in all the ways that a disk, a cable or a program does."""
    for number in range(n):
        random = Random(f"{seed} {number}")
        spoilt = bytearray(content)
        for _ in range(random.choice((1, 1, 2, 5, 20))):
            place = random.randrange(max(1, len(spoilt)))
            spoilt = spoilt or bytearray(b"\0")
            match random.randrange(5):
                case 0:
                    spoilt[place] ^= 1 << random.randrange(8)
                case 1:
                    spoilt[place : place + 8] = random.randbytes(8)
                case 2:
                    del spoilt[place : place + random.randrange(1, 20)]
                case 3:
                    spoilt[place:place] = random.randbytes(random.randrange(1, 8))
                case _:
                    spoilt = spoilt[: max(1, place)] if random.random() < 0.2 else spoilt
        if bytes(spoilt) != content:
            yield bytes(spoilt)
