"""Files that travel with a message: the clip and the picture of an event."""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from listener.actions.base import ActionContext

log = logging.getLogger(__name__)

MOST_BYTES = 25_000_000
"""Larger files are left out: no service takes them, and they would have to be held in memory."""

Attachment = Literal["clip", "picture"]
"""What may be attached."""

MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
}
"""By a file's suffix; the system's own list differs from one to the next."""


def attachments(wanted: Collection[Attachment], context: ActionContext) -> Iterator[tuple[Attachment, Path]]:
    """Give the files that there are; what is missing or too large is left out, and said."""
    for kind in wanted:
        path = context.clip if kind == "clip" else context.picture
        try:
            if path is None:
                log.warning("there is no %s to attach: does an action make one, and did it work?", kind)
            elif path.stat().st_size > MOST_BYTES:
                log.warning("the %s is not attached: it is larger than %d MB", kind, MOST_BYTES // 10**6)
            else:
                yield kind, path
        except OSError as error:
            log.warning("the %s is not attached: %s", kind, error.strerror)


def media_type(path: Path) -> str:
    """Give the media type of a file."""
    return MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
