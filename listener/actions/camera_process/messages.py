"""What the program and a camera's process say to each other: JSON, one object a line."""

import json
from dataclasses import asdict, dataclass
from typing import Any

TIME_MARK = "\0"
"""Stands in a caption where the time of the picture belongs; no other text has a zero byte in it."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What is opened, and how: the first line that the process reads."""

    url: str
    """Whatever libav opens."""

    format: str | None
    """libav's name of it; None: it finds out by itself."""

    options: dict[str, str]
    """Of libav's protocol and demuxer."""

    open_s: float
    """Longest that opening may take, in seconds."""

    stall_s: float
    """Longest time without a picture before it is opened anew, in seconds."""

    max_age_s: float
    """Age of a picture that still counts as one of now, in seconds."""

    before_s: float
    """Seconds of encoded video that are kept for a film."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What is to be taken."""

    number: int
    """The answer's, too."""

    stills: tuple[str, ...]
    """Files that are written, one after the other."""

    interval_s: float
    """Between two of them, in seconds."""

    quality: int
    """Of JPEG, 1 to 95."""

    caption: str
    """Burnt in, with `TIME_MARK` for the time; empty: nothing is."""

    video: str | None
    """File of the film; None: there is none."""

    before_s: float
    """Seconds of the film before now."""

    after_s: float
    """Seconds of it after now."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The answer to a shot is not waited for any more."""

    forget: int
    """Its number."""


@dataclass(frozen=True, slots=True)
class State:
    """The camera has come or gone."""

    live: bool
    """Pictures come."""

    why: str
    """Why not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a shot."""

    number: int
    """The shot's."""

    written: tuple[str, ...]
    """Those of its files that are whole."""

    why: str = ""
    """What went wrong; empty: nothing."""

    may_pass: bool = True
    """It may go better soon."""


def line(message: Camera | Shot | Forget | State | Answer) -> bytes:
    """Write a message."""
    return json.dumps(asdict(message)).encode() + b"\n"


def camera_of(text: bytes) -> Camera:
    """Read the first line."""
    return Camera(**json.loads(text))


def order_of(text: bytes) -> Shot | Forget:
    """Read any other line of the program."""
    values: dict[str, Any] = json.loads(text)
    return Forget(**values) if "forget" in values else Shot(**values | {"stills": tuple(values["stills"])})


def report_of(text: bytes) -> State | Answer:
    """Read a line of the process."""
    values: dict[str, Any] = json.loads(text)
    return State(**values) if "live" in values else Answer(**values | {"written": tuple(values["written"])})
