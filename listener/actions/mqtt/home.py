"""What Home Assistant sees: one device, with what the machine hears and how it is.

MQTT discovery with one retained configuration for each entity:
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

import json
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from listener import __version__
from listener.actions.base import Program
from listener.actions.mqtt.options import DiscoveryOptions
from listener.actions.mqtt.states import States
from listener.actions.mqtt.topics import NodeTopics, slug
from listener.actions.when.trigger import label_matches
from listener.config import ActionSettings
from listener.event_format import event_json
from listener.types import STATUS, Event, Phase, SourceState, SourceStats

log = logging.getLogger(__name__)

ON, OFF = "ON", "OFF"

NOT_KNOWN = "None"
"""What Home Assistant shows as unknown."""

LEAST_LEVEL_DB = -120.0
"""Of digital silence, which has no level; below full scale."""

MOST_LABELS = 200
"""Sensors; who has a model with more labels names those that he wants (``labels``)."""

MOST_OPEN = 1_000
"""Sounds of one label that may go on at once before they are taken for forgotten."""

LONGEST_NAME = 100
"""Characters."""


class HomeAssistant:
    """Describes the machine, and takes its orders.

    Parameters
    ----------
    name
        Of the action.
    settings
        Which labels it answers to.
    options
        Of the discovery.
    topics
        Where everything is told.
    program
        What is described.
    states
        Where it is put.
    """

    def __init__(
        self,
        name: str,
        settings: ActionSettings,
        options: DiscoveryOptions,
        topics: NodeTopics,
        program: Program,
        states: States,
    ) -> None:
        self._name = name
        self._patterns = settings.labels
        self._options = options
        self._topics = topics
        self._program = program
        self._states = states
        self._lock = threading.Lock()
        self._open: dict[str, set[str]] = {}
        self._labels_shown: frozenset[str] = frozenset()
        self._shown: dict[str, str] = {}
        self._commands: dict[str, str] = {}
        self._level_at = -math.inf
        self._heard: list[str] = []
        self._had_too_many = False

    def note(self, event: Event) -> None:
        """Something was heard, or is over."""
        if event.label.startswith(STATUS):
            return
        if event.phase is Phase.ONSET:
            self._states.set(self._topics.last_event, event_json(event))
        with self._lock:
            going_on = self._open.setdefault(event.label, set())
            if event.phase is Phase.OFFSET:
                going_on.discard(event.id)
            elif len(going_on) < MOST_OPEN:
                going_on.add(event.id)
            if event.label in self._labels_shown:
                self._states.set(self._topics.label(event.label), ON if going_on else OFF)
            elif not going_on:
                del self._open[event.label]

    def look(self) -> None:
        """See how things are now."""
        program = self._program
        labels, sources, actions = self._labels(), list(program.sources), list(program.actions)
        with self._lock:
            self._show(labels, sources, actions)
        for action in actions:
            self._states.set(self._topics.action(action), OFF if program.is_paused(action) else ON)
        stats = program.stats()
        if stats is not None:
            self._tell_sources(stats.sources)

    def end(self) -> None:
        """Nothing is heard any more: what no end was told of is over too."""
        with self._lock:
            for label in self._labels_shown:
                self._states.set(self._topics.label(label), OFF)

    def patterns(self) -> list[str]:
        """Give the topics to listen to: the birth of Home Assistant, orders, and what was once shown."""
        prefix, node = self._options.prefix, self._topics.node
        return [f"{prefix}/status", f"{self._topics.base}/action/+/set", f"{prefix}/+/{node}/+/config"]

    def take(self, topic: str, payload: bytes, is_retained: bool) -> None:
        """Take what came on one of them."""
        if topic == f"{self._options.prefix}/status":
            if payload == b"online" and not is_retained:
                self._states.tell_all()
                self._level_at = -math.inf
        elif topic in self._commands:
            self._obey(self._commands[topic], payload, is_retained)
        elif topic.endswith("/config") and is_retained and payload and not self._states.knows(topic):
            self._clean_up(topic, payload)

    def _labels(self) -> list[str]:
        meant = [
            label
            for label in self._program.labels
            if any(label_matches(label, pattern) for pattern in self._patterns)
        ]
        if len(meant) > MOST_LABELS and not self._had_too_many:
            self._had_too_many = True
            log.warning(
                "action '%s': of %d labels the first %d have a sensor: name those that you want in 'labels'",
                self._name,
                len(meant),
                MOST_LABELS,
            )
        return meant[:MOST_LABELS]

    def _show(self, labels: Sequence[str], sources: Sequence[str], actions: Sequence[str]) -> None:
        """Tell of what there is, and take away what there is no more."""
        wanted = self._entities(labels, sources, actions)
        if wanted.keys() != self._shown.keys():
            for topic in self._shown.keys() - wanted.keys():
                self._states.remove(topic)
                self._states.remove(self._shown[topic])
            self._open = {label: self._open.get(label, set()) for label in labels}
            self._labels_shown = frozenset(labels)
            self._commands = {self._topics.command(action): action for action in actions}
            for label in labels:
                self._states.set(self._topics.label(label), ON if self._open[label] else OFF)
        for topic, configuration in wanted.items():
            if self._shown.get(topic) != configuration["state_topic"]:
                self._states.set(topic, json.dumps(configuration))
        self._shown = {topic: configuration["state_topic"] for topic, configuration in wanted.items()}

    def _tell_sources(self, sources: Sequence[SourceStats]) -> None:
        for source in sources:
            self._states.set(self._topics.source(source.name), source.state.value)
        now, heard = time.monotonic(), [source.name for source in sources if source.state.is_heard]
        if now - self._level_at < self._options.level_s and heard == self._heard:
            return
        self._heard = heard
        self._level_at = now
        for source in sources:
            level = f"{max(source.level_db, LEAST_LEVEL_DB):.1f}" if source.state.is_heard else NOT_KNOWN
            self._states.say(self._topics.level(source.name), level)

    def _obey(self, action: str, payload: bytes, is_retained: bool) -> None:
        if is_retained:
            log.warning("action '%s': an order for '%s' that was kept is not obeyed", self._name, action)
        elif payload in (b"ON", b"OFF"):
            self._program.pause(action, payload == b"OFF")
            self.look()
        else:
            log.warning("action '%s': an order for '%s' is neither ON nor OFF", self._name, action)

    def _clean_up(self, topic: str, payload: bytes) -> None:
        """Take away what was shown by a configuration, or a model, of former times."""
        try:
            configuration = json.loads(payload)
            ours = configuration["device"]["identifiers"] == [self._device_id]
            state_topic = str(configuration["state_topic"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return
        if not ours:
            return
        log.info("action '%s': %s is shown no more", self._name, topic)
        self._states.remove(topic)
        if state_topic.startswith(f"{self._topics.base}/") and not set(state_topic) & set("+#\0"):
            self._states.remove(state_topic)

    @property
    def _device_id(self) -> str:
        return f"listener_{self._topics.node}"

    def _entities(
        self, labels: Sequence[str], sources: Sequence[str], actions: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Give the configuration of each entity by its topic."""
        topics = self._topics
        entities = [
            self._entity("sensor", "last_event", "Last event", topics.last_event, LAST_EVENT)
            | {"json_attributes_topic": topics.last_event}
        ]
        for label in labels:
            name, key = label.replace("_", " "), f"label_{slug(label)}"
            entities.append(self._entity("binary_sensor", key, name, topics.label(label), SOUND))
        for source in sources:
            key, state, level = slug(source), topics.source(source), topics.level(source)
            lasts = {"expire_after": math.ceil(3 * self._options.level_s)}
            entities.append(self._entity("sensor", f"state_{key}", f"{source} state", state, STATE))
            entities.append(self._entity("sensor", f"level_{key}", f"{source} level", level, LEVEL | lasts))
        for action in actions:
            command = {"command_topic": topics.command(action)}
            entity = self._entity(
                "switch", f"action_{slug(action)}", f"Action {action}", topics.action(action), SWITCH
            )
            entities.append(entity | command)
        return {
            f"{self._options.prefix}/{one.pop('component')}/{topics.node}/{one.pop('key')}/config": one
            for one in entities
        }

    def _entity(
        self, component: str, key: str, name: str, state_topic: str, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        name = "".join(character if character.isprintable() else "?" for character in name)
        return {
            "component": component,
            "key": key,
            "name": name[:LONGEST_NAME] or "?",
            "unique_id": f"{self._device_id}_{key}",
            "state_topic": state_topic,
            "availability_topic": self._topics.availability,
            "device": {
                "identifiers": [self._device_id],
                "name": f"Listener {self._topics.node}",
                "manufacturer": "listener",
                "model": "hears sounds",
                "sw_version": __version__,
            },
            "origin": {"name": "listener", "sw_version": __version__},
            **more,
        }


SOUND = {"device_class": "sound"}

LAST_EVENT = {"icon": "mdi:ear-hearing", "value_template": "{{ value_json.label[:255] }}"}

STATE = {
    "device_class": "enum",
    "options": [state.value for state in SourceState],
    "entity_category": "diagnostic",
    "icon": "mdi:microphone",
}

LEVEL = {"unit_of_measurement": "dBFS", "state_class": "measurement", "icon": "mdi:volume-medium"}

SWITCH = {"entity_category": "config", "icon": "mdi:play-pause"}
