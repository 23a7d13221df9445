"""The training loop, on Lightning Fabric: one processor or accelerator, or many through ``torchrun``.

It may be killed at any moment and goes on from the last checkpoint to the same weights: windows and dropout
are drawn anew for each step from the seed and the step's number, and nothing else is left to chance. (To the
bit on one thread; sums over several threads, devices or hosts may round differently.)
"""

from listener.training.fit.batch import Batch, Draw
from listener.training.fit.checkpoint import forget
from listener.training.fit.hardware import start
from listener.training.fit.identity import identity
from listener.training.fit.loop import HeldOut, fit
from listener.training.fit.progress import Progress, Report

__all__ = ["Batch", "Draw", "HeldOut", "Progress", "Report", "fit", "forget", "identity", "start"]
