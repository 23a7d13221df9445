"""Settings of the ``mqtt`` action."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from listener.actions import template
from listener.actions.mqtt.topics import FIELDS, why_no_topic
from listener.config import Options

NODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What Home Assistant takes for a part of an id."""


def _as_text(value: Any) -> Any:
    """Let ``5`` stand for ``"5"``: a password may well be a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_mapping(value: Any) -> Any:
    """Let ``true`` stand for what has its defaults, and ``false`` for nothing."""
    if isinstance(value, bool):
        return {} if value else None
    return value


Text = Annotated[str, BeforeValidator(_as_text)]


def _checked_topic(value: str) -> str:
    if problem := why_no_topic(value):
        raise ValueError(problem)
    return value


class TlsOptions(Options):
    """How the broker is known, and how it knows us."""

    ca_file: Path | None = None
    """Certificates of who may have signed the broker's, PEM; the system's unless told."""

    certificate: Path | None = None
    """Certificate of our own, PEM, for a broker that asks for one."""

    key: Path | None = None
    """Its key, PEM, not encrypted; in the file of the certificate unless told."""

    insecure: bool = False
    """Anybody may be the broker: neither its certificate nor its name is checked."""

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("key needs certificate: the file of the certificate that it belongs to")
        return self


class DiscoveryOptions(Options):
    """How Home Assistant gets to know the machine."""

    prefix: str = "homeassistant"
    """First part of the topics on which it looks for devices."""

    level_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    """Time between two levels of a microphone, in seconds."""

    @field_validator("prefix")
    @classmethod
    def _is_a_topic(cls, value: str) -> str:
        if "{" in value or "}" in value:
            raise ValueError("must be a topic, without fields")
        return _checked_topic(value)


class MqttOptions(Options):
    """Settings of the ``mqtt`` action."""

    host: str = Field(min_length=1, max_length=255)
    """Name or address of the broker."""

    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """Its port; 1883, or 8883 with ``tls``, unless told."""

    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(_as_text)] = "5"
    """Version of MQTT."""

    username: Text | None = None
    """Who we are."""

    password: Annotated[Text | None, Field(repr=False)] = None
    """A secret: ``${NAME}`` or ``!file PATH`` keep it out of the configuration."""

    tls: Annotated[TlsOptions | None, BeforeValidator(_as_mapping)] = None
    """Encrypted; ``true`` stands for the defaults."""

    client_id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~]+$")] | None = None
    """By which the broker knows us; made of the machine and the action's name unless told."""

    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """A connection on which nothing came for one and a half times as long is dead, in seconds."""

    topic: str = "listener/{source}/{label}"
    """Where an event is published; ``{source}``, ``{label}``, ``{phase}`` and ``{node}`` are filled in."""

    node: str | None = None
    """Name of this machine in topics and ids; the host's name, and the action's if it is not ``mqtt``."""

    queue: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Events that are kept while the broker is away; of more, the oldest are dropped and counted."""

    discovery: Annotated[DiscoveryOptions | None, BeforeValidator(_as_mapping)] = None
    """Show the machine in Home Assistant; ``true`` stands for the defaults."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, value: str) -> str:
        if "/" in value or any(sign.isspace() for sign in value):
            raise ValueError(
                "must be a name or an address alone, such as broker.local; port and tls stand beside it"
            )
        return value

    @field_validator("topic")
    @classmethod
    def _is_a_topic(cls, value: str) -> str:
        template.fields_of(value, FIELDS)
        return _checked_topic(value)

    @field_validator("node")
    @classmethod
    def _is_an_id(cls, value: str | None) -> str | None:
        if value is not None and not NODE.fullmatch(value):
            raise ValueError("must be 1 to 64 letters, digits, _ and -")
        return value

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("password needs username")
        return self

    @property
    def broker_port(self) -> int:
        """The port that is meant."""
        return self.port or (8883 if self.tls is not None else 1883)
