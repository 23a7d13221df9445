"""Recordings of every kind, made where they are needed."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

RATE = 16_000
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

Sound = NDArray[np.float32]
"""Shape (n_channels, n_samples)."""


def tones(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> Sound:
    """Other tones in each channel, in a little noise; quiet enough for a lossy encoder not to clip it."""
    time_s = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(11).standard_normal((channels, len(time_s)))
    played = [np.sin(2 * np.pi * 220 * (channel + 1) * time_s) for channel in range(channels)]
    return (0.2 * np.stack(played) + 0.003 * noise).astype(np.float32)


def write(path: Path, sound: Sound, rate: int = RATE, subtype: str | None = None) -> Path:
    """Write a file as libsndfile does."""
    soundfile.write(path, sound.T, rate, subtype=subtype)
    return path


def encode(path: Path, codec: str, sounds: Sequence[Sound], rate: int, bit_rate: int = 96_000) -> Path:
    """Write a file as FFmpeg does, with one audio track for each sound."""
    with av.open(str(path), "w") as container:
        tracks = []
        for sound in sounds:
            stream = container.add_stream(codec, rate=rate)
            assert isinstance(stream, AudioStream)
            stream.layout = LAYOUTS[len(sound)]
            stream.bit_rate = bit_rate
            tracks.append(stream)
        for stream, sound in zip(tracks, sounds, strict=True):
            _encode_track(container, stream, sound, rate)
    return path


def film_without_sound(path: Path) -> Path:
    """Write ten grey pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 127, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def _encode_track(container: OutputContainer, stream: AudioStream, sound: Sound, rate: int) -> None:
    resampler = av.AudioResampler(stream.codec_context.format, stream.layout, rate)
    for begin in range(0, sound.shape[1], 1024):
        block = sound[:, begin : begin + 1024].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=LAYOUTS[len(sound)])
        frame.rate, frame.pts = rate, begin
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
    for ready in resampler.resample(None):
        container.mux(stream.encode(ready))
    container.mux(stream.encode(None))
