"""``use: camera``: pictures of what was heard, and short films with the seconds before it.

libav has a process of its own (`listener.actions.camera_process`); `process` is this side of it.
"""

from listener.actions.camera.action import CameraAction
from listener.actions.camera.options import CameraOptions

__all__ = ["CameraAction", "CameraOptions"]
