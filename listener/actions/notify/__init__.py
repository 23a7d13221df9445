"""``use: notify``: a message through Apprise."""

from listener.actions.notify.action import NotifyAction

__all__ = ["NotifyAction"]
