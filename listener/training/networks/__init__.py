"""The networks that a recipe may name, and a user's own; what each costs.

Every network reads log-mel spectrograms (n, n_mels, n_frames) and gives logits (n, n_labels). What it says
to a window does not depend on what else is in the batch, to the bit: see docs/architecture.md.
"""

from listener.training.networks.build import NETWORKS, build_network, check_network
from listener.training.networks.description import Description, describe

__all__ = ["NETWORKS", "Description", "build_network", "check_network", "describe"]
