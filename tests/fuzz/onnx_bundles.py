"""ONNX bundles and their cards, spoilt: see `tests.fuzz.models`."""

import json
from pathlib import Path
from random import Random

from listener.classifiers import onnx_file
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.onnx import OnnxClassifier
from listener.types import ModelCard
from tests.fuzz.models import CARD, Models, spoilt_value
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Input
from tests.onnx_models import resealed, tiny_onnx

NAME = "model.onnx"


class OnnxBundles(Models):
    """ONNX bundles with their cards."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        tiny_onnx(folder / NAME)
        self._whole = (folder / NAME).read_bytes()
        self._plain = onnx_file.bare(self._whole)
        self._card = json.loads(onnx_file.card_text(folder / NAME, 2**22) or b"")
        # The first run of a model is slow: it is not what is looked for here.
        OnnxClassifier(folder / NAME, read_card(folder / NAME))

    def load(self, path: Path, card: ModelCard) -> Classifier:
        """Load a model."""
        return OnnxClassifier(path, card)

    def make(self, random: Random) -> Input:
        """Spoil the file, the network under a right check sum, the card, or a foreign file."""
        choice = random.random()
        if choice < 0.2:
            return Input({NAME: damaged(random, self._whole)})
        if choice < 0.5:
            return Input({NAME: resealed(damaged(random, self._whole))})
        if choice < 0.7:
            files = {NAME: damaged(random, self._plain), CARD: json.dumps(self._card).encode()}
            return Input(files)
        if choice < 0.92:
            card = dict(self._card)
            for _ in range(random.choice((1, 1, 2))):
                key = random.choice(list(card))
                card[key] = spoilt_value(random, card[key])
            content = json.dumps(card).encode()
            body = self._plain + _entry(onnx_file.CARD_KEY, content)
            return Input({NAME: resealed(body + _entry(onnx_file.SUM_KEY, 64 * b"0"))})
        return Input({NAME: random.choice((self._whole, self._whole, b"", b"words", self._plain))})


def _entry(key: str, value: bytes) -> bytes:
    return onnx_file._entry(key, value.decode())
