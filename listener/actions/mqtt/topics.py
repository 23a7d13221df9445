"""Topics: what a label or a source may never do is reach another one, or end the connection.

A broker drops who publishes to a topic with a wildcard, a zero byte or a control character in it,
and ``$`` at its beginning means the broker's own topics. So every value is one level of the topic,
of printable characters; the rest becomes ``_``.
"""

import hashlib
import re
from collections.abc import Mapping

from listener.actions import template
from listener.types import Event

FIELDS = ("source", "label", "phase", "node")
"""What a topic may contain."""

FORBIDDEN = "+#/"
"""Wildcards, and what divides levels."""

MAX_VALUE_BYTES = 100
"""Longest text of one field, in UTF-8."""

MAX_TOPIC_BYTES = 65_535
"""Of a topic in UTF-8: what MQTT has room for."""

MAX_TEMPLATE = 500
"""Characters of a template: with its fields filled in it is far shorter than a topic may be."""

MAX_SLUG = 60
"""Characters of a part of an id."""

_NO_SLUG = re.compile(r"[^A-Za-z0-9_-]")


def level(text: str) -> str:
    """Make any text one level of a topic; never empty."""
    kept = "".join(
        character if character.isprintable() and character not in FORBIDDEN else "_" for character in text
    )
    if kept.startswith("$"):
        kept = f"_{kept[1:]}"
    return kept.encode()[:MAX_VALUE_BYTES].decode(errors="ignore") or "_"


def slug(text: str) -> str:
    """Make any text a part of an id: letters, digits, ``_`` and ``-``; what had to be changed gets a hash."""
    kept = _NO_SLUG.sub("_", text)[:MAX_SLUG]
    if kept == text and kept:
        return kept
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{kept}_{digest}"


def is_topic(text: str) -> bool:
    """Say whether a broker lets anybody publish there; one that does not may end the connection."""
    if not text.isprintable() or text.startswith("$") or set(text) & set("+#"):
        return False
    return 0 < len(text.encode()) <= MAX_TOPIC_BYTES


def why_no_topic(text: str) -> str:
    """Say why a topic, or a template of one, cannot be published to; empty where it can."""
    if not text or len(text) > MAX_TEMPLATE:
        return f"must have 1 to {MAX_TEMPLATE} characters"
    if "+" in text or "#" in text:
        return "must not contain + or #: they are wildcards of subscriptions"
    if text.startswith("$"):
        return "must not begin with $: such topics are the broker's own"
    if not text.isprintable():
        return "must not contain control characters"
    return ""


def event_topic(text: str, event: Event, node: str) -> str:
    """Fill an event into a template."""
    values: Mapping[str, str] = {
        "source": level(event.source),
        "label": level(event.label),
        "phase": event.phase.value,
        "node": level(node),
    }
    return template.fill(text, values)


class NodeTopics:
    """Topics of how the machine is.

    Parameters
    ----------
    node
        Its name: a part of an id.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self.base = f"listener/{node}/state"
        """What they all begin with: one level more than an event's, so that they never meet."""
        self.availability = f"{self.base}/availability"
        """``online`` or ``offline``, retained."""
        self.last_event = f"{self.base}/last_event"
        """The newest event's beginning, retained."""

    def label(self, label: str) -> str:
        """``ON`` while it is heard."""
        return f"{self.base}/label/{slug(label)}"

    def source(self, source: str) -> str:
        """How a microphone is: a word of `listener.types.SourceState`."""
        return f"{self.base}/source/{slug(source)}/state"

    def level(self, source: str) -> str:
        """Its level in dBFS."""
        return f"{self.base}/source/{slug(source)}/level"

    def action(self, action: str) -> str:
        """``ON``, or ``OFF`` while it is paused; what is published to ``.../set`` switches it."""
        return f"{self.base}/action/{slug(action)}"

    def command(self, action: str) -> str:
        """Where somebody asks for an action to be switched."""
        return f"{self.action(action)}/set"
