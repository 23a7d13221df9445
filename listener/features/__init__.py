"""From samples to what a model eats."""

from listener.features.logmel import LogMel, LogMelStream
from listener.features.presets import PRESETS
from listener.features.streams import WindowStream, window_stream
from listener.features.wav import to_int16, wav_bytes

__all__ = ["PRESETS", "LogMel", "LogMelStream", "WindowStream", "to_int16", "wav_bytes", "window_stream"]
