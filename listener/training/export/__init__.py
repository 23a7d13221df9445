"""From a network to the files that are shipped, each checked against what it was made of."""

from listener.training.export.attribution import attribution_of, copy_attribution, write_attribution
from listener.training.export.trained import export

__all__ = ["attribution_of", "copy_attribution", "export", "write_attribution"]
