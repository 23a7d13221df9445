"""``use: socket``: events as lines, for other programs."""

from listener.actions.socket.action import SocketAction

__all__ = ["SocketAction"]
