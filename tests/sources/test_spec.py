"""What stands behind ``--source``."""

from typing import Any

import pytest

from listener.errors import SourceError
from listener.sources.spec import SourceSpec, parse_source, parse_sources


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("mic", SourceSpec("microphone", "mic")),
        ("mic:", SourceSpec("microphone", "mic")),
        ("mic:USB Audio", SourceSpec("microphone", "mic:USB Audio", {"device": "USB Audio"})),
        ("mic:hw:1,0", SourceSpec("microphone", "mic:hw:1,0", {"device": "hw:1,0"})),
        ("demo", SourceSpec("demo", "demo")),
        ("-", SourceSpec("stdin", "stdin")),
        ("a/b.wav", SourceSpec("file", "a/b.wav", {"path": "a/b.wav"})),
        ("folder", SourceSpec("file", "folder", {"path": "folder"})),
        ("./mic", SourceSpec("file", "mic", {"path": "./mic"})),
        ("micro.wav", SourceSpec("file", "micro.wav", {"path": "micro.wav"})),
    ],
)
def test_each_form(text: str, spec: SourceSpec) -> None:
    assert parse_source(text) == spec


@pytest.mark.parametrize("text", ["rtsp://camera/1", "http://radio/x", "udp://0.0.0.0:5", "HTTPS://a/b"])
def test_network_streams_are_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(SourceError, match="network streams cannot be opened yet; pipe it: ffmpeg"):
        parse_source(text)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_source_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="--source is empty"):
        parse_source(text)


def test_the_same_source_twice_has_two_names() -> None:
    names = [spec.name for spec in parse_sources(["a.wav", "mic", "a.wav", "demo", "mic", "a.wav"])]
    assert names == ["a.wav", "mic", "a.wav#2", "demo", "mic#2", "a.wav#3"]


def test_standard_input_can_be_given_once() -> None:
    with pytest.raises(SourceError, match="only once"):
        parse_sources(["-", "demo", "-"])


def test_options_of_the_command_line_go_where_they_belong() -> None:
    specs = parse_sources(
        ["mic", "mic:USB", "a.wav", "demo", "-"],
        speed="max",
        device="3",
        pcm={"rate": 8_000},
    )
    options: list[dict[str, Any]] = [spec.as_settings() for spec in specs]
    assert options == [
        {"use": "microphone", "name": "mic", "device": "3"},
        {"use": "microphone", "name": "mic:USB", "device": "USB"},
        {"use": "file", "name": "a.wav", "speed": "max", "path": "a.wav"},
        {"use": "demo", "name": "demo", "speed": "max"},
        {"use": "stdin", "name": "stdin", "rate": 8_000},
    ]
