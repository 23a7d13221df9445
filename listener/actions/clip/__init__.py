"""``use: clip``: write the sound around an event, and see that clips never fill the disk.

========== ==========================================================================
options    the settings
action     what is done for an event, in which order
sound      the file of the sound: FLAC, WAV, Opus
picture    the spectrogram
naming     which name a clip gets
files      how several files become visible, whole or not at all
index      which files are clips of this action: nothing else is ever deleted
retention  which clips go, and when
========== ==========================================================================
"""

from listener.actions.clip.action import ClipAction
from listener.actions.clip.options import ClipOptions

__all__ = ["ClipAction", "ClipOptions"]
