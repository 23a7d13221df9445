"""What stands in a picture, and beside it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from listener.actions.camera_process.messages import TIME_MARK
from listener.actions.camera_process.still import EXIF_IFD, TAKEN, write_still

NOON = datetime(2026, 1, 31, 12, 0, 7, 340_000, tzinfo=UTC)


def still(path: Path, caption: str, size: tuple[int, int] = (320, 240)) -> Image.Image:
    write_still(Image.new("RGB", size, "gray"), path, NOON, caption)
    with Image.open(path) as image:
        image.load()
        assert image.format == "JPEG"
        return image


def bar(image: Image.Image) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(image.convert("L"))[-20:]


def test_without_a_caption_nothing_is_burnt_in(tmp_path: Path) -> None:
    image = still(tmp_path / "a.jpg", "")
    assert np.ptp(np.asarray(image)) < 4
    assert image.getexif().get_ifd(EXIF_IFD)[TAKEN] == "2026:01:31 12:00:07"


def test_a_caption_is_white_on_black_at_the_bottom(tmp_path: Path) -> None:
    with_time, with_label = still(tmp_path / "a.jpg", f"dog {TIME_MARK}"), still(tmp_path / "b.jpg", "dog")
    assert bar(with_time).min() < 20
    assert bar(with_time).max() > 230
    assert np.ptp(np.asarray(with_time)[:200]) < 4
    assert (bar(with_time) > 128).sum() > 2 * (bar(with_label) > 128).sum()


@pytest.mark.parametrize("caption", ["x" * 5000, "🐕\n\0\x1b[2J$(rm)", "é", "‮dog"])
@pytest.mark.parametrize("size", [(320, 240), (16, 8), (2, 2)])
def test_no_caption_and_no_size_is_too_odd(caption: str, size: tuple[int, int], tmp_path: Path) -> None:
    assert still(tmp_path / "a.jpg", caption, size).size == size
