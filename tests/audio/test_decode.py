"""Recordings to samples: what libsndfile reads."""

import io
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
import torch.utils.dlpack
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.audio import decode, open_reader, probe
from listener.errors import AudioFileError
from tests.audio.recordings import RATE, Sound, tones, write

FORMS = [
    ("wav", "PCM_16", 2**-15),
    ("wav", "PCM_U8", 2**-7),
    ("wav", "PCM_24", 2**-23),
    ("wav", "PCM_32", 2**-22),  # float32 has 24 bits
    ("wav", "FLOAT", 0.0),
    ("wav", "DOUBLE", 2**-24),
    ("flac", "PCM_16", 2**-15),
    ("flac", "PCM_24", 2**-23),
    ("flac", "PCM_S8", 2**-7),
    ("aiff", "PCM_16", 2**-15),
]
"""Lossless forms and the step between their values."""


@pytest.mark.parametrize(("suffix", "subtype", "step"), FORMS)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_samples_are_exact(
    suffix: str, subtype: str, step: float, channels: int, tmp_path: Path
) -> None:
    played = tones(channels=channels)
    decoded = decode(write(tmp_path / f"a.{suffix}", played, subtype=subtype), mono=False)
    assert decoded.samples.dtype == np.float32
    assert decoded.samples.shape == played.shape
    assert np.abs(decoded.samples - played).max() <= step
    assert decoded.sample_rate == RATE
    assert decoded.duration_s == 1.0


@pytest.mark.parametrize("channels", range(1, 9))
def test_mono_is_the_mean_of_the_channels(channels: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tones(channels=channels))
    every, mono = decode(path, mono=False).samples, decode(path).samples
    assert every.shape == (channels, RATE)
    np.testing.assert_allclose(mono, every.mean(axis=0), atol=1e-7)


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "subtype", "rate", "channels"),
    [
        ("a.wav", None, 44_100, 2),
        ("a.wav", None, 16_000, 1),
        ("a.wav", "PCM_24", 48_000, 2),
        ("a.wav", "FLOAT", 22_050, 1),
        ("a.wav", "PCM_U8", 8_000, 1),
        ("a.flac", None, 44_100, 2),
        ("a.flac", None, 16_000, 1),
        ("a.mp3", None, 44_100, 2),
        ("a.mp3", None, 16_000, 1),
        ("a.ogg", "VORBIS", 44_100, 2),
        ("a.ogg", "OPUS", 48_000, 2),
    ],
)
@pytest.mark.parametrize("mono", [True, False])
def test_it_gives_what_librosa_gives(
    name: str, subtype: str | None, rate: int, channels: int, mono: bool, tmp_path: Path
) -> None:
    path = write(tmp_path / name, tones(3.0, rate, channels), rate, subtype)
    theirs = np.atleast_2d(librosa.load(path, sr=RATE, mono=mono)[0])
    ours = np.atleast_2d(decode(path, sample_rate=RATE, mono=mono).samples)
    n_samples = min(theirs.shape[1], ours.shape[1])
    assert max(theirs.shape[1], ours.shape[1]) - n_samples <= 1
    assert np.sqrt(np.mean((theirs[:, :n_samples] - ours[:, :n_samples]) ** 2)) < 1e-5


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
def test_real_recordings(data: Path) -> None:
    for path in sorted((data / "esc50/audio/fold1").glob("*.flac"))[:3]:
        theirs, _ = librosa.load(path, sr=None)
        decoded = decode(path)
        np.testing.assert_array_equal(decoded.samples, theirs)
        assert probe(path).n_samples == len(theirs)
        assert decoded.info == probe(path)


def test_memory_and_open_files_give_the_same(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "a.mp3", "a.ogg"):
        path = write(tmp_path / name, tones(2.0, channels=2))
        expected = decode(path, sample_rate=8_000).samples
        content = path.read_bytes()
        for source in (str(path), content, bytearray(content), memoryview(content), io.BytesIO(content)):
            np.testing.assert_array_equal(decode(source, sample_rate=8_000).samples, expected)
        with open(path, "rb") as file:
            file.seek(100)
            np.testing.assert_array_equal(decode(file, sample_rate=8_000).samples, expected)
            assert not file.closed
            assert probe(file) == probe(path) == probe(content)


def test_a_stream_that_cannot_be_wound_back(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    path = write(tmp_path / "a.flac", tones())
    np.testing.assert_array_equal(decode(Pipe(path.read_bytes())).samples, decode(path).samples)


@pytest.mark.parametrize("source", [None, 3, io.StringIO("words"), ["a.wav"]])
def test_what_cannot_be_a_recording(source: object) -> None:
    with pytest.raises(TypeError, match="a path, from bytes or from a binary file"):
        decode(source)  # type: ignore[arg-type]


def test_probe_says_what_there_is(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "a.wav", tones(1.5, 44_100, 3), 44_100, "PCM_24"))
    assert (info.sample_rate, info.channels, info.n_samples, info.duration_s) == (44_100, 3, 66_150, 1.5)
    assert (info.codec, info.n_tracks) == ("pcm_24", 1)
    info = probe(write(tmp_path / "a.flac", tones()))
    assert (info.container, info.codec) == ("flac", "pcm_16")


class TestPart:
    @pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.opus"])
    def test_a_part_is_that_part_of_the_whole(self, name: str, tmp_path: Path) -> None:
        """MP3 at 16 kHz borrows bits from the frames before: a decoder that jumps hears something else."""
        rate = 48_000 if name == "a.opus" else RATE
        path = tmp_path / name
        soundfile.write(path, tones(6.0, rate).T, rate, format="OGG" if name == "a.opus" else None)
        whole = decode(path).samples
        part = decode(path, first_s=2.5, duration_s=1.25).samples
        np.testing.assert_array_equal(part, whole[round(2.5 * rate) : round(3.75 * rate)])

    def test_it_may_end_before(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(2.0))
        assert decode(path, first_s=1.5, duration_s=5.0).duration_s == 0.5
        assert decode(path, duration_s=1e-9).samples.shape == (1,)

    @pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
    def test_nothing_there(self, name: str, tmp_path: Path) -> None:
        path = write(tmp_path / name, tones(2.0))
        with pytest.raises(AudioFileError, match=f"^{path} is 2.00 s long: there is nothing at 2.5 s$"):
            decode(path, first_s=2.5)

    def test_damage_behind_it_does_no_harm(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(2.0))
        path.write_bytes(path.read_bytes()[:40_000])
        assert decode(path, duration_s=1.0).duration_s == 1.0
        with pytest.raises(AudioFileError, match="truncated"):
            decode(path)

    @pytest.mark.parametrize(
        "options",
        [{"first_s": -1}, {"first_s": np.inf}, {"duration_s": 0}, {"sample_rate": 1}, {"sample_rate": 10**7}],
    )
    def test_impossible_arguments(self, options: dict[str, float], tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            decode(write(tmp_path / "a.wav", tones()), **options)  # type: ignore[arg-type]


class TestBuffer:
    @pytest.mark.parametrize("sample_rate", [None, 8_000])
    @pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
    def test_it_is_filled(self, sample_rate: int | None, name: str, tmp_path: Path) -> None:
        path = write(tmp_path / name, tones(2.0, channels=2))
        expected = decode(path, sample_rate=sample_rate).samples
        for spare in (0, 100):
            out = np.full(len(expected) + spare, 7, np.float32)
            samples = decode(path, sample_rate=sample_rate, out=out).samples
            assert samples.__array_interface__["data"][0] == out.__array_interface__["data"][0]
            np.testing.assert_array_equal(samples, expected)
            assert (out[len(expected) :] == 7).all()

    def test_every_channel(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(channels=3))
        out = np.zeros((3, RATE), np.float32)
        assert np.shares_memory(decode(path, mono=False, out=out).samples, out)
        np.testing.assert_array_equal(out, decode(path, mono=False).samples)

    def test_one_that_is_too_small(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(2.0))
        message = r"room for 16,000 samples, and .*a\.wav has 32,000 or more: give a larger one"
        with pytest.raises(AudioFileError, match=message):
            decode(path, out=np.empty(RATE, np.float32))
        assert decode(path, out=np.empty(RATE, np.float32), duration_s=1.0).duration_s == 1.0

    @pytest.mark.parametrize(
        "out",
        [
            np.empty(RATE),
            np.empty((1, RATE), np.float32),
            np.empty(2 * RATE, np.float32)[::2],
            np.frombuffer(bytes(4 * RATE), np.float32),
            [0.0],
        ],
    )
    def test_one_that_is_none(self, out: object, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^out must"):
            decode(write(tmp_path / "a.wav", tones()), out=out)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"sample_rate": 8_000}, {"mono": False}, {"first_s": 0.25}])
def test_torch_shares_the_samples(options: dict[str, int], tmp_path: Path) -> None:
    samples = decode(write(tmp_path / "a.wav", tones(channels=2)), **options).samples  # type: ignore[arg-type]
    tensor = torch.utils.dlpack.from_dlpack(samples)
    assert tensor.data_ptr() == samples.__array_interface__["data"][0]
    tensor[..., 0] = 0.5
    assert (samples[..., 0] == 0.5).all()


def test_no_numbers_become_zero_and_are_counted(tmp_path: Path) -> None:
    played = np.array([[0.5, np.nan, np.inf, -np.inf, 3.0, -3.0] * 20], np.float32)
    decoded = decode(write(tmp_path / "a.wav", played, subtype="FLOAT"))
    assert decoded.samples[:6].tolist() == [0.5, 0, 0, 0, 1, -1]
    assert decoded.n_not_finite == 60
    stereo = decode(
        write(tmp_path / "b.wav", np.vstack([played, np.full_like(played, 0.5)]), subtype="FLOAT")
    )
    assert stereo.samples[:4].tolist() == [0.5, 0.25, 0.25, 0.25]
    assert stereo.n_not_finite == 60
    assert decode(write(tmp_path / "c.wav", tones())).n_not_finite == 0


def test_a_clip_of_a_tenth_of_a_second(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        decoded = decode(write(tmp_path / name, tones(0.1, 44_100), 44_100), sample_rate=RATE)
        assert decoded.duration_s == pytest.approx(0.1, abs=0.03)
        assert np.std(decoded.samples) > 0.01


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no sound in here, only words " * 100, "is not an audio file that can be read"),
        (bytes(1_000), "is not an audio file that can be read"),
    ],
)
@pytest.mark.parametrize("do", [decode, probe])
def test_what_is_no_audio_is_refused_in_one_line(
    content: bytes, message: str, do: Callable[[object], object], tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=f"^{path} {message}[^\n]*$"):
        do(path)
    with pytest.raises(AudioFileError, match=f"^the recording in memory {message}[^\n]*$"):
        do(content)


@pytest.mark.parametrize("do", [decode, probe])
def test_a_file_without_samples_or_none_at_all(do: Callable[[object], object], tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="holds no sound"):
        do(write(tmp_path / "a.wav", np.zeros((1, 0), np.float32)))
    with pytest.raises(AudioFileError, match="cannot be read: No such file"):
        do(tmp_path / "missing.wav")
    with pytest.raises(AudioFileError, match="is no file"):
        do(tmp_path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, tones(5.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioFileError, match=f"^{path} is truncated"):
        decode(path)


def test_a_disk_that_fails_while_it_reads(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

        def seekable(self) -> bool:
            return False

    with pytest.raises(AudioFileError, match="the recording in memory cannot be read: Input/output error"):
        decode(Failing(b"RIFF"))


@pytest.fixture(scope="module")
def lossy_and_not(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return {name: write(folder / f"a.{name}", tones(2.0)) for name in ("wav", "flac", "mp3", "ogg")}


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 9_000), min_size=1, max_size=6), st.sampled_from(["wav", "flac", "mp3", "ogg"])
)
def test_no_sample_depends_on_how_it_is_read(
    lossy_and_not: dict[str, Path], blocks: list[int], name: str
) -> None:
    """MP3 above all: a decoder that is told where to go on forgets what the next frame needs."""
    whole = decode(lossy_and_not[name]).samples
    parts = [np.empty(0, np.float32)]
    with open_reader(lossy_and_not[name]) as reader:
        for n_samples in cycle(blocks):
            out = np.empty(n_samples, np.float32)
            n, _ = reader.read_into(out)
            if n == 0:
                break
            parts.append(out[:n])
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_many_channels_at_a_low_rate_are_read_in_blocks(tmp_path: Path) -> None:
    played: Sound = tones(1.0, channels=64)
    path = write(tmp_path / "a.wav", played)
    np.testing.assert_allclose(decode(path).samples, played.mean(axis=0), atol=1e-4)
