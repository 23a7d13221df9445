"""Recordings as a source."""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from listener.audio.libsndfile import SMALL_BLOCK
from listener.audio.reader import MOST_VALUES
from listener.errors import AudioFileError
from listener.sources.audiofile import AudioFile
from listener.sources.base import EndOfSource
from listener.sources.file import FileOptions, FileSource
from listener.types import AudioChunk
from tests.fuzz.headers import with_ogg_sum
from tests.fuzz.mutate import put

RATE = 16_000

Write = Callable[..., Path]


def sound(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> NDArray[np.int16]:
    """A few tones in noise, other ones in each channel; quiet enough for a lossy encoder not to clip it."""
    time_s = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(11).standard_normal((len(time_s), channels))
    tones = [
        sum(np.sin(2 * np.pi * (channel + 1) * f * time_s) for f in (220, 550)) for channel in range(channels)
    ]
    played: NDArray[np.int16] = (4_000 * np.stack(tones, axis=1) + 100 * noise).astype(np.int16)
    return played


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, samples: NDArray[Any], rate: int = RATE, **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, **options)
        return path

    return write


def chunks_of(path: Path, collected: list[AudioChunk] | None = None) -> list[AudioChunk]:
    """All chunks, as fast as they come; ``collected`` keeps those before an error."""
    chunks = [] if collected is None else collected
    source = FileSource("file", FileOptions(path=path, speed="max"))
    try:
        source.open()
        while True:
            chunk = source.read(1.0)
            assert chunk is not None
            chunks.append(chunk)
    except EndOfSource:
        return chunks
    finally:
        source.close()


def samples_of(path: Path) -> NDArray[np.float32]:
    return np.concatenate([chunk.samples for chunk in chunks_of(path)])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_samples_are_exact(name: str, channels: int, write: Write) -> None:
    played = sound(2.35, channels=channels)
    chunks = chunks_of(write(name, played))
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.array_equal(heard, played.astype(np.float32).mean(axis=1) / 32_768)
    assert [chunk.first_sample for chunk in chunks[1:]] == [chunk.end_sample for chunk in chunks[:-1]]
    assert {len(chunk.samples) for chunk in chunks[:-1]} == {RATE // 10}
    assert not any(chunk.overflowed for chunk in chunks)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "DOUBLE"}),
        ("a.flac", {"subtype": "PCM_24"}),
    ],
)
def test_finer_than_16_bits_is_not_cut_short(name: str, options: dict[str, str], write: Write) -> None:
    played = sound()[:, 0] / 32_768 + 1e-6
    heard = samples_of(write(name, played, **options))
    assert np.abs(heard - played).max() < 2e-7


def test_floats_beyond_full_scale_and_no_numbers(write: Write) -> None:
    played = np.array([0.5, np.nan, np.inf, 3.0, -3.0] * 100, np.float32)
    heard = samples_of(write("a.wav", played, subtype="FLOAT"))
    assert heard[:5].tolist() == [0.5, 0, 0, 1, -1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.ogg", {"subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.mp3", {"subtype": "MPEG_LAYER_III"}),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_files_sound_the_same(name: str, options: dict[str, str], channels: int, write: Write) -> None:
    played = sound(3.0, 48_000, channels)
    # As floats: libsndfile garbles 16-bit stereo when it writes MP3.
    heard = samples_of(write(name, played / 32_768, 48_000, **options))
    wanted = played.astype(np.float32).mean(axis=1) / 32_768
    n_samples = min(len(heard), len(wanted))
    assert n_samples > 2.7 * 48_000
    assert np.corrcoef(heard[:n_samples], wanted[:n_samples])[0, 1] > 0.99
    level = np.std(heard[:n_samples]) / np.std(wanted[:n_samples])
    assert level == pytest.approx(1, abs=0.03)  # the mean of the channels, not their sum


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.aiff", {}),
    ],
)
@pytest.mark.parametrize("part", [0.9, 0.5])
def test_a_truncated_file_gives_what_is_there_and_then_an_error(
    name: str, options: dict[str, str], part: float, write: Write
) -> None:
    path = write(name, sound(10.0), **options)
    whole = samples_of(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    heard: list[AudioChunk] = []
    with pytest.raises(AudioFileError, match=f"{path} is truncated"):
        chunks_of(path, heard)
    samples = np.concatenate([chunk.samples for chunk in heard])
    assert 0.6 * part * len(whole) < len(samples) < len(whole)
    assert np.allclose(samples, whole[: len(samples)], atol=0.02)


def test_the_error_says_how_much_is_there(write: Write) -> None:
    path = write("a.wav", sound(10.0))
    path.write_bytes(path.read_bytes()[: 44 + 4 * RATE])
    with pytest.raises(AudioFileError, match=r"2\.0 of 10\.0 s can be read"):
        chunks_of(path)


def test_a_damaged_middle_is_not_passed_over(write: Write) -> None:
    path = write("a.flac", sound(10.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match="truncated or damaged"):
        chunks_of(path)


def test_a_wav_file_from_a_pipe_is_whole(write: Write) -> None:
    path = write("a.wav", sound(1.0))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # its writer could not go back to say how long it became
    path.write_bytes(data)
    assert len(samples_of(path)) == RATE


def test_a_missing_pad_byte_is_no_truncation(write: Write) -> None:
    path = write("a.wav", sound(1.0)[:, 0])
    data = bytearray(path.read_bytes())
    data[40:44] = (2 * RATE + 1).to_bytes(4, "little")
    path.write_bytes(data)
    assert len(samples_of(path)) == RATE


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"no sound in here, only words " * 100, "is not an audio file"),
        ("text.mp3", b"no sound in here, only words " * 100, "is not an audio file"),
        ("bytes.raw", bytes(1000), "is not an audio file"),
        ("notes.txt", b"words", "is not an audio file"),
    ],
)
def test_what_is_no_audio_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=f"^{path} {message}[^\n]*$"):
        FileSource("file", FileOptions(path=path)).open()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"missing\.wav cannot be read: No such file or directory"):
        FileSource("file", FileOptions(path=tmp_path / "missing.wav")).open()


def test_a_file_without_samples_is_refused(write: Write) -> None:
    with pytest.raises(AudioFileError, match="holds no sound"):
        FileSource("file", FileOptions(path=write("a.wav", np.zeros(0, np.int16)))).open()


def test_the_decoder_prints_nothing(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    path = write("a.mp3", sound(10.0))
    path.write_bytes(path.read_bytes()[:20_000] + b"\x00" * 5_000)
    with pytest.raises(AudioFileError):
        chunks_of(path)
    assert capfd.readouterr() == ("", "")


def test_a_name_need_not_be_utf8(write: Write, tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.wav"))
    write("a.wav", sound(1.0)).rename(path)
    assert len(samples_of(path)) == len(samples_of(tmp_path)) == RATE
    path.write_bytes(b"words")
    with pytest.raises(AudioFileError, match=r"caf\?\.wav is not an audio file"):
        samples_of(path)


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 300 + ".wav", "x/" * 3_000, "a.wav/b.wav", "loop.wav"])
def test_names_that_no_file_can_have(name: str, write: Write, tmp_path: Path) -> None:
    write("a.wav", sound(0.1))
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    with pytest.raises(AudioFileError, match="cannot be read: ") as caught:
        FileSource("file", FileOptions(path=tmp_path / name)).open()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_200


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", Path("/dev/zero")):
        with pytest.raises(AudioFileError, match="is no file; sound from a pipe is read as raw PCM"):
            FileSource("file", FileOptions(path=path)).open()
    with pytest.raises(AudioFileError, match="holds no recordings"):
        FileSource("file", FileOptions(path=tmp_path)).open()


def test_a_folder_that_the_disk_does_not_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, pattern: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "rglob", broken)
    with pytest.raises(AudioFileError, match=f"{tmp_path} cannot be read: Input/output error"):
        FileSource("file", FileOptions(path=tmp_path)).open()


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_a_rate_that_no_sound_has(rate: int, write: Write) -> None:
    """A second of one sample would become 16,000: a small file would fill the memory."""
    path = write("a.wav", sound(0.1))
    data = path.read_bytes()
    path.write_bytes(data[:24] + rate.to_bytes(4, "little") + data[28:])
    with pytest.raises(AudioFileError, match=f"is no sound, or damaged: its rate is {rate} Hz"):
        samples_of(path)


def test_many_channels_are_decoded_in_small_blocks(write: Write) -> None:
    with AudioFile(write("a.wav", sound(1.0, channels=512))) as file:
        lengths = []
        while n_samples := len(file.read(5 * RATE)):
            lengths.append(n_samples)
    assert sum(lengths) == RATE
    assert max(lengths) * 512 <= MOST_VALUES


def test_behind_damage_no_more_is_read_than_was_asked_for(write: Write) -> None:
    path = write("a.flac", sound(10.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    longest = 0
    with AudioFile(path) as file, suppress(AudioFileError):
        while n_samples := len(file.read(1_000)):
            longest = max(longest, n_samples)
    assert 1_000 <= longest < 1_000 + SMALL_BLOCK


def test_a_stream_that_goes_on_past_its_end(write: Write) -> None:
    """With a page out of order, the decoder gives more than the file says that there is."""
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, (1_500, 6))
    path = write("a.opus", noise, format="OGG", subtype="OPUS")
    data = path.read_bytes()
    first = data[: data.index(b"OggS", 4)]
    path.write_bytes(with_ogg_sum(put(first, 18, 2, 4)) + data[len(first) :])
    with AudioFile(path) as file:
        while len(file.read(1_024)):
            pass


def test_it_is_paced(write: Write) -> None:
    source = FileSource("file", FileOptions(path=write("a.wav", sound(1.0)), speed=2.0))
    source.open()
    started = time.monotonic()
    n_samples = 0
    with pytest.raises(EndOfSource):  # noqa: PT012 - at the end, whenever that is
        while True:
            if (chunk := source.read(0.01)) is not None:
                n_samples += len(chunk.samples)
                assert time.monotonic() - started >= n_samples / RATE / 2
    source.close()
    assert n_samples == RATE


def test_it_can_be_opened_again(write: Write) -> None:
    source = FileSource("file", FileOptions(path=write("a.wav", sound(1.0)), speed="max"))
    for _ in range(2):
        source.open()
        first = source.read(1.0)
        assert first is not None
        assert first.first_sample == 0
    source.close()
    source.close()


def test_a_folder_is_one_stream_in_order(write: Write, tmp_path: Path) -> None:
    first, second = sound(0.55), sound(0.72)[::-1]
    write("b/second.FLAC", second, format="FLAC")
    write("a/first.wav", first)
    write(".hidden/third.wav", first)
    (tmp_path / "notes.txt").write_text("no recording")
    chunks = chunks_of(tmp_path)
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.array_equal(heard, np.concatenate([first, second])[:, 0] / np.float32(32_768))
    assert [chunk.first_sample for chunk in chunks if chunk.overflowed] == [len(first)]
    assert [chunk.first_sample for chunk in chunks[1:]] == [chunk.end_sample for chunk in chunks[:-1]]


def test_recordings_of_another_rate_are_brought_to_the_first(write: Write, tmp_path: Path) -> None:
    first, second = sound(0.5), sound(2.0, 44_100)
    write("a.wav", first)
    write("b.wav", second, 44_100)
    chunks = chunks_of(tmp_path)
    heard = np.concatenate([chunk.samples for chunk in chunks])
    wanted = soxr.resample(second[:, 0] / np.float32(32_768), 44_100, RATE, "HQ")
    assert {chunk.sample_rate for chunk in chunks} == {RATE}
    assert np.array_equal(heard[len(first) :], wanted)


def test_a_broken_recording_does_not_hide_the_others(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    write("b.wav", sound(0.5))
    (tmp_path / "c.wav").write_bytes(b"words")
    write("d.wav", sound(0.5))
    heard: list[AudioChunk] = []
    with pytest.raises(AudioFileError, match=r"a\.wav is empty \(and 1 more\)"):
        chunks_of(tmp_path, heard)
    assert sum(len(chunk.samples) for chunk in heard) == RATE


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="holds no recordings"):
        FileSource("file", FileOptions(path=tmp_path)).open()
