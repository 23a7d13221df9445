"""A picture as a JPEG file, with what is burnt into it."""

import os
from datetime import datetime
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from listener.actions.camera_process.messages import TIME_MARK
from listener.errors import printable

TAKEN = 0x9003
"""EXIF: ``DateTimeOriginal``."""

EXIF_IFD = 0x8769
"""EXIF: where it stands."""

LONGEST_CAPTION = 200
"""Characters that are looked at; no picture is wide enough for more."""

LEAST_FONT = 12
"""Pixels."""


def write_still(
    image: Image.Image, path: Path, taken: datetime, caption: str = "", quality: int = 90
) -> None:
    """Write a JPEG that is on the disk when this returns.

    Parameters
    ----------
    image
        What it shows, RGB.
    path
        Where.
    taken
        When, with its time zone.
    caption
        Burnt in, with `TIME_MARK` for the time; empty: nothing is.
    quality
        1 to 95.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if caption:
        told = caption.replace(TIME_MARK, f"{taken:%Y-%m-%d %H:%M:%S}.{taken.microsecond // 100_000}")
        _burn_in(image, printable(told[:LONGEST_CAPTION]))
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[TAKEN] = f"{taken:%Y:%m:%d %H:%M:%S}"
    with open(path, "wb") as file:
        image.save(file, "JPEG", quality=quality, exif=exif)
        file.flush()
        os.fsync(file.fileno())


def _burn_in(image: Image.Image, text: str) -> None:
    """Write white on a black bar at the bottom: to be read on any picture."""
    size = max(LEAST_FONT, image.height // 24)
    font = ImageFont.load_default(size)
    margin = size // 2
    draw = ImageDraw.Draw(image)
    while len(text) > 1 and draw.textlength(text, font) > image.width - 2 * margin:
        text = text[:-2] + "…"
    top = image.height - size - 2 * margin
    draw.rectangle((0, top, image.width, image.height), fill="black")
    draw.text((margin, image.height - margin), text, fill="white", font=font, anchor="lb")
