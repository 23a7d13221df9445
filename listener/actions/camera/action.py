"""The action: names, files, and what is asked of the camera's process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from listener.actions import template
from listener.actions.base import Action, ActionContext
from listener.actions.camera import address
from listener.actions.camera.options import CameraOptions
from listener.actions.camera.process import CameraProcess
from listener.actions.camera_process.messages import TIME_MARK, Answer, Camera, Shot
from listener.actions.clip.naming import free_name, stem_of, with_suffix
from listener.errors import ActionError, TransientError
from listener.logs import hide
from listener.types import Event

UNFINISHED = ".camera.part"
"""End of a hidden file that is being written; it gets its name when it is whole."""

LEFT_S = 3600.0
"""An unfinished file that is this old was left by a program that was killed."""

PATIENCE_S = 10.0
"""A later picture shows what came after."""


class CameraAction(Action):
    """Takes pictures and films."""

    Options = CameraOptions
    options: CameraOptions
    writes_picture = True
    patience_s = PATIENCE_S

    def __init__(self, name: str, options: CameraOptions) -> None:
        super().__init__(name, options)
        video = options.video
        self.after_s = max(
            options.interval_s * max(0, options.stills - 1), 0.0 if video is None else video.after_s
        )
        self._folder = options.directory.expanduser().absolute()
        self._told = address.shown(options.url)
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._open: list[CameraProcess] = []
        self._kept: CameraProcess | None = None
        hide(address.secrets_of(options.url))

    def open(self) -> None:
        """See that pictures can be written; a warm camera is opened, and not waited for.

        Raises
        ------
        ActionError
            They cannot, or the package ``av`` is missing.
        """
        if find_spec("av") is None:
            raise ActionError("camera needs the package av: pip install 'listener[camera]'")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._temporary()
            probe.touch()
            self._clear_away(until=probe.stat().st_mtime - LEFT_S)
            probe.unlink()
        except OSError as error:
            message = f"directory: nothing can be written to '{self._folder}': {error.strerror}"
            raise ActionError(message) from error
        if self.options.warm:
            self._kept = self._process(stays=True)
            self._kept.start()

    def run(self, event: Event, context: ActionContext) -> None:
        """Take what is wanted and make the first of it known.

        Raises
        ------
        TransientError
            The camera gives no picture.
        ActionError
            It refuses for good, or no picture can be written.
        """
        stills = [self._temporary() for _ in range(self.options.stills)]
        video = None if self.options.video is None else self._temporary()
        files = [*stills, *([] if video is None else [video])]
        try:
            answer = self._take(self._shot(event, stills, video), context)
            self._keep(event, answer, files, video, context)
        finally:
            for path in files:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        if context.cancelled.is_set():
            raise ActionError("given up")
        if answer.why:
            told = f"no picture from {self._told}: {answer.why}"
            raise TransientError(told) if answer.may_pass else ActionError(told)

    def cancel(self) -> None:
        """Let runs see that they were given up."""
        with self._lock:
            processes = list(self._open)
        for process in processes:
            process.wake()

    def close(self) -> None:
        """End the camera's process."""
        with self._lock:
            processes = list(self._open)
        for process in processes:
            process.close()

    def _take(self, shot: Shot, context: ActionContext) -> Answer:
        if self._kept is not None:
            return self._kept.take(shot, context.cancelled)
        with self._opened() as process:
            return process.take(shot, context.cancelled)

    @contextmanager
    def _opened(self) -> Iterator[CameraProcess]:
        """Give a camera that is opened for one event."""
        process = self._process(stays=False)
        process.start()
        try:
            yield process
        finally:
            process.close()
            with self._lock:
                self._open.remove(process)

    def _process(self, stays: bool) -> CameraProcess:
        chosen = self.options
        camera = Camera(
            url=chosen.url,
            format=chosen.format or address.format_of(chosen.url),
            options=address.options_of(chosen.url)
            | {name: _option(value) for name, value in chosen.options.items()},
            open_s=chosen.open_s,
            stall_s=chosen.stall_s,
            max_age_s=chosen.max_age_s,
            before_s=0.0 if chosen.video is None else chosen.video.before_s,
        )
        process = CameraProcess(self.name, camera, self._told, stays)
        with self._lock:
            self._open.append(process)
        return process

    def _shot(self, event: Event, stills: list[Path], video: Path | None) -> Shot:
        values = template.field_values(event, clip=None) | {"time": TIME_MARK}
        film = self.options.video
        return Shot(
            number=0,
            stills=tuple(map(str, stills)),
            interval_s=self.options.interval_s,
            quality=self.options.quality,
            caption=template.fill(self.options.caption, values),
            video=None if video is None else str(video),
            before_s=0.0 if film is None else film.before_s,
            after_s=0.0 if film is None else film.after_s,
        )

    def _keep(
        self, event: Event, answer: Answer, files: list[Path], video: Path | None, context: ActionContext
    ) -> None:
        """Give what was written its name, and make the first known."""
        stem = stem_of(self.options.filename, event)
        written = [path for path in files if str(path) in answer.written]
        for number, path in enumerate(written):
            suffix = ".mp4" if path == video else ".jpg"
            try:
                with free_name(self._folder, stem, [suffix]) as free:
                    named = path.rename(with_suffix(free, suffix))
            except OSError as error:
                message = f"no picture can be written to '{self._folder}': {error.strerror}"
                raise ActionError(message) from error
            if not number:
                context.publish_picture(named)

    def _temporary(self) -> Path:
        """Give a hidden name that nobody else writes to."""
        return self._folder / f".{os.getpid()}-{id(self)}-{next(self._numbers)}{UNFINISHED}"

    def _clear_away(self, until: float) -> None:
        """Remove what was left unfinished, where it was last written before a time of the disk's clock."""
        for left in self._folder.glob(f".*{UNFINISHED}"):
            with suppress(FileNotFoundError):  # somebody else clears away too
                if left.stat().st_mtime < until:
                    left.unlink()


def _option(value: str | bool | float) -> str:
    """Write a value as libav reads it."""
    return str(int(value)) if isinstance(value, bool) else str(value)
