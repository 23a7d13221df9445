"""What stands behind ``--source``.

======================  ================================================
``mic``                 the system's microphone
``mic:NAME``            a microphone by name, part of it, pattern or index
``demo``                the built-in scene
``-``                   raw PCM on standard input
``rtsp://...``          network streams: not built in yet
anything else           a recording, or a folder of them
======================  ================================================
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from listener.errors import SourceError

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as the configuration would name it."""

    use: str
    """Name of the plug-in."""

    name: str
    """Under which its events appear."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """The plug-in's settings that were given."""

    def as_settings(self) -> dict[str, Any]:
        """The entry of ``sources`` in a configuration that says the same."""
        return {"use": self.use, "name": self.name, **self.options}


def parse_source(text: str) -> SourceSpec:
    """Understand one ``--source``.

    Raises
    ------
    SourceError
        It is empty, or a network stream.
    """
    if text == "mic" or text.startswith("mic:"):
        device = text.removeprefix("mic").removeprefix(":")
        return SourceSpec("microphone", text.rstrip(":"), {"device": device} if device else {})
    if text == "demo":
        return SourceSpec("demo", "demo")
    if text == "-":
        return SourceSpec("stdin", "stdin")
    if _URL.match(text):
        raise SourceError(
            f"--source {text}: network streams cannot be opened yet; "
            f"pipe it: ffmpeg -i {text} -f s16le -ac 1 -ar 16000 - | listener run --source -"
        )
    if not text.strip():
        raise SourceError("--source is empty: give mic, mic:NAME, demo, - or a path")
    # As `listener analyze` names it: the same sound has the same events, down to the name.
    return SourceSpec("file", str(Path(text)), {"path": text})


def parse_sources(
    texts: Iterable[str],
    *,
    speed: float | str | None = None,
    device: str | None = None,
    pcm: Mapping[str, Any] | None = None,
) -> list[SourceSpec]:
    """Understand all ``--source`` of a command line.

    Parameters
    ----------
    texts
        As typed. A source that is named twice becomes ``NAME`` and ``NAME#2``.
    speed
        ``--speed``: for recordings and the demo scene.
    device
        ``--device``: for ``mic`` without a name of its own.
    pcm
        ``rate``, ``channels`` and ``sample_format`` of standard input, those that were given.

    Raises
    ------
    SourceError
        One of them cannot be understood, or standard input is named twice.
    """
    given: dict[str, dict[str, Any]] = {"stdin": dict(pcm or {})}
    if speed is not None:
        given["file"] = given["demo"] = {"speed": speed}
    if device is not None:
        given["microphone"] = {"device": device}
    specs: list[SourceSpec] = []
    seen: Counter[str] = Counter()
    for text in texts:
        spec = parse_source(text)
        seen[spec.name] += 1
        if spec.use == "stdin" and seen[spec.name] > 1:
            raise SourceError("--source - can be given only once: there is one standard input")
        name = spec.name if seen[spec.name] == 1 else f"{spec.name}#{seen[spec.name]}"
        specs.append(replace(spec, name=name, options={**given.get(spec.use, {}), **spec.options}))
    return specs
