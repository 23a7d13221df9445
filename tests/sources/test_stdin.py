"""Raw PCM through a pipe."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from listener.errors import SourceError
from listener.sources.base import EndOfSource
from listener.sources.stdin import StdinOptions, StdinSource
from listener.types import AudioChunk


class Pipe:
    """Both ends of a pipe; the writing end is closed with `end`."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self._writer: IO[bytes] = os.fdopen(writing, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        self._writer.close()

    def close(self) -> None:
        self.end()
        os.close(self.reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def opened(pipe: Pipe, **options: object) -> StdinSource:
    source = StdinSource("stdin", StdinOptions.model_validate(options), pipe.reading)
    assert source.open() == options.get("rate", 16_000)
    return source


def rest_of(source: StdinSource) -> list[AudioChunk]:
    chunks: list[AudioChunk] = []
    try:
        while True:
            chunk = source.read(10.0)
            assert chunk is not None
            chunks.append(chunk)
    except EndOfSource:
        return chunks


def joined(chunks: list[AudioChunk]) -> NDArray[np.float32]:
    return np.concatenate([chunk.samples for chunk in chunks])


VALUES = np.array([0.0, 0.5, -0.5, -1.0, 0.25])


@pytest.mark.parametrize(
    ("sample_format", "data"),
    [
        ("u8", (VALUES * 128 + 128).astype("u1").tobytes()),
        ("s16le", (VALUES * 32_768).astype("<i2").tobytes()),
        ("s32le", (VALUES * 2.0**31).astype("<i4").tobytes()),
        ("f32le", VALUES.astype("<f4").tobytes()),
    ],
)
def test_every_format_means_the_same(sample_format: str, data: bytes, pipe: Pipe) -> None:
    source = opened(pipe, sample_format=sample_format, rate=8_000)
    pipe.write(data)
    pipe.end()
    chunks = rest_of(source)
    assert joined(chunks).tolist() == VALUES.tolist()
    assert joined(chunks).dtype == np.float32
    assert chunks[0].sample_rate == 8_000


def test_channels_are_mixed_or_picked(pipe: Pipe) -> None:
    frames = np.tile(np.array([16_384, -8_192], "<i2"), 10)
    source = opened(pipe, channels=2)
    pipe.write(frames.tobytes())
    mix = source.read(1.0)
    assert mix is not None
    assert mix.samples.tolist() == [0.125] * 10
    source = opened(pipe, channels=2, channel=2)
    pipe.write(frames.tobytes())
    second = source.read(1.0)
    assert second is not None
    assert second.samples.tolist() == [-0.25] * 10


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValidationError, match="channel 3 is not there: channels is 2"):
        StdinOptions(channels=2, channel=3)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 999), max_size=20), st.integers(1, 3))
def test_frames_survive_any_cutting(cuts: list[int], channels: int) -> None:
    frames = np.random.default_rng(5).integers(-32_768, 32_768, (2_000, channels)).astype("<i2")
    data = frames.tobytes()
    pipe = Pipe()
    try:
        source = opened(pipe, channels=channels, channel=channels)
        chunks = []
        for cut in cuts:
            pipe.write(data[:cut])
            data = data[cut:]
            if (chunk := source.read(0.0)) is not None:
                chunks.append(chunk)
        pipe.write(data)
        pipe.end()
        chunks += rest_of(source)
    finally:
        pipe.close()
    assert np.array_equal(joined(chunks), frames[:, -1] / np.float32(32_768))
    assert [chunk.first_sample for chunk in chunks[1:]] == [chunk.end_sample for chunk in chunks[:-1]]


def test_reading_does_not_wait_longer_than_told(pipe: Pipe) -> None:
    source = opened(pipe)
    pipe.write(b"x")  # half a sample
    started = time.monotonic()
    assert source.read(0.2) is None
    assert 0.2 <= time.monotonic() - started < 5
    pipe.write(b"\x00")
    assert source.read(5.0) is not None


def test_a_rest_that_is_no_frame_is_left_out_and_said(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    source = opened(pipe, channels=2)
    pipe.write(bytes(4 * 100 + 3))
    pipe.end()
    assert len(joined(rest_of(source))) == 100
    assert "3 bytes at the end" in caplog.text


def test_samples_that_are_no_numbers_become_silence(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    source = opened(pipe, sample_format="f32le")
    pipe.write(np.array([0.5, np.nan, np.inf, 7.0], "<f4").tobytes())
    pipe.end()
    assert joined(rest_of(source)).tolist() == [0.5, 0, 0, 1]
    assert "no numbers" in caplog.text


def test_nothing_at_all_is_an_error(pipe: Pipe) -> None:
    source = opened(pipe)
    pipe.end()
    with pytest.raises(SourceError, match="standard input ended without a sample"):
        source.read(1.0)


def test_a_closed_input_is_refused(pipe: Pipe) -> None:
    descriptor = os.dup(pipe.reading)
    os.close(descriptor)
    with pytest.raises(SourceError, match="standard input cannot be read"):
        StdinSource("stdin", StdinOptions(), descriptor).open()


def test_a_terminal_is_refused() -> None:
    leader, terminal = os.openpty()
    try:
        with pytest.raises(SourceError, match="standard input is a terminal"):
            StdinSource("stdin", StdinOptions(), terminal).open()
    finally:
        os.close(leader)
        os.close(terminal)


@pytest.mark.parametrize(
    ("flags", "what"), [(os.O_RDONLY, "Is a directory"), (os.O_WRONLY, "Bad file descriptor")]
)
def test_what_cannot_be_read_is_said(flags: int, what: str, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path if flags == os.O_RDONLY else os.devnull, flags)
    try:
        source = StdinSource("stdin", StdinOptions(), descriptor)
        source.open()
        with pytest.raises(SourceError, match=f"standard input cannot be read: {what}"):
            source.read(1.0)
    finally:
        os.close(descriptor)


def test_another_reader_may_be_quicker(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `poll` has seen may be gone when it is read, where the pipe does not block."""
    source = opened(pipe)
    os.set_blocking(pipe.reading, False)
    seen = iter([True, True, False])
    monkeypatch.setattr(source, "_readable", lambda timeout_s: next(seen))
    assert source.read(1.0) is None
