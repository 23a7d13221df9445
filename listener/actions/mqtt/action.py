"""The ``mqtt`` action: puts events into the outbox, and looks after the rest."""

import hashlib
import logging
import platform
import threading
from pathlib import Path

from listener.actions.base import Action, ActionContext, Program
from listener.actions.mqtt.connection import TlsContext, tls_context
from listener.actions.mqtt.home import HomeAssistant
from listener.actions.mqtt.link import Link
from listener.actions.mqtt.options import MqttOptions
from listener.actions.mqtt.outbox import Outbox
from listener.actions.mqtt.states import States
from listener.actions.mqtt.topics import NodeTopics, event_topic, slug
from listener.config import ActionSettings
from listener.errors import ActionError
from listener.event_format import event_json
from listener.logs import hide
from listener.state_folder import state_folder
from listener.types import Event, Phase

log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""How long the end may take: what waits is sent, if the broker is there."""


class MqttAction(Action):
    """Publishes events."""

    Options = MqttOptions
    options: MqttOptions
    is_remote = True

    def __init__(self, name: str, options: MqttOptions) -> None:
        super().__init__(name, options)
        hide([options.password] if options.password else [])
        node = options.node or slug(platform.node() if name == "mqtt" else f"{platform.node()}_{name}")
        self.topics = NodeTopics(node)
        self._settings: ActionSettings | None = None
        self._program: Program | None = None
        self._tls: TlsContext | None = None
        self._starting = threading.Lock()
        self._link: Link | None = None
        self._home: HomeAssistant | None = None
        self._outbox = Outbox(name, _queue_path(name), options.queue)

    def adapt(self, settings: ActionSettings) -> ActionSettings:
        """Answer to the ends of sounds as well where Home Assistant is told: or no sensor would go off.

        Raises
        ------
        ActionError
            The settings say that no end, or no beginning, is answered.
        """
        if self.options.discovery is not None:
            if "when" not in settings.model_fields_set:
                settings = settings.model_copy(update={"when": "both"})
            if not {Phase.ONSET, Phase.OFFSET} <= set(settings.phases):
                raise ActionError(
                    "when: 'discovery' has to hear of beginnings and ends, or no sensor would go off: "
                    "leave it out, or write both"
                )
        self._settings = settings
        return settings

    def join(self, program: Program) -> None:
        """Remember what Home Assistant is to be shown."""
        self._program = program

    def open(self) -> None:
        """Read the certificates, and begin to look for the broker; nobody waits for it.

        Raises
        ------
        ActionError
            A file of ``tls`` cannot be used.
        """
        if self.options.tls is not None:
            self._tls = tls_context(self.options.tls)
            if self.options.tls.insecure:
                log.warning("action '%s': tls.insecure: anybody may be the broker", self.name)
        elif self.options.password is not None and not _is_near(self.options.host):
            log.info("action '%s': the password is sent for all on the way to read: see tls", self.name)
        if self._program is not None:  # else it is only checked
            self._start()

    def run(self, event: Event, context: ActionContext) -> None:
        """Put the event into the outbox: it reaches the broker as soon as that is there.

        The same event may come to the broker twice, after a connection or the program broke off before it
        was acknowledged; it has the same ``id`` and ``phase`` then.
        """
        link = self._start()
        if self._home is not None:
            self._home.note(event)
        key = "" if event.phase is Phase.UPDATE else context.key
        topic = event_topic(self.options.topic, event, self.topics.node)
        self._outbox.put(key, topic, event_json(event))
        link.wake()

    @property
    def lost(self) -> int:
        """Messages that the queue had no room for, or that the broker refused."""
        return self._outbox.dropped + self._outbox.refused

    def close(self) -> None:
        """Send what waits, tell the broker that we go, and end the connection."""
        if self._home is not None:
            self._home.end()
        if self._link is not None:
            self._link.stop(CLOSE_S)

    def _start(self) -> Link:
        with self._starting:
            if self._link is None:
                states = States()
                discovery = self.options.discovery
                if discovery is not None and self._program is not None and self._settings is not None:
                    self._home = HomeAssistant(
                        self.name, self._settings, discovery, self.topics, self._program, states
                    )
                self._link = Link(
                    self.name,
                    self.options,
                    self.options.client_id or _client_id(self.name),
                    self._tls,
                    self.topics.availability,
                    self._outbox,
                    states,
                    self._home,
                )
                self._link.start()
            return self._link


def _queue_path(name: str) -> Path | None:
    folder = state_folder()
    return None if folder is None else folder / "mqtt" / f"{slug(name)}.sqlite3"


def _client_id(name: str) -> str:
    """Make an id that is the same after a restart: the broker takes it for the one that it knew before.

    Of 22 letters and digits, which every broker has to take.
    """
    told = f"{platform.node()}\0{state_folder()}\0{name}"
    return f"listener{hashlib.sha256(told.encode(errors='replace')).hexdigest()[:14]}"


def _is_near(host: str) -> bool:
    """Say whether what is sent to a host stays on the machine."""
    return host in ("localhost", "::1") or host.startswith("127.")
