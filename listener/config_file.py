"""Reading a configuration file, so that every problem is named with its line."""

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from listener.config import Config
from listener.errors import ConfigError
from listener.logs import hide

Location = tuple[str | int, ...]
"""Where a setting stands: ``("actions", 1, "labels")``."""

Model = TypeVar("Model", bound=BaseModel)

HIDDEN = "(hidden)"
MOST_NODES = 100_000
"""Nobody writes so many settings; aliases of aliases of aliases soon make them."""

_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_NO_SCALAR = (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)
"""What PyYAML raises at a value that is not what its form or tag says, such as the date 2026-99-99."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration and where each setting stands in its file."""

    config: Config
    """The settings."""

    path: Path | None = None
    """The file; None for the built-in defaults."""

    lines: Mapping[Location, int] = field(default_factory=dict)
    """Line of each setting, from 1."""

    secrets: frozenset[str] = frozenset()
    """Values that came from the environment or from files of their own; no message and no log shows them."""

    def problem(self, location: Location, message: str) -> str:
        """Form the line that tells a user what is wrong with a setting."""
        return _told(self.path, self.lines, location, message)


def read_config(path: Path) -> ConfigFile:
    """Read and validate a configuration file.

    Raises
    ------
    ConfigError
        It cannot be read, or something in it is wrong; every problem is named at once.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the configuration cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(_syntax_problem(path, error)) from error
    reader = _Reader(path)
    data = None if root is None else reader.read(root, ())
    data = {} if data is None else data
    secrets = frozenset(reader.secrets)
    hide(secrets)
    if not isinstance(data, Mapping):
        reader.problems.append(f"{path}:1: the configuration must be a table of settings such as 'model:'")
    if reader.problems:
        raise ConfigError(*reader.problems)
    config = validate(Config, data, path, reader.lines, secrets=secrets)
    return ConfigFile(config, path, reader.lines, secrets)


def validate(
    model: type[Model],
    data: Any,
    path: Path | None = None,
    lines: Mapping[Location, int] | None = None,
    prefix: Location = (),
    beside: type[BaseModel] | None = None,
    secrets: Collection[str] = (),
) -> Model:
    """Check settings against their model.

    Parameters
    ----------
    model
        What they should be.
    data
        What was given.
    path, lines, prefix
        The file, the lines of its settings, and where these settings stand in it.
    beside
        The model of settings that may stand in the same place, for "did you mean".
    secrets
        Values that no message may show.

    Raises
    ------
    ConfigError
        They do not fit; one line for each problem.
    """
    try:
        # As JSON, a list may stand for a tuple and a string for a path, but a string for no number.
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        messages: dict[Location, list[str]] = {}
        for detail in error.errors():
            location = _without_union_tags(detail["loc"], data)
            if isinstance(detail["input"], str) and any(secret in detail["input"] for secret in secrets):
                detail["input"] = HIDDEN
            messages.setdefault((*prefix, *location), []).append(
                _message(detail, location, [*_fields_at(model, location[:-1]), *_fields_at(beside, ())])
            )
        raise ConfigError(
            *(_told(path, lines or {}, location, " or ".join(told)) for location, told in messages.items())
        ) from error


class _Reader:
    """Turns YAML nodes into values and remembers their lines."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[Location, int] = {}
        self.problems: list[str] = []
        self.secrets: set[str] = set()
        self._path = path
        self._n_nodes = 0
        self._within: list[yaml.Node] = []
        self._constructor = yaml.SafeLoader("")

    def read(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        self._n_nodes += 1
        if self._n_nodes > MOST_NODES:
            raise ConfigError(f"{self._path}: more than {MOST_NODES} settings: are there aliases of aliases?")
        if node in self._within:
            self._complain(location, "this refers to what it stands in")
            return None
        if node.tag != "!file" and not node.tag.startswith("tag:yaml.org"):
            self._complain(location, f"unknown tag '{node.tag}'; there is '!file PATH'")
            return None
        self._within.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location)
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*location, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, location)
        finally:
            self._within.pop()

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        if node.tag == "!file":
            return self._secret_file(node, location)
        try:
            value = self._constructor.construct_object(node)
            json.dumps(value, default=str)  # some numbers are too long to be told
        except _NO_SCALAR as error:
            self._complain(location, f"'{node.value}' is no value that can be used: {_one_line(error)}")
            return None
        return self._expanded(value, location) if isinstance(value, str) else value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(location, "a key must be a name", key_node.start_mark.line + 1)
                continue
            key = str(key_node.value)
            here = (*location, key)
            if key in values:
                self._complain(here, "this key stands twice", key_node.start_mark.line + 1)
            self.lines[here] = key_node.start_mark.line + 1
            values[key] = self.read(value_node, here)
        return values

    def _secret_file(self, node: yaml.Node, location: Location) -> str:
        path = Path(str(node.value))
        try:
            path = path if path.is_file() else self._path.parent / path
            secret = path.read_text(encoding="utf-8").strip()
            self._remember(secret)
            return secret
        except (OSError, ValueError) as error:
            self._complain(location, f"the file '{node.value}' cannot be read: {_one_line(error)}")
            return ""

    def _expanded(self, value: str, location: Location) -> str:
        def replacement(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in os.environ:
                self._complain(location, f"the environment variable {name} is not set")
            secret = os.environ.get(name, "")
            self._remember(secret)
            return secret

        expanded = _ENVIRONMENT.sub(replacement, value)
        if not _is_text(expanded):
            self._complain(location, "holds a character that is none")
        return expanded

    def _remember(self, secret: str) -> None:
        # What names a place that exists, such as $HOME, is none, and many a line without it is no help.
        if secret and not (secret.startswith("/") and os.path.exists(secret)):  # noqa: PTH110 - takes any text
            self.secrets.add(secret)

    def _complain(self, location: Location, message: str, line: int | None = None) -> None:
        lines = self.lines if line is None else {location: line}
        self.problems.append(_told(self._path, lines, location, message))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _syntax_problem(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or _one_line(error)
    return f"{path}:{mark.line + 1}: no valid YAML: {what}" if mark else f"{path}: no valid YAML: {what}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _place(path: Path | None, lines: Mapping[Location, int], location: Location) -> str:
    if path is None:
        return ""
    above = [location[:length] for length in range(len(location), 0, -1)] or [location]
    line = next((lines[place] for place in above if place in lines), None)
    if line is not None:
        return f"{path}:{line}: "
    # It does not stand in the file: it is a default, or from the command line.
    return "" if location else f"{path}: "


def _told(path: Path | None, lines: Mapping[Location, int], location: Location, message: str) -> str:
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    line = f"{dotted}: {message}" if dotted else message
    # A key or a value may hold anything, line breaks too.
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return f"{_place(path, lines, location)}{printable}"


def _without_union_tags(location: Location, data: Any) -> Location:
    """Drop what pydantic adds for the members of a union: only keys that the user wrote, or should have."""
    kept: list[str | int] = []
    for position, part in enumerate(location):
        is_key = isinstance(data, Mapping) and part in data
        if is_key or (isinstance(data, list) and isinstance(part, int)):
            kept.append(part)
            data = data[part]
        elif position == len(location) - 1 and isinstance(data, Mapping):
            kept.append(part)
    return tuple(kept)


def _message(detail: ErrorDetails, location: Location, known: list[str]) -> str:
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(str(location[-1]), known, n=1)
        return "unknown key" + (f": did you mean '{near[0]}'?" if near else f": there are {', '.join(known)}")
    if detail["type"] == "missing":
        return "is missing"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    given = detail["input"]
    if isinstance(given, dict | list):
        return message
    return f"{message} (it is {given if given == HIDDEN else json.dumps(given, default=str)})"


def _fields_at(model: type[BaseModel] | None, location: Location) -> list[str]:
    """Names of the settings that may stand at a location."""
    annotation: Any = model
    for part in location:
        fields = getattr(annotation, "model_fields", {})
        annotation = fields[part].annotation if part in fields else _item_of(annotation)
    while annotation is not None and not hasattr(annotation, "model_fields"):
        annotation = _item_of(annotation)
    return list(getattr(annotation, "model_fields", {}))


def _item_of(annotation: Any) -> Any:
    models = [item for item in get_args(annotation) if item is not Ellipsis and item is not str]
    return models[-1] if models else None
