"""The thread that keeps a camera open, and the newest picture that came from it."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from listener.actions.camera_process.arrivals import Arrivals
from listener.actions.camera_process.errors import CameraError, ForgottenError, why_of
from listener.actions.camera_process.messages import Camera
from listener.actions.camera_process.ring import Encoded, Ring
from listener.actions.camera_process.stamps import Stamper

FIRST_PAUSE_S = 0.5
"""Before a camera is opened again; each further pause is twice as long."""

LONGEST_PAUSE_S = 30.0
"""No pause is longer. Whoever wants a picture cuts it short, down to the first one."""

RING_BYTES = 96 * 2**20
"""Bound of the video that is kept: 60 s at 12 Mbit/s."""

CLOCKLESS = ("mpjpeg", "mjpeg", "mjpeg_2000")
"""Formats whose timestamps are made up."""

if TYPE_CHECKING:
    AnyPacket: TypeAlias = av.Packet[Any]
    VideoPacket: TypeAlias = av.Packet[VideoStream]
else:
    AnyPacket = VideoPacket = av.Packet


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    frame: VideoFrame
    """What it shows."""

    at_s: float
    """``time.monotonic()`` at which it was taken, as near as can be told."""


class Feed:
    """Opens a camera, reads it, and opens it again for ever.

    Parameters
    ----------
    camera
        Which.
    on_state
        Told when pictures come, and why they do not any more; called with `changed` held.
    """

    def __init__(self, camera: Camera, on_state: Callable[[bool, str], None]) -> None:
        self.camera = camera
        self.changed = threading.Condition()
        """Held by whoever reads or writes what is in here."""
        self.stream: VideoStream | None = None
        """What is read now."""
        self.ring = Ring(camera.before_s, RING_BYTES)
        self.sinks: list[Callable[[Encoded], None]] = []
        """Told of each encoded picture; they neither block nor raise."""
        self.is_single = False
        """It sends one picture, and is asked again for the next."""
        self._has_clock = False
        self._stamper = Stamper(False)
        self._on_state = on_state
        self._newest: Picture | None = None
        self._is_still = False
        self._n_frames = 0
        self._is_refused = False
        self._failed_openings = 0
        self._why: CameraError | None = None
        self._told: tuple[bool, str] | None = None
        self._wanted = 0
        self._asked_s = 0.0
        self._busy_since_s: float | None = None

    def await_picture(self, due_s: float, after_s: float, is_forgotten: Callable[[], bool]) -> Picture:
        """Give a picture that counts as one of ``due_s``; wait for it while there is hope.

        Parameters
        ----------
        due_s
            When it is wanted, a moment of ``time.monotonic()``.
        after_s
            It is newer than this.
        is_forgotten
            Says that nobody waits any more; `changed` is notified when that is so.

        Raises
        ------
        CameraError
            There is none.
        ForgottenError
            Nobody waits any more.
        """
        patience_s = self.camera.open_s + self.camera.stall_s
        with self.changed:
            failed_before = self._failed_openings
            self._wanted += 1
            self._asked_s = max(self._asked_s, due_s)
            self.changed.notify_all()
            try:
                self.changed.wait_for(
                    lambda: (
                        self._is_of(due_s, after_s)
                        or is_forgotten()
                        or self._is_refused
                        or self._failed_openings > failed_before
                    ),
                    patience_s,
                )
            finally:
                self._wanted -= 1
            if is_forgotten():
                raise ForgottenError
            if self._newest is not None and self._is_of(due_s, after_s):
                return self._newest
            raise self._why or CameraError(f"no picture came within {patience_s:g} s")

    def run(self) -> None:
        """Do it, for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._watch()
                why, has_ended = CameraError("the stream ended"), True
            except Exception as error:  # noqa: BLE001 - whatever it is, the camera is opened again
                why, has_ended = why_of(error, self.camera, was_open=self.stream is not None), False
            had_picture = self._lose(why, has_ended)
            pause_s = FIRST_PAUSE_S if had_picture else min(2 * pause_s, LONGEST_PAUSE_S)
            self._rest(pause_s, why)

    def hangs(self, for_s: float) -> bool:
        """Say whether libav has not come back for so long: no time-out reached it."""
        since_s = self._busy_since_s
        return since_s is not None and time.monotonic() - since_s > for_s

    def _is_of(self, due_s: float, after_s: float) -> bool:
        if self._newest is None or self._newest.at_s <= after_s:
            return False
        # One that was asked for is taken when it is asked for, be it a moment later.
        return self._newest.at_s >= (due_s if self._is_still else due_s - self.camera.max_age_s)

    def _watch(self) -> None:
        """Read one connection to its end."""
        opened_s = self._busy_since_s = time.monotonic()
        with closing(_opened(self.camera)) as container:
            if not container.streams.video:
                raise CameraError("it sends no video", is_final=True)
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 2
            stream.codec_context.thread_type = "SLICE"  # others hold pictures back
            name = container.format.name
            is_single = name.endswith("_pipe") or name == "image2"
            with self.changed:
                self.stream, self.is_single = stream, is_single
                self._has_clock = not is_single and name not in CLOCKLESS
                self._stamper = Stamper(self._has_clock)
            self._read(container, stream, Arrivals(opened_s, time.monotonic(), piles_up=not is_single))

    def _read(self, container: InputContainer, stream: VideoStream, arrivals: Arrivals) -> None:
        asked_s = picture_s = time.monotonic()
        # All that is in it: sound alone does not make a stream that goes on.
        for packet in container.demux():
            now_s = self._busy_since_s = time.monotonic()
            if packet.stream.index == stream.index:
                at_s = arrivals.taken_s(asked_s, now_s, self._stamp_s(packet))
                if now_s - at_s > self.camera.max_age_s + self.camera.open_s + self.camera.stall_s:
                    raise CameraError(f"its pictures come {now_s - at_s:.0f} s late")
                self._keep(packet, at_s)
                if self._decode(cast(VideoPacket, packet), at_s):
                    picture_s = now_s
            asked_s = time.monotonic()
            if asked_s - picture_s > self.camera.stall_s:
                raise CameraError(f"no picture came for {self.camera.stall_s:g} s")

    def _stamp_s(self, packet: AnyPacket) -> float | None:
        stamp = packet.pts if packet.dts is None else packet.dts
        if not self._has_clock or stamp is None or packet.time_base is None:
            return None
        return float(stamp * packet.time_base)

    def _keep(self, packet: AnyPacket, at_s: float) -> None:
        """Keep what came, as it came."""
        if not packet.size:
            return  # the end
        stamped = self._stamper.add(
            bytes(packet), packet.is_keyframe, at_s, packet.pts, packet.dts, packet.time_base
        )
        with self.changed:
            for encoded in stamped:
                self.ring.add(encoded)
                for sink in self.sinks:
                    sink(encoded)

    def _decode(self, packet: VideoPacket, at_s: float) -> bool:
        try:
            frames = [frame for frame in packet.decode() if not frame.is_corrupt]
        except av.error.FFmpegError:
            return False  # rubbish, or the rest of what began before this connection
        if not frames:
            return False
        with self.changed:
            self._n_frames += len(frames)
            self._newest = Picture(frames[-1], at_s)
            self._tell(True, "")
            self.changed.notify_all()
        return True

    def _lose(self, why: CameraError, has_ended: bool) -> bool:
        """Take note of the end of a connection; tell whether it had brought a picture."""
        with self.changed:
            n_frames, self._n_frames = self._n_frames, 0
            self.stream, self._busy_since_s = None, None
            self.ring.clear()
            self._is_still = has_ended and n_frames == 1
            if not self._is_still:
                self._tell(False, str(why))
            if not n_frames:
                self._failed_openings += 1
                self._why = why
            self.changed.notify_all()
            return n_frames > 0

    def _tell(self, live: bool, why: str) -> None:
        if self._told != (live, why):
            self._told = (live, why)
            self._on_state(live, why)

    def _rest(self, pause_s: float, why: CameraError) -> None:
        """Wait until it is time to open again."""
        with self.changed:
            if self._is_still:
                self.changed.wait_for(self._is_wanted)
            elif why.is_final:
                # Many a camera locks out who tries a wrong password again and again: nobody may hurry this.
                self._is_refused = True
                self.changed.wait_for(lambda: False, LONGEST_PAUSE_S)
                self._is_refused = False
            else:
                self.changed.wait_for(lambda: False, FIRST_PAUSE_S)
                self.changed.wait_for(lambda: self._wanted > 0, pause_s - FIRST_PAUSE_S)

    def _is_wanted(self) -> bool:
        return self._wanted > 0 and (self._newest is None or self._newest.at_s < self._asked_s)


def _opened(camera: Camera) -> InputContainer:
    return av.open(
        camera.url,
        "r",
        format=camera.format,
        options=dict(camera.options),
        metadata_errors="replace",
        timeout=(camera.open_s, camera.stall_s),
    )
