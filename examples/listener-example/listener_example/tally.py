"""``use: tally``: counts what is heard, in a JSON file."""

import json
from pathlib import Path

from listener.actions.base import Action, ActionContext
from listener.config import Options
from listener.errors import ActionError
from listener.types import Event


class TallyOptions(Options):
    """Settings of the action, beside those that all actions have."""

    path: Path = Path("tally.json")
    """The file."""


class Tally(Action):
    """Adds one to the count of the event's label."""

    Options = TallyOptions
    options: TallyOptions

    def open(self) -> None:
        """Take up the counts of the last time."""
        try:
            self._counts = json.loads(self.options.path.read_text()) if self.options.path.exists() else {}
        except (OSError, ValueError) as error:
            raise ActionError(f"path: '{self.options.path}' holds no counts: {error}") from error

    def run(self, event: Event, context: ActionContext) -> None:
        """Count."""
        self._counts[event.label] = self._counts.get(event.label, 0) + 1
        self.options.path.write_text(json.dumps(self._counts))
