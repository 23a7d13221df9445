"""A target with every kind of defect, to see that none goes unseen."""

import ctypes
import time
from random import Random

from tests.fuzz.target import Input, Target

WAYS = ("take", "refuse", "raise", "crash", "hang", "devour")


class Broken(Target):
    """Does what its input says."""

    memory_mib = 256
    patience_s = 1.0

    def make(self, random: Random) -> Input:
        """Say what to do."""
        return Input({"way": random.choice(WAYS).encode()})

    def feed(self, made: Input) -> bool:
        """Do it."""
        self.write(made)
        match made.files["way"]:
            case b"raise":
                raise ZeroDivisionError
            case b"crash":
                ctypes.string_at(0)
            case b"hang":
                time.sleep(3600)
            case b"devour":
                bytes(2**40)
        return made.files["way"] != b"refuse"
