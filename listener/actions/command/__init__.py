"""``use: command``: run a program for every event."""

from listener.actions.command.action import CommandAction, CommandOptions

__all__ = ["CommandAction", "CommandOptions"]
