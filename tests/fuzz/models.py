"""Models and their cards: a model is what its card says, or it is refused in words; the process survives."""

import json
from abc import abstractmethod
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np

from listener.classifiers.base import Classifier
from listener.classifiers.bundle import card_json, read_card
from listener.errors import ModelError
from listener.features import LogMel
from listener.testing import TINY_FEATURES
from listener.types import Features, ModelCard
from tests.fuzz.target import Input, Target, assert_told_well

CARD = "card.yaml"
SILENCE = np.zeros(TINY_FEATURES.window_samples, np.float32)

ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        1e-9,
        1e9,
        1e300,
        -1e300,
        10**400,
        float("nan"),
        float("inf"),
        5e-324,
    ),
    *(
        16_000,
        16_000.0,
        "16000",
        "",
        " ",
        "x",
        "x" * 5_000,
        "\0",
        "a\nb",
        "\ud800",
        "\x1b[31m",
        "\u2028",
        "@x",
        "../x",
    ),
    *(
        [],
        [[]],
        {},
        {"": {}},
        {"preset": "tutorial"},
        "tutorial",
        "chirp",
        "log_mel",
        "waveform",
        "wav_bytes",
        "none",
    ),
    *(
        ["a"] * 3,
        ["a", "b", "c"],
        [1, 2, 3],
        [0.5] * 3,
        [0.5] * 3_000,
        ["first", "second"],
        {"first": {"on": 1, "off": 1}},
    ),
    *(
        {"first": None},
        {"x": {"y": {"z": 1}}},
        [None],
        {"on": float("nan"), "off": 0.5},
        [[0.5]] * 3,
        2**31,
        2**63,
        2**64,
    ),
)


class Models(Target):
    """Model files of one form, with their cards."""

    memory_mib = 1024
    name: ClassVar[str]
    """Of the model file."""

    @abstractmethod
    def load(self, path: Path, card: ModelCard) -> Classifier:
        """Load a model."""

    def feed(self, made: Input) -> bool:
        """Read the card, load the model, and use it."""
        self.write(made)
        try:
            card = read_card(self.folder / self.name, self.folder / CARD if CARD in made.files else None)
            json.dumps(json.loads(card_json(card)), ensure_ascii=False).encode()
            classifier = self.load(self.folder / self.name, card)
            if card.features != TINY_FEATURES or card.input != "log_mel":
                return True
            window = Features("fuzz", LogMel(TINY_FEATURES)(SILENCE), 0, len(SILENCE), 16_000)
            scores = classifier.predict([window])
        except ModelError as error:
            assert_told_well(error)
            return False
        assert scores.shape == (1, len(card.labels))
        assert ((scores >= 0) & (scores <= 1)).all()
        return True


def spoilt_value(random: Random, value: Any) -> Any:
    """Put something else in the place of a value of a card."""
    choice = random.random()
    if choice < 0.5:
        return random.choice(ODD_VALUES)
    if isinstance(value, int | float) and abs(value) < 2**64:  # or it fits no float
        return value * random.choice((-1, 0, 0.5, 2, 10, 1e3, 1e6, 1e300)) + random.choice((0, 1, -1))
    if isinstance(value, list) and value:
        place = random.randrange(len(value))
        return random.choice(
            (value[:-1], value * 2, [*value[:place], random.choice(ODD_VALUES), *value[place + 1 :]])
        )
    return [value] if choice < 0.75 else {"a": value}
