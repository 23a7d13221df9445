"""From the moment in which an action is told of an event to the picture on the disk.

The cameras are those of the tests, on the same machine: GStreamer's RTSP server with 1280x720 at 15
pictures a second, H.264 with a key picture every two seconds, and a small HTTP server. What they take of the
machine is in the figures. How old a picture is stands in it: it shows when it was taken.
"""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.findings import Effort, Finding, Goal, Spread, at_most
from listener.actions.base import ActionContext, Recording
from listener.actions.camera import CameraAction, CameraOptions
from listener.errors import ActionError
from listener.types import Event, Phase
from tests.cameras import SYSTEM_PYTHON, HttpCamera, RtspCamera, taken_ms

GROUP = "camera"
LIMIT_MS = 200.0
"""For a camera that is kept open."""
PAUSE_S = 0.1
"""Between two triggers; some of it at random, as a trigger knows nothing of the camera's pace."""
WARM, COLD = 20, 4
"""Triggers in a round."""


def measure(effort: Effort, folder: Path, shipped: Path) -> list[Finding]:
    """Trigger cameras that are kept open, and cameras that are opened at need."""
    findings: list[Finding] = []
    with ExitStack() as stack:
        http = stack.enter_context(HttpCamera())
        urls = {"MJPEG": http.url("cam.mjpg")}
        if Path(SYSTEM_PYTHON).exists():
            rtsp = stack.enter_context(RtspCamera(rate=15, gop=30, size=(1280, 720)))
            urls["RTSP 720p"] = rtsp.url
        for kind, url in urls.items():
            for warm in (True, False):
                times = effort.rounds * (WARM if warm else COLD)
                delays_ms, ages_ms = _shots(url, warm, times, folder / "pictures")
                name = f"{kind}, {'warm' if warm else 'opened at need'}"
                between = "from what it shows to the trigger" if warm else "from the trigger to what it shows"
                goal = at_most("camera", LIMIT_MS) if warm else None
                findings += [
                    _finding(f"{name}: trigger to picture, p50", delays_ms, 50),
                    _finding(f"{name}: trigger to picture, p99 of {times}", delays_ms, 99, goal=goal),
                    _finding(f"{name}: {between}, p50", ages_ms, 50),
                ]
    return findings


def _shots(url: str, warm: bool, times: int, folder: Path) -> tuple[list[float], list[float]]:
    action = CameraAction("photo", CameraOptions(url=url, warm=warm, directory=folder, filename="{id}"))
    action.open()
    dice, pause = np.random.default_rng(0), threading.Event()
    delays_ms, ages_ms = [], []
    try:
        if warm:
            _shot(action, 0)  # it has to be opened first
        for number in range(1, times + 1):
            pause.wait(PAUSE_S * dice.uniform(1, 2))
            begun_s = time.monotonic()
            path = _shot(action, number)
            delays_ms.append(1000 * (time.monotonic() - begun_s))
            with Image.open(path) as image:
                ages_ms.append(abs(1000 * begun_s - taken_ms(image)))
            path.unlink()
    finally:
        action.close()
    return delays_ms, ages_ms


def _shot(action: CameraAction, number: int) -> Path:
    event = Event(str(number), Phase.ONSET, "made up", "sound", 0.0, None, 1.0, 1.0, "none/0")
    pictures: list[Path] = []
    action.run(event, ActionContext(_no_sound, publish_picture=pictures.append))
    return pictures[0]


def _no_sound(start_s: float, end_s: float) -> Recording:
    raise ActionError("there is none")


def _finding(what: str, values_ms: list[float], percentile: int, goal: Goal | None = None) -> Finding:
    value = float(np.percentile(values_ms, percentile))
    return Finding(GROUP, what, Spread(value, value, value), "ms", goal=goal)
