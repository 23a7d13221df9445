"""A camera action as a test uses it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from listener.actions.base import ActionContext, Recording
from listener.actions.camera import CameraAction, CameraOptions
from listener.types import Event
from tests.actions.fakes import ONSET
from tests.cameras import taken_ms
from tests.rtsp_camera import now_ms

LIMIT_MS = 60_000


class Shooting:
    """An action with its pictures.

    Parameters
    ----------
    action
        It is open.
    """

    def __init__(self, action: CameraAction) -> None:
        self.action = action
        self.folder = action._folder
        self.published: list[Path] = []
        self.cancelled = threading.Event()

    def run(self, event: Event = ONSET) -> list[Path]:
        """Take pictures; give those that are new."""
        before = set(self.files())
        self.action.run(event, self.context())
        return sorted((set(self.files()) - before), key=lambda path: path.stat().st_mtime_ns)

    def context(self) -> ActionContext:
        def no_sound(start_s: float, end_s: float) -> Recording:
            raise AssertionError("no sound is wanted")

        return ActionContext(no_sound, publish_picture=self.published.append, cancelled=self.cancelled)

    def files(self) -> list[Path]:
        """Give all that is in the folder, also what is hidden."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def wait_until_live(self, caplog: pytest.LogCaptureFixture) -> None:
        wait_for(lambda: "pictures come from" in caplog.text)


@contextmanager
def shooting(folder: Path, url: str, **options: object) -> Iterator[Shooting]:
    """Open an action, and close it."""
    values = {"url": url, "directory": folder} | options
    action = CameraAction("photo", CameraOptions.model_validate(values))
    action.open()
    try:
        yield Shooting(action)
    finally:
        action.close()


def moment_of(path: Path) -> int:
    """Give when a picture was taken, as it shows itself, in milliseconds of the monotonic clock."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "JPEG"
        return taken_ms(image)


def age_ms(path: Path) -> int:
    """Give how old a picture is."""
    return now_ms() - moment_of(path)


def wait_for(done: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Wait until something is so; the machine may be busy."""
    pause, until = threading.Event(), now_ms() + LIMIT_MS
    while not done():
        assert now_ms() < until, f"it never came; {told()}"
        pause.wait(0.02)
