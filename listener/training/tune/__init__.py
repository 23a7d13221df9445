"""When scores make an event, chosen by evidence: from clips in training, from streams afterwards."""

from listener.training.tune.clips import calibrate
from listener.training.tune.streams import Tuned, tune

__all__ = ["Tuned", "calibrate", "tune"]
