"""``use: notify``: a message to a phone, a chat or a mailbox, through Apprise.

Each service has to be told once: when some were and others not, a further try goes to the others only.
"""

import logging
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field, field_validator

from listener.actions import template
from listener.actions.attachments import Attachment, attachments
from listener.actions.base import Action, ActionContext
from listener.actions.notify.courier import Couriers, Message
from listener.config import Options
from listener.errors import ActionError, TransientError, one_line
from listener.event_format import event_line
from listener.logs import hide
from listener.logs.redaction import Redactor
from listener.types import Event

log = logging.getLogger(__name__)

FIELDS = ("text", *template.FIELDS)
"""What a title and a body may contain; ``text`` is the event as the log has it."""

CHECK_S = 60.0
"""Longest time to look at the URLs, in seconds: a small machine loads Apprise for a while."""

MESSAGES_KEPT = 1024
"""Messages for which it is remembered who has them: more than can be tried again at once."""

LONGEST_PROBLEM = 200
"""Characters of what Apprise says that are told."""

STATUS = re.compile(r"\b(?:error|code|status)\W{1,3}(\d{3})\b", re.IGNORECASE)
"""An HTTP status in what Apprise says."""

MAY_PASS = frozenset({408, 425, 429})
"""Beside those that are no refusal at all."""

Importance = Literal["info", "success", "warning", "failure"]
"""Apprise's types: services show them as a colour or a sign."""


class NotifyOptions(Options):
    """Settings of the ``notify`` action."""

    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    """Apprise URLs, such as ``ntfy://topic``: https://github.com/caronc/apprise/wiki. Each is told."""

    title: str = "{label}"
    """With ``{text}`` (the event in a line) and the fields of a ``command``."""

    body: Annotated[str, Field(min_length=1)] = "{text}"
    """Likewise; plain text."""

    type: Importance = "info"
    """``info``, ``success``, ``warning`` or ``failure``."""

    types: dict[str, Importance] = {}
    """Another one for some labels; ``*`` and ``?`` are wild, and the first that fits counts."""

    attach: tuple[Attachment, ...] = ()
    """``clip`` and ``picture`` of the event."""

    @field_validator("title", "body")
    @classmethod
    def _has_known_fields(cls, value: str) -> str:
        template.fields_of(value, FIELDS)
        return value


@dataclass(slots=True)
class _Progress:
    """Who has a message, and who does not want it."""

    through: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)


class NotifyAction(Action):
    """Sends messages."""

    Options = NotifyOptions
    options: NotifyOptions
    is_remote = True

    def __init__(self, name: str, options: NotifyOptions) -> None:
        super().__init__(name, options)
        fields = template.fields_of(options.title, FIELDS) | template.fields_of(options.body, FIELDS)
        self.wants_clip = "clip" in options.attach or "clip" in fields
        self.wants_picture = "picture" in options.attach or "picture" in fields
        self._couriers = Couriers()
        self._secrets = Redactor()
        self._progress: OrderedDict[str, _Progress] = OrderedDict()

    def open(self) -> None:
        """Look at the URLs. Nobody is asked whether they lead anywhere.

        Raises
        ------
        ActionError
            Apprise is not installed, or does not know what one of them means.
        """
        if find_spec("apprise") is None:
            raise ActionError("notify needs the package apprise: pip install 'listener[notify]'")
        hide(self.options.urls)
        self._secrets.hide(part for url in self.options.urls for part in _private_parts(url))
        try:
            problems = [one for one in self._looked_at() if one[1]]
            if problems:
                raise ActionError("; ".join(self._told(index, problem) for index, problem in problems))
        except ActionError:
            self.close()
            raise

    def _looked_at(self) -> list[tuple[int, str]]:
        too_late = threading.Event()

        def give_up() -> None:
            too_late.set()
            self._couriers.cut()

        timer = threading.Timer(CHECK_S, give_up)
        timer.name = f"action:{self.name}:check"
        timer.start()
        try:
            with self._couriers.one(too_late) as courier:
                return list(courier.ask(dict(enumerate(self.options.urls)), None))
        finally:
            timer.cancel()
            timer.join()

    def run(self, event: Event, context: ActionContext) -> None:
        """Tell all who have not been told in an attempt before.

        Raises
        ------
        TransientError
            Somebody could not be told for now.
        ActionError
            Somebody refuses.
        """
        progress = self._progress.setdefault(context.key, _Progress())
        if len(self._progress) > MESSAGES_KEPT:
            self._progress.popitem(last=False)
        waiting = {index: url for index, url in enumerate(self.options.urls) if index not in progress.through}
        later: list[str] = []
        try:
            with self._couriers.one(context.cancelled) as courier:
                for index, problem in courier.ask(waiting, self._message(event, context)):
                    if problem and _may_pass(problem):
                        later.append(self._told(index, problem))
                        continue
                    progress.through.add(index)
                    if problem:
                        progress.refused.append(self._told(index, problem))
        except TransientError:
            if context.cancelled.is_set():
                raise ActionError("given up") from None
            raise
        if later:
            raise TransientError("; ".join(later))
        self._progress.pop(context.key, None)
        if progress.refused:
            raise ActionError("; ".join(progress.refused))

    def cancel(self) -> None:
        """End what was given up."""
        self._couriers.cut()

    def close(self) -> None:
        """End the processes."""
        self._couriers.close()

    def _message(self, event: Event, context: ActionContext) -> Message:
        values = {**template.field_values(event, context.clip), "text": event_line(event)}
        files = [path.absolute() for _, path in attachments(self.options.attach, context)]
        return Message(
            title=" ".join(template.fill(self.options.title, values).split()),
            body=template.fill(self.options.body, values),
            type=self._importance(event.label),
            attach=tuple(str(path) for path in files),
        )

    def _importance(self, label: str) -> Importance:
        fitting = (kind for pattern, kind in self.options.types.items() if fnmatchcase(label, pattern))
        return next(fitting, self.options.type)

    def _told(self, index: int, problem: str) -> str:
        scheme, found, _ = self.options.urls[index].partition("://")
        named = f"urls[{index}] ({scheme}://)" if found else f"urls[{index}]"
        told = one_line(self._secrets.redact(problem))[:LONGEST_PROBLEM]
        return f"{named}: {told.rstrip('.')}"  # the log puts more behind it


def _may_pass(problem: str) -> bool:
    """Say whether it may go better later, as far as Apprise's words tell."""
    statuses = [int(status) for status in STATUS.findall(problem)]
    return not any(400 <= status < 500 and status not in MAY_PASS for status in statuses)


def _private_parts(url: str) -> list[str]:
    """Give what of a URL is told nowhere: all but the scheme and what looks like a host."""
    _, _, rest = url.partition("://")
    parts = re.split(r"[/?&=:@#]+", rest or url)
    return [url, *(part for part in parts if len(part) >= 6 and not re.fullmatch(r"[\w-]+(\.[\w-]+)+", part))]
