"""Any recording, from a file or from memory, to float32 samples.

`probe` says what a recording is without decoding it, `decode` gives its samples, and
`open_reader` reads block by block what is too long to be held whole. libsndfile reads
what it can; FFmpeg's libraries, in this very process, read everything else (``pip install
'listener[media]'``).
"""

from listener.audio.decoding import decode, probe
from listener.audio.info import AudioInfo, DecodedAudio
from listener.audio.opening import RECORDING_SUFFIXES, open_reader
from listener.audio.origin import AudioSource
from listener.audio.reader import Reader

__all__ = [
    "RECORDING_SUFFIXES",
    "AudioInfo",
    "AudioSource",
    "DecodedAudio",
    "Reader",
    "decode",
    "open_reader",
    "probe",
]
