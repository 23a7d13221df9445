"""Recordings to samples: what FFmpeg's libraries read."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.audio import decode, probe
from listener.audio.filters import split_chain
from listener.errors import AudioFileError
from listener.sources.audiofile import AudioFile, find_recordings
from tests.audio.recordings import RATE, encode, film_without_sound, tones, write

KINDS = [
    ("a.m4a", "aac", 44_100, "aac", 2),
    ("a.mp4", "aac", 48_000, "aac", 2),
    ("a.mkv", "ac3", 44_100, "ac3", 2),
    ("a.webm", "libopus", 48_000, "opus", 2),
    ("a.wma", "wmav2", 44_100, "wmav2", 2),
    ("a.aac", "aac", 44_100, "aac", 1),
    ("a.amr", "libopencore_amrnb", 8_000, "amr_nb", 1),
    ("a.avi", "libmp3lame", 44_100, "mp3", 2),
    ("a.mov", "alac", 44_100, "alac", 2),
]


@pytest.mark.parametrize(("name", "codec", "rate", "told", "channels"), KINDS)
def test_it_sounds_the_same(
    name: str, codec: str, rate: int, told: str, channels: int, tmp_path: Path
) -> None:
    played = tones(3.0, rate, channels)
    path = encode(tmp_path / name, codec, [played], rate, 12_200 if rate == 8_000 else 96_000)
    decoded = decode(path, sample_rate=RATE)
    assert decoded.info.codec == probe(path).codec == told
    assert (decoded.info.sample_rate, decoded.info.channels) == (rate, channels)
    assert decoded.duration_s == pytest.approx(3.0, abs=0.15)
    # Not 3 dB more, which is a factor of 1.41. The telephone's codec lets little below 300 Hz through.
    assert _level(decoded.samples) == pytest.approx(_level(played.mean(axis=0)), rel=0.1)
    every = decode(path, mono=False).samples
    assert every.shape[0] == channels
    np.testing.assert_allclose(every.mean(axis=0), decode(path).samples, atol=1e-6)
    content = path.read_bytes()
    np.testing.assert_array_equal(decode(content, sample_rate=RATE).samples, decoded.samples)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(decode(file, sample_rate=RATE).samples, decoded.samples)


@pytest.mark.parametrize(
    ("codec", "step"), [("flac", 2**-15), ("pcm_u8", 2**-7), ("pcm_s24le", 2**-23), ("pcm_f64le", 1e-7)]
)
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_lossless_tracks_are_exact(codec: str, step: float, channels: int, tmp_path: Path) -> None:
    played = tones(0.5, channels=channels)
    path = encode(tmp_path / "a.mkv", codec, [played], RATE)
    decoded = decode(path, mono=False).samples
    assert decoded.shape == played.shape
    assert np.abs(decoded - played).max() <= step
    mono = decode(path).samples
    np.testing.assert_allclose(mono, decoded.mean(axis=0), atol=1e-7)
    assert np.shares_memory(decode(path, out=mono).samples, mono)


def test_one_of_several_tracks(tmp_path: Path) -> None:
    first, second = tones(1.0), 0.5 * tones(1.0)[:, ::-1]
    path = encode(tmp_path / "a.mkv", "flac", [first, second], RATE)
    assert probe(path).n_tracks == 2
    for track, played in enumerate((first, second)):
        assert np.abs(decode(path, track=track).samples - played[0]).max() <= 2**-15
    with pytest.raises(AudioFileError, match=r"has no track 2: the last of its 2 audio tracks is 1"):
        decode(path, track=2)
    with pytest.raises(AudioFileError, match=r"has no track 1: the last of its 1 audio tracks is 0"):
        decode(write(tmp_path / "b.wav", first), track=1)


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = film_without_sound(tmp_path / "a.mp4")
    for do in (decode, probe):
        with pytest.raises(AudioFileError, match=f"^{path} has no audio track$"):
            do(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.wma", "a.webm"])
@pytest.mark.parametrize("part", [0.9, 0.5])
def test_a_truncated_file_is_refused(name: str, part: float, tmp_path: Path) -> None:
    codec, rate = {"a.wma": ("wmav2", RATE), "a.webm": ("libopus", 48_000)}.get(name, ("aac", RATE))
    path = encode(tmp_path / name, codec, [tones(5.0, rate)], rate)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(AudioFileError, match=f"^{path} is truncated"):
        decode(path)


def test_what_is_there_is_read_before_the_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", "flac", [tones(5.0)], RATE)
    whole = decode(path).samples
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    heard: list[Any] = []
    with (
        AudioFile(path) as file,
        pytest.raises(AudioFileError, match=r"truncated or damaged: 2\.. of 5\.0 s"),
    ):
        _hear(file, heard)
    samples = np.concatenate(heard)
    assert 0.4 * len(whole) < len(samples) < 0.6 * len(whole)
    np.testing.assert_array_equal(samples, whole[: len(samples)])


def test_a_part(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "aac", [tones(3.0)], RATE)
    whole = decode(path).samples
    np.testing.assert_array_equal(decode(path, first_s=1.1, duration_s=0.7).samples, whole[17_600:28_800])
    with pytest.raises(AudioFileError, match="there is nothing at 9 s"):
        decode(path, first_s=9.0)


@pytest.mark.parametrize("content", [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile {}\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
])  # fmt: skip
def test_no_file_makes_it_open_another(content: bytes, tmp_path: Path) -> None:
    secret = encode(tmp_path / "secret.ts", "aac", [tones()], RATE)
    path = tmp_path / "a.mp4"
    path.write_bytes(content.replace(b"{}", str(secret).encode()))
    with pytest.raises(AudioFileError, match="is not an audio file that can be read"):
        decode(path)


class TestFilters:
    def test_they_are_applied(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(2.0, 44_100, 2), 44_100)
        plain, filtered = decode(path), decode(path, filters="volume=0.5")
        np.testing.assert_allclose(filtered.samples, 0.5 * plain.samples, atol=1e-4)
        low = decode(path, filters="lowpass=f=50,lowpass=f=50").samples
        assert _level(low) < 0.2 * _level(plain.samples)
        mixed = decode(path, filters="pan='mono|c0=c1'", mono=False)
        assert mixed.samples.shape == (1, 2 * 44_100)
        assert mixed.info.channels == 2
        np.testing.assert_allclose(mixed.samples[0], decode(path, mono=False).samples[1], atol=1e-4)

    @pytest.mark.parametrize("channels", range(1, 9))
    def test_channels_stay_what_they_are(self, channels: int, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(0.5, channels=channels), subtype="FLOAT")
        plain = decode(path, mono=False).samples
        np.testing.assert_array_equal(decode(path, mono=False, filters="anull").samples, plain)
        np.testing.assert_array_equal(decode(path, filters="anull").samples, decode(path).samples)

    def test_the_rate_stays(self, tmp_path: Path) -> None:
        """Loudnorm gives 192 kHz."""
        path = write(tmp_path / "a.flac", tones(4.0))
        decoded = decode(path, filters="highpass=f=100,loudnorm")
        assert decoded.sample_rate == RATE
        assert decoded.duration_s == pytest.approx(4.0, abs=0.01)

    def test_one_that_changes_the_length(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones(2.0))
        assert decode(path, filters="atempo=2.0").duration_s == pytest.approx(1.0, abs=0.05)

    @pytest.mark.parametrize(
        ("filters", "message"),
        [
            ("highpas=f=100", r"FFmpeg has no filter 'highpas'; did you mean highpass\?"),
            ("highpass=frequenz=3", "highpass does not take 'frequenz=3'"),
            ("highpass=f=lots", "highpass does not take 'f=lots'"),
            ("scale=2:2", "cannot be used on sound"),
            ("amix", "cannot be used on sound"),
            ("[0]volume=1", "has to be one chain"),
            ("volume=1;volume=1", "has to be one chain"),
            ("volume=1,,volume=1", "names no filter between two commas"),
            ("volume='1", "a quote is not closed"),
            ("  ", "names no filter"),
        ],
    )
    def test_wrong_ones_are_refused_in_one_line(self, filters: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match=rf"^filters: [^\n]*{message}[^\n]*$"):
            decode(write(tmp_path / "a.wav", tones()), filters=filters)

    def test_a_chain_is_taken_apart_as_ffmpeg_does(self) -> None:
        assert split_chain("highpass=f=100, loudnorm") == [("highpass", "f=100"), ("loudnorm", "")]
        assert split_chain("aeval='val(0)*min(1,t)'") == [("aeval", "val(0)*min(1,t)")]
        assert split_chain(r"aeval=min(1\,t)") == [("aeval", "min(1,t)")]


class TestWithoutFfmpeg:
    @pytest.fixture(autouse=True)
    def no_av(self, monkeypatch: pytest.MonkeyPatch) -> None:
        find_spec = importlib.util.find_spec

        def blind(name: str, package: str | None = None) -> Any:
            return None if name == "av" else find_spec(name, package)

        for module in ("listener.audio.ffmpeg", "listener.audio.opening"):
            monkeypatch.setattr(f"{module}.find_spec", blind)

    def test_the_install_line_is_told(self, tmp_path: Path) -> None:
        path = encode(tmp_path / "a.m4a", "aac", [tones()], RATE)
        install = r"[^\n]*pip install 'listener\[media\]'"
        for do in (decode, probe):
            with pytest.raises(AudioFileError, match=rf"^{path} can only be read by {install}$"):
                do(path)
            with pytest.raises(AudioFileError, match=rf"^the recording in memory {install}\)$"):
                do(path.read_bytes())

    def test_the_rest_works(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tones())
        assert decode(path).duration_s == 1.0
        with pytest.raises(AudioFileError, match=r"pip install 'listener\[media\]'"):
            decode(path, filters="volume=1")
        path.write_bytes(b"words " * 100)
        with pytest.raises(AudioFileError, match="is not an audio file that can be read"):
            decode(path)


def test_a_folder_with_films_is_a_folder_of_recordings(tmp_path: Path) -> None:
    names = ["a.m4a", "b.MKV", "c.mp4", "d.wma", "e.amr", "f.wav"]
    for name in [*names, "notes.txt", "picture.jpg"]:
        (tmp_path / name).touch()
    assert [path.name for path in find_recordings(tmp_path)] == names


def _hear(file: AudioFile, heard: list[Any]) -> None:
    while len(samples := file.read(3_000)):
        heard.append(samples)


def _level(samples: Any) -> float:
    return float(np.std(samples))
