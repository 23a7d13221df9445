"""From a network to the files that are shipped, each checked against what it was made of."""

from listener.training.export.trained import export

__all__ = ["export"]
