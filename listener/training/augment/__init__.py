"""Windows to train on: drawn on the processor, made on the device.

`SceneMaker` lays sounds over each other and sends them through rooms, microphones and
coders; `Masks` covers some of their spectrograms. Both are functions of the seed, the
step and the number of the window alone, whoever draws it and when: a training that was
interrupted goes on with the very windows that it would have met.
"""

from listener.training.augment.colour import Sizes
from listener.training.augment.masks import Masks
from listener.training.augment.scene import SceneMaker, Scenes

__all__ = ["Masks", "SceneMaker", "Scenes", "Sizes"]
