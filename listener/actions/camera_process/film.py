"""A short film: what the camera sent, put into an MP4 file as it is."""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from listener.actions.camera_process.errors import CameraError, ForgottenError
from listener.actions.camera_process.feed import RING_BYTES, Feed
from listener.actions.camera_process.ring import Encoded


class Film:
    """Takes what a camera sends from some seconds ago on; the camera is open.

    Parameters
    ----------
    feed
        What sends it.
    path
        Where it is written.
    from_s
        When it begins, a moment of ``time.monotonic()``; earlier, at the key picture before that.

    Raises
    ------
    CameraError
        The camera is gone, or what it sends does not belong into MP4.
    OSError
        It cannot be written.
    """

    def __init__(self, feed: Feed, path: Path, from_s: float) -> None:
        self._feed = feed
        self._path = path
        self._waiting: deque[Encoded] = deque()
        self._n_bytes = 0
        self._last_dts: int | None = None
        self._origin: Fraction | None = None
        with feed.changed:  # the stream stays as long as this is held
            if feed.is_single:
                raise CameraError("no film: it sends single pictures and no stream", is_final=True)
            if feed.stream is None:
                raise CameraError("no film: the camera was lost")
            self._connection = feed.stream
            name = feed.stream.codec_context.name
            self._output = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
            try:
                if feed.stream.codec_context.codec.canonical_name not in self._output.supported_codecs:
                    raise CameraError(f"no film: {name} cannot be put into MP4 as it is", is_final=True)
                self._stream = self._output.add_stream_from_template(feed.stream)
            except BaseException:
                self._output.close()
                raise
            for encoded in feed.ring.since(from_s):
                self._take(encoded)
            feed.sinks.append(self._take)

    def follow(self, until_s: float, is_forgotten: Callable[[], bool]) -> None:
        """Write what comes until a moment of ``time.monotonic()``; less, if the camera is lost before.

        Raises
        ------
        ForgottenError
            Nobody waits for it any more.
        OSError
            It cannot be written.
        """
        while True:
            with self._feed.changed:
                self._feed.changed.wait_for(
                    lambda: self._waiting or self._is_lost() or is_forgotten(),
                    max(0.0, until_s - time.monotonic()),
                )
                packets = [encoded for encoded in self._waiting if encoded.at_s <= until_s]
                is_over = time.monotonic() >= until_s or self._is_lost()
                self._waiting.clear()
                self._n_bytes = 0
            if is_forgotten():
                raise ForgottenError
            for encoded in packets:
                self._write(encoded)
            if is_over:
                return

    def close(self) -> None:
        """End the file.

        Raises
        ------
        CameraError
            There is nothing in it.
        OSError
            It cannot be written.
        """
        self._leave()
        self._output.close()
        if self._origin is None:
            raise CameraError("no film: no key picture came")
        file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self._leave()
        with suppress(OSError, ValueError):  # it has failed already
            self._output.close()

    def _leave(self) -> None:
        with self._feed.changed:
            if self._take in self._feed.sinks:
                self._feed.sinks.remove(self._take)

    def _is_lost(self) -> bool:
        return self._feed.stream is not self._connection

    def _take(self, encoded: Encoded) -> None:
        """Remember what is to be written; the disk is never waited for."""
        if self._is_lost() or self._n_bytes + len(encoded.data) > RING_BYTES:
            return
        self._waiting.append(encoded)
        self._n_bytes += len(encoded.data)
        self._feed.changed.notify_all()

    def _write(self, encoded: Encoded) -> None:
        if self._origin is None:
            if not encoded.is_key:
                return
            self._origin = encoded.dts * encoded.time_base
        shift = round(self._origin / encoded.time_base)
        dts, pts = encoded.dts - shift, encoded.pts - shift
        if self._last_dts is not None:
            dts = max(dts, self._last_dts + 1)  # or libav refuses it
        self._last_dts = dts
        packet = av.Packet(encoded.data)
        packet.stream = self._stream
        packet.time_base = encoded.time_base
        packet.dts, packet.pts = dts, max(pts, dts)
        packet.is_keyframe = encoded.is_key
        self._output.mux(packet)
