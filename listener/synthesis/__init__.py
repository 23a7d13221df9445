"""Sounds that the program makes itself: the smoke alarm it is trained on, and the demo scene.

Every sound is a function of a `numpy.random.Generator` first of all, and of nothing
else that varies: the same generator state gives the same samples. Its peak is 1; who
uses it sets the level. Only the smoke alarm and the non-alarms of `tones` are ever
used in training; the rest is for the demo scene, and a model has to know it from
real recordings.
"""

from listener.synthesis.alarm import PIEZO_HZ, SQUARE_HZ, smoke_alarm
from listener.synthesis.horn import car_horn
from listener.synthesis.parts import coloured_noise
from listener.synthesis.rooms import room
from listener.synthesis.struck import church_bells, clock_tick, glass_breaking
from listener.synthesis.tones import beep, hum
from listener.synthesis.voices import crying_baby

__all__ = [
    "PIEZO_HZ",
    "SQUARE_HZ",
    "beep",
    "car_horn",
    "church_bells",
    "clock_tick",
    "coloured_noise",
    "crying_baby",
    "glass_breaking",
    "hum",
    "room",
    "smoke_alarm",
]
