"""Takes what is ordered, each order in a thread of its own."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from listener.actions.camera_process.errors import CameraError, ForgottenError
from listener.actions.camera_process.feed import Feed, Picture
from listener.actions.camera_process.film import Film
from listener.actions.camera_process.messages import Answer, Shot
from listener.actions.camera_process.still import write_still


class Photographer:
    """Answers every order once.

    Parameters
    ----------
    feed
        Where pictures come from.
    on_answer
        Called by any thread.
    """

    def __init__(self, feed: Feed, on_answer: Callable[[Answer], None]) -> None:
        self._feed = feed
        self._on_answer = on_answer
        self._forgotten: set[int] = set()
        self._converting = threading.Lock()  # a frame keeps its converter, which is no work for two at once

    def begin(self, shot: Shot) -> None:
        """Begin with an order."""
        name = f"shot:{shot.number}"
        threading.Thread(target=self._do, args=(shot, time.monotonic()), name=name, daemon=True).start()

    def forget(self, number: int) -> None:
        """Leave an order; its answer comes all the same."""
        with self._feed.changed:
            self._forgotten.add(number)
            self._feed.changed.notify_all()

    def _do(self, shot: Shot, asked_s: float) -> None:
        written: list[str] = []
        why, may_pass = "", True
        try:
            self._take(shot, asked_s, written)
        except CameraError as error:
            why, may_pass = str(error), not error.is_final
        except ForgottenError:
            why = "given up"
        except OSError as error:
            why, may_pass = f"it cannot be written: {error.strerror or error}", False
        except Exception as error:  # noqa: BLE001 - what the camera has sent may do anything to a library
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        with self._feed.changed:
            self._forgotten.discard(shot.number)
        self._on_answer(Answer(shot.number, tuple(written), why, may_pass))

    def _take(self, shot: Shot, asked_s: float, written: list[str]) -> None:
        first = self._feed.await_picture(asked_s, 0.0, lambda: shot.number in self._forgotten)
        begun_s = time.monotonic()  # the camera may have had to be opened
        film: Film | None = None
        with ExitStack() as stack:
            trouble: CameraError | None = None
            if shot.video is not None:
                try:
                    film = stack.enter_context(Film(self._feed, Path(shot.video), asked_s - shot.before_s))
                except CameraError as error:
                    trouble = error  # the stills can be had all the same
            self._take_stills(shot, begun_s, first, written)
            if film is not None:
                film.follow(begun_s + shot.after_s, lambda: shot.number in self._forgotten)
        if trouble is not None:
            raise trouble
        if shot.video is not None:
            written.append(shot.video)

    def _take_stills(self, shot: Shot, begun_s: float, picture: Picture, written: list[str]) -> None:
        for number, path in enumerate(shot.stills):
            if number:
                due_s = begun_s + number * shot.interval_s
                self._sleep_until(due_s, shot.number)
                picture = self._feed.await_picture(
                    due_s, picture.at_s, lambda: shot.number in self._forgotten
                )
            taken = datetime.now(UTC).astimezone() - timedelta(seconds=time.monotonic() - picture.at_s)
            write_still(self._image(picture), Path(path), taken, shot.caption, shot.quality)
            written.append(path)

    def _sleep_until(self, due_s: float, number: int) -> None:
        with self._feed.changed:
            self._feed.changed.wait_for(lambda: number in self._forgotten, max(0.0, due_s - time.monotonic()))
            if number in self._forgotten:
                raise ForgottenError

    def _image(self, picture: Picture) -> Image.Image:
        with self._converting:
            image: Image.Image = picture.frame.to_image()  # type: ignore[no-untyped-call]
            return image
