"""``use: log``: one line in the log for every event, and all of its fields in systemd's journal."""

import logging
from typing import Literal

from listener.actions.base import Action, ActionContext
from listener.config import Options
from listener.event_format import event_dict, event_line
from listener.logs import fields
from listener.types import Event

log = logging.getLogger(__name__)

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LogOptions(Options):
    """Settings of the ``log`` action."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """How important the line is."""


class LogAction(Action):
    """Writes what was heard to the log."""

    Options = LogOptions
    options: LogOptions

    def run(self, event: Event, context: ActionContext) -> None:
        """Write the line; its fields are called as in the environment of a command."""
        of_event = event_dict(event)
        of_event["event_id"] = of_event.pop("id")
        log.log(LEVELS[self.options.level], "%s", event_line(event), extra=fields(**of_event))
