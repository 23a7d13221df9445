"""What goes wrong with a camera, in words. No address is told: it may hold a password."""

import errno

import av

from listener.actions.camera_process.messages import Camera


class CameraError(Exception):
    """A camera gives no picture.

    Parameters
    ----------
    why
        In words, without a subject: ``refuses the connection``.
    is_final
        It will not go better soon.
    """

    def __init__(self, why: str, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class ForgottenError(Exception):
    """Nobody waits for it any more."""


REFUSED = "refuses the user name and password (401)"

ERRNO = {
    errno.ENOENT: "there is no such device or file",
    errno.ENODEV: "the device is gone",
    errno.ENXIO: "the device is gone",
    errno.EACCES: "it may not be opened: the user must be in its group (video)",
    errno.EPERM: "it may not be opened: the user must be in its group (video)",
    errno.EBUSY: "another program uses it",
    errno.ECONNREFUSED: "the connection is refused",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.EHOSTUNREACH: "it cannot be reached",
    errno.ENETUNREACH: "it cannot be reached",
    errno.ETIMEDOUT: "it does not answer",
}
"""What the system says."""


def why_of(error: Exception, camera: Camera, was_open: bool) -> CameraError:
    """Say what an error of libav means.

    Parameters
    ----------
    error
        What was raised.
    camera
        While this was opened, or read.
    was_open
        It had been opened.
    """
    if isinstance(error, CameraError):
        return error
    if isinstance(error, av.error.ExitError):  # its time-out
        told = (
            f"nothing came for {camera.stall_s:g} s" if was_open else f"no answer within {camera.open_s:g} s"
        )
        return CameraError(told)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return CameraError(REFUSED, is_final=True)
    if isinstance(error, av.error.HTTPNotFoundError):
        return CameraError("it has nothing at this path (404)", is_final=True)
    if isinstance(error, av.error.HTTPError):
        return CameraError(f"it answers with an error of HTTP: {error.strerror}")
    if isinstance(error, av.error.EOFError):
        return CameraError("the stream ended")
    if isinstance(error, av.error.InvalidDataError):
        return CameraError("what it sends is no picture")
    if isinstance(error, OSError):
        return CameraError(ERRNO.get(error.errno or 0) or f"it cannot be opened: {error.strerror}")
    return CameraError(f"{type(error).__name__}: it cannot be opened")
