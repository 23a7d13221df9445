"""What a user may choose about a camera."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from listener.actions import template
from listener.actions.camera.address import is_address
from listener.actions.clip.options import FileName
from listener.config import Options

CAPTION_FIELDS = ("label", "source", "score", "phase", "id", "time")
"""What may be burnt in."""

TimeOut = Annotated[float, Field(ge=0.1, le=60)]
VideoSeconds = Annotated[float, Field(ge=0, le=60)]


class VideoOptions(Options):
    """A film."""

    before_s: VideoSeconds = 0.0
    """Seconds before the trigger; they need ``warm: true``."""

    after_s: VideoSeconds = 5.0
    """Seconds after it."""

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if not self.before_s + self.after_s:
            raise ValueError("before_s or after_s must be more than 0")
        return self


class CameraOptions(Options):
    """Settings of the ``camera`` action."""

    url: str
    """``rtsp://...``, ``http://...`` (a JPEG or a stream), ``/dev/video0``, or whatever libav opens."""

    warm: bool = False
    """It is kept open, so that a picture is there at once; else it is opened for each event."""

    directory: Path = Path("pictures")
    """Folder of the files; made where it is missing."""

    filename: FileName = "{time}_{source}_{label}"
    """Name of a file, without its suffix; ``{time}``, ``{date}``, ``{label}``, ``{source}``, ``{score}``,
    ``{phase}`` and ``{id}`` are filled in, and ``/`` makes folders. A name that is taken gets a number."""

    stills: Annotated[int, Field(ge=0, le=100)] = 1
    """Pictures of each event."""

    interval_s: Annotated[float, Field(ge=0, le=60)] = 0.5
    """Time between two of them, in seconds."""

    video: VideoOptions | None = None
    """A film beside them; none unless told."""

    caption: str = ""
    """Burnt into the pictures: ``"{label} {time}"``. Fields: label, source, score, phase, id, and the time at
    which the picture was taken."""

    quality: Annotated[int, Field(ge=1, le=95)] = 90
    """Of the JPEG files."""

    max_age_s: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """An older picture never counts as one of now: a new one is waited for."""

    open_s: TimeOut = 10.0
    """How long the camera may take to answer."""

    stall_s: TimeOut = 5.0
    """A stream that brings no picture for this long is opened anew."""

    format: str | None = None
    """libav's name of the format, where it cannot find out by itself; ``v4l2`` for ``/dev/video*``."""

    options: dict[str, StrictStr | StrictBool | StrictInt | StrictFloat] = {}
    """Options of libav: ``{rtsp_transport: udp}``, ``{video_size: 1280x720, input_format: mjpeg}``."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        value = value.strip()
        if not is_address(value):
            raise ValueError("must be an address such as rtsp://host/path, http://host/path, or /dev/video0")
        return value

    @field_validator("caption")
    @classmethod
    def _has_known_fields(cls, value: str) -> str:
        template.fields_of(value, CAPTION_FIELDS)
        return value

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if not self.stills and self.video is None:
            raise ValueError("stills: 0 needs video, or nothing would be taken")
        if self.video is not None and self.video.before_s and not self.warm:
            raise ValueError("video.before_s needs warm: true: what was before is known to who was there")
        return self
