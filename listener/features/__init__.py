"""From samples to what a model eats."""

from listener.features.logmel import LogMel, LogMelStream
from listener.features.presets import PRESETS
from listener.features.wav import wav_bytes

__all__ = ["PRESETS", "LogMel", "LogMelStream", "wav_bytes"]
