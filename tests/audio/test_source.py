"""Films and voice memos as a source: the same samples as `decode` gives, a block at a time."""

from pathlib import Path

import numpy as np
import pytest

from listener.audio import decode
from listener.events import LabelRule
from listener.offline import finished_events, predict_whole
from listener.sources.base import EndOfSource
from listener.sources.file import FileOptions, FileSource
from listener.testing import ScriptedClassifier
from tests.audio.recordings import RATE, Sound, encode, tones, write


@pytest.mark.parametrize("name", ["a.m4a", "a.mkv", "a.wav", "a.mp3"])
def test_chunks_are_what_decode_gives(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    sound = tones(12.0, channels=2)  # more than two blocks
    if name in ("a.wav", "a.mp3"):
        write(path, sound)
    else:
        encode(path, "aac", [sound], RATE)
    source = FileSource("file", FileOptions(path=path, speed="max"))
    assert source.open() == RATE
    np.testing.assert_array_equal(_rest(source), decode(path).samples)


def test_a_film_is_analysed_as_its_sound_alone(tmp_path: Path) -> None:
    sound = tones(6.0)
    sound[:, : 2 * RATE] = 0
    plain, film = write(tmp_path / "a.flac", sound), encode(tmp_path / "a.mkv", "flac", [sound], RATE)
    np.testing.assert_array_equal(decode(film).samples, decode(plain).samples)
    for how in (_events, _scores):
        assert how(film) == how(plain)


def _events(path: Path) -> list[tuple[float, float | None]]:
    rules = [LabelRule(0.5, 0.4)]
    found = finished_events(_source(path), ScriptedClassifier(), rules, 0.25)
    assert found
    return [(event.onset_s, event.offset_s) for event in found]


def _scores(path: Path) -> tuple[list[float], float]:
    scores, duration_s = predict_whole(_source(path), ScriptedClassifier())
    return scores.tolist(), duration_s


def _source(path: Path) -> FileSource:
    return FileSource("file", FileOptions(path=path, speed="max"))


def _rest(source: FileSource) -> Sound:
    chunks = []
    try:
        while (chunk := source.read(1.0)) is not None:
            chunks.append(chunk.samples)
    except EndOfSource:
        pass
    finally:
        source.close()
    return np.concatenate(chunks)
