"""Sounds that the program makes itself: the smoke alarm it is trained on, and the demo scene.

Every sound is a function of a `numpy.random.Generator` first of all, and of nothing
else that varies: the same generator state gives the same samples. Its peak is 1; who
uses it sets the level. Only the smoke alarm and the non-alarms of `tones` are ever
used in training; the rest is for the demo scene, and a model has to know it from
real recordings.
"""

from listener.synthesis.alarm import PIEZO_HZ, SQUARE_HZ, smoke_alarm
from listener.synthesis.machines import helicopter
from listener.synthesis.parts import coloured_noise
from listener.synthesis.rooms import room
from listener.synthesis.signals import car_horn, siren
from listener.synthesis.struck import church_bells, clock_tick, glass_breaking
from listener.synthesis.tones import beep, hum
from listener.synthesis.voices import chirping_birds, crying_baby, dog, rooster
from listener.synthesis.weather import rain, sea_waves, wind

__all__ = [
    "PIEZO_HZ",
    "SQUARE_HZ",
    "beep",
    "car_horn",
    "chirping_birds",
    "church_bells",
    "clock_tick",
    "coloured_noise",
    "crying_baby",
    "dog",
    "glass_breaking",
    "helicopter",
    "hum",
    "rain",
    "room",
    "rooster",
    "sea_waves",
    "siren",
    "smoke_alarm",
    "wind",
]
