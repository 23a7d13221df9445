"""A picture of sound: time to the right, frequency upwards, level as colour."""

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from listener.actions.base import Recording

if TYPE_CHECKING:
    from PIL import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

WIDTH, HEIGHT = 720, 256
"""Pixels of the sound itself."""

LEFT, TOP, RIGHT, BOTTOM = 56, 26, 16, 30
"""Pixels around it, for words."""

RANGE_DB = 75.0
"""Levels from black to white."""

QUIETEST_DB = -60.0
"""White is never less: the noise of a silent room is not made to look like a sound."""

FRAME_S = 0.04
"""A frame of the transform is about so long, in seconds."""

COLOURS = ((0, 0, 6), (44, 16, 98), (134, 34, 112), (216, 70, 66), (250, 150, 36), (255, 246, 190))
"""From the quietest to the loudest: ever lighter, so that it can be read without colours as well."""

COLOURS_SHOWN = 48
"""Steps between them: more would double the file, and no eye would see them."""

PAPER, INK, GREYS = 255, 32, 16
"""Around the sound, and what is written there: greys, so many of them."""

MARK = (120, 230, 255)
"""Lines at the event's beginning and end."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What is said of the sound in its picture."""

    title: str
    """Above it."""

    marks_s: tuple[float, ...]
    """Where lines are drawn, in seconds from its beginning."""


def spectrogram_png(recording: Recording, caption: Caption) -> bytes:
    """Draw the sound, as the bytes of a PNG file.

    The pixel at (`LEFT` + x, `TOP` + y) shows the time ``x / WIDTH`` of the sound's length, and the frequency
    ``1 - y / HEIGHT`` of half its rate.
    """
    from PIL import Image, ImageDraw

    # All in one byte a pixel: half the file, and a quarter of the time.
    words = Image.new("L", (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM), PAPER)
    draw = ImageDraw.Draw(words)
    draw.text((LEFT, 6), caption.title[:100], INK, font=_font())
    _write_axes(draw, len(recording.samples) / recording.sample_rate, recording.sample_rate / 2000)
    pixels = COLOURS_SHOWN + np.asarray(words) // (256 // GREYS)
    sound = pixels[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
    sound[:] = _shades(levels_db(recording.samples, recording.sample_rate))
    for mark_s in caption.marks_s:
        x = round(WIDTH * mark_s * recording.sample_rate / max(1, len(recording.samples)))
        if 0 <= x < WIDTH:
            sound[:, x] = COLOURS_SHOWN + GREYS
    picture = Image.fromarray(pixels)
    picture.putpalette(_palette())
    memory = io.BytesIO()
    picture.save(memory, "PNG", compress_level=3)
    return memory.getvalue()


def levels_db(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Give the level of each pixel in decibels, shape (`HEIGHT`, `WIDTH`), the highest frequency first.

    A sine at full scale is at 0 dB.
    """
    n_fft = 1 << max(6, round(math.log2(FRAME_S * sample_rate)))
    hann = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, n_fft // 2 + 1)
    # A column shows the middle of the time that it stands for; long sounds have frames between the columns.
    n_frames = WIDTH * max(1, math.ceil(len(samples) / (WIDTH * n_fft / 2)))
    begins = np.floor((np.arange(n_frames) + 0.5) / n_frames * len(samples)).astype(int)
    bins = np.empty((n_fft // 2 + 1, n_frames), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, n_fft)
    for first in range(0, n_frames, 128):
        block = slice(first, first + 128)
        bins[:, block] = np.abs(np.fft.rfft(views[begins[block]] * hann)).T
    columns = bins.reshape(len(bins), WIDTH, -1).max(axis=2)
    rows = np.linspace(len(bins) - 1, 0, HEIGHT)
    return _decibels(_rows_of(columns, rows) * np.float32(4 / n_fft))


def _rows_of(columns: NDArray[np.float32], rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the bins of each row: the loudest where there are many, those between where there are few."""
    step = (len(columns) - 1) / (HEIGHT - 1)
    if step <= 1:
        below = np.floor(rows).astype(int)
        above = np.minimum(below + 1, len(columns) - 1)
        share = (rows - below)[:, None]
        return np.asarray(columns[below] * (1 - share) + columns[above] * share, np.float32)
    edges = np.clip(np.round(np.arange(HEIGHT + 1) * len(columns) / HEIGHT), 0, len(columns) - 1).astype(int)
    return np.maximum.reduceat(columns, edges[:-1], axis=0)[::-1]


def _decibels(amplitude: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(20 * np.log10(np.maximum(amplitude, 1e-7)), np.float32)


def _shades(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give the number of each pixel's colour."""
    loudest = max(float(levels.max(initial=QUIETEST_DB)), QUIETEST_DB)
    share = np.clip((levels - (loudest - RANGE_DB)) / RANGE_DB, 0, 1)
    return np.asarray(np.round(share * (COLOURS_SHOWN - 1)), np.uint8)


def _palette() -> bytes:
    """Give the colours of sound, the greys of what is written, and the colour of lines."""
    at = np.linspace(0, COLOURS_SHOWN - 1, len(COLOURS))
    channels = [np.interp(range(COLOURS_SHOWN), at, [colour[n] for colour in COLOURS]) for n in range(3)]
    greys = np.repeat(np.linspace(0, 255, GREYS), 3).reshape(GREYS, 3)
    return np.concatenate((np.stack(channels, axis=1), greys, [MARK])).round().astype(np.uint8).tobytes()


def _write_axes(draw: "ImageDraw.ImageDraw", length_s: float, highest_khz: float) -> None:
    font = _font()
    foot = TOP + HEIGHT
    for value in _ticks(length_s, 8):
        x = LEFT + round((WIDTH - 1) * value / max(length_s, 1e-9))
        draw.line((x, foot, x, foot + 4), INK)
        draw.text((x, foot + 6), f"{value:g} s", INK, font=font, anchor="ma")
    for value in _ticks(highest_khz, 6):
        y = foot - 1 - round((HEIGHT - 1) * value / highest_khz)
        draw.line((LEFT - 5, y, LEFT - 1, y), INK)
        draw.text((LEFT - 8, y), f"{value:g} kHz", INK, font=font, anchor="rm")


def _ticks(end: float, n: int) -> list[float]:
    """Give round numbers from 0 to ``end``, ``n`` at most and half as many at least."""
    if end <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(end / n))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if end / (power * factor) <= n - 1)
    return [round(step * number, 6) for number in range(int(end / step + 1e-9) + 1)]


def _font() -> "FreeTypeFont | ImageFont":
    from PIL.ImageFont import load_default

    return load_default(12)
