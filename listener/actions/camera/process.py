"""The program's side of a camera's process: starts it, asks it, and ends it whatever it is doing."""

import logging
import threading
import time
from dataclasses import replace
from itertools import count
from threading import Event as Flag

from listener.actions.camera.child import Child, started
from listener.actions.camera_process.messages import Answer, Camera, Forget, Shot, State, line, report_of
from listener.errors import one_line

log = logging.getLogger(__name__)

FORGET_S = 1.5
"""Seconds that a shot which was given up has to end before the process is ended instead."""

FIRST_PAUSE_S = 1.0
"""Before a process that has ended is started again; each further pause is twice as long."""

LONGEST_PAUSE_S = 60.0
"""No pause is longer."""

WELL_AFTER_S = 60.0
"""A process that lived this long was well."""

CLOSE_S = 2.0
"""Seconds that a killed process may take to end; one that a driver holds in the kernel never does."""

AWAY = "its process has ended"


class CameraProcess:
    """A camera that is open as long as this is.

    Parameters
    ----------
    name
        Of the action.
    camera
        What is opened.
    told
        Its address, as it may be told.
    stays
        The process is started again when it ends, and what becomes of the camera is logged.
    """

    def __init__(self, name: str, camera: Camera, told: str, stays: bool) -> None:
        self._name = name
        self._camera = camera
        self._told = told
        self._stays = stays
        self._changed = threading.Condition()
        self._child: Child | None = None
        self._ended = AWAY
        self._answers: dict[int, Answer | None] = {}
        self._numbers = count(1)
        self._is_over = False
        self._thread = threading.Thread(target=self._keep, name=f"camera:{name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def take(self, shot: Shot, cancelled: Flag) -> Answer:
        """Have something taken; the shot's number is given here.

        Parameters
        ----------
        shot
            What.
        cancelled
            It is given up: `wake` is called after it was set.

        Returns
        -------
        Answer
            Also where nothing came of it; nothing is written any more.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._child is not None or self._is_over or cancelled.is_set(), self._camera.open_s
            )
            if self._child is None or cancelled.is_set():
                return Answer(0, (), "given up" if cancelled.is_set() else self._ended)
            number = next(self._numbers)
            self._answers[number] = None
            self._child.send(line(replace(shot, number=number)))
            self._changed.wait_for(lambda: self._answers[number] is not None or cancelled.is_set())
            if self._answers[number] is None:
                self._forget(self._child, number)
            return self._answers.pop(number) or Answer(number, (), "given up")

    def wake(self) -> None:
        """Let those who wait look whether they were given up."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End it. Does nothing the second time."""
        with self._changed:
            self._is_over = True
            if self._child is not None:
                self._child.kill()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)

    def _forget(self, child: Child | None, number: int) -> None:
        """Wait until a shot that is given up writes no more; call with `_changed` held."""
        if child is None:
            return
        child.send(line(Forget(number)))
        if not self._changed.wait_for(lambda: self._answers[number] is not None, FORGET_S):
            child.kill()
            self._changed.wait_for(lambda: self._answers[number] is not None, FORGET_S)

    def _keep(self) -> None:
        """Run the process, for as long as it is wanted."""
        pause_s = FIRST_PAUSE_S
        while True:
            started_s = time.monotonic()
            try:
                self._serve()
            except OSError as error:
                self._ended = f"no process can be started for the camera: {error.strerror}"
            with self._changed:
                if not self._stays:
                    self._is_over = True
                    self._changed.notify_all()
                if self._is_over:
                    return
                log.error("action '%s': %s; it is started again", self._name, self._ended)
                if time.monotonic() - started_s > WELL_AFTER_S:
                    pause_s = FIRST_PAUSE_S
                self._changed.wait_for(lambda: self._is_over, pause_s)
                if self._is_over:
                    return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _serve(self) -> None:
        with started() as child:
            try:
                with self._changed:
                    if self._is_over:
                        return
                    child.send(line(self._camera))
                    self._child = child
                    self._changed.notify_all()
                self._read(child)
            finally:
                child.kill()
                self._note_end(f"{AWAY}: {child.ending()}")

    def _note_end(self, why: str) -> None:
        with self._changed:
            self._child, self._ended = None, why
            for number, answer in self._answers.items():
                self._answers[number] = answer or Answer(number, (), why)
            self._changed.notify_all()

    def _read(self, child: Child) -> None:
        for text in child.reports():
            report = report_of(text)
            if isinstance(report, State):
                self._tell(report)
                continue
            with self._changed:
                if report.number in self._answers:
                    self._answers[report.number] = report
                    self._changed.notify_all()

    def _tell(self, state: State) -> None:
        if not self._stays:
            return  # what went wrong is the answer, too
        if state.live:
            log.info("action '%s': pictures come from %s", self._name, self._told)
        else:
            log.warning(
                "action '%s': no pictures from %s: %s; it is tried for ever",
                self._name,
                self._told,
                one_line(state.why),
            )
