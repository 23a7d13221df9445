"""From samples to what a model eats."""

from listener.features.logmel import LogMel, LogMelStream
from listener.features.normalise import MinMax
from listener.features.presets import PRESETS
from listener.features.streams import WindowStream, window_stream
from listener.features.wav import wav_bytes

__all__ = ["PRESETS", "LogMel", "LogMelStream", "MinMax", "WindowStream", "wav_bytes", "window_stream"]
