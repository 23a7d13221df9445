"""Reading a configuration file, so that every problem is named with its line."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from listener.config import Config
from listener.errors import ConfigError, printable
from listener.logs import redact
from listener.yaml_file import LONGEST_VALUE, Location, YamlReader, problem_line, shortened

Model = TypeVar("Model", bound=BaseModel)

HIDDEN = "(hidden)"

SECRETIVE = frozenset({"password", "secret", "token", "url", "urls"})
"""Settings whose value may be a secret, though it stands in the file itself: a log-in in an address."""

MOST_FIELDS = 3
"""Settings that are named as an example."""


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
        return problem_line(self.path, self.lines, location, message)


def read_config(path: Path) -> ConfigFile:
    """Read and validate a configuration file.

    Raises
    ------
    ConfigError
        It cannot be read, or something in it is wrong; every problem is named at once.
    """
    reader = YamlReader(path)
    try:
        data = reader.read()
    except FileNotFoundError:
        raise ConfigError(f"{printable(path)}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{printable(path)}: the configuration cannot be read: {error.strerror}") from error
    data = {} if data is None else data
    secrets = frozenset(reader.secrets)
    if not isinstance(data, Mapping):
        message = "the configuration must be a table of settings such as 'model:'"
        reader.problems.append(problem_line(path, {(): 1}, (), message))
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
        messages: dict[Location, list[tuple[str, str]]] = {}
        for detail in error.errors():
            if _is_of_another_form(detail):
                continue
            location = _without_union_tags(detail["loc"], data)
            is_known = isinstance(detail["input"], str) and any(one in detail["input"] for one in secrets)
            if is_known or not SECRETIVE.isdisjoint(location):
                detail["input"] = HIDDEN
            messages.setdefault((*prefix, *location), []).append(
                (_message(detail, location, model, beside), _given(detail))
            )
        lines = lines or {}
        problems = [problem_line(path, lines, place, _either(told)) for place, told in messages.items()]
        raise ConfigError(*problems) from error


def _without_union_tags(location: Location, data: Any) -> Location:
    """Drop what pydantic adds for the members of a union: only keys that the user wrote, or should have."""
    kept: list[str | int] = []
    for position, part in enumerate(location):
        is_key = isinstance(data, Mapping) and part in data
        # A list that is too short lacks the very item that is complained of.
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_key or is_item:
            kept.append(part)
            data = data[part]
        elif position == len(location) - 1 and isinstance(data, Mapping):
            kept.append(part)
    return tuple(kept)


def _is_of_another_form(detail: ErrorDetails) -> bool:
    """Whether it says that settings are no word such as ``never``: what is wrong with them is said too."""
    is_word = any(str(part).startswith("literal[") for part in detail["loc"][-1:])
    return is_word and isinstance(detail["input"], dict)


def _either(told: Sequence[tuple[str, str]]) -> str:
    """Join what is wrong with one setting; what was given is said once."""
    first, *rest = (message for message, _ in told)
    return " or ".join([first, *(message.removeprefix("must be ") for message in rest)]) + told[-1][1]


def _message(
    detail: ErrorDetails, location: Location, model: type[BaseModel], beside: type[BaseModel] | None
) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = [*_fields_at(model, location[:-1]), *_fields_at(beside, ())]
        near = get_close_matches(str(location[-1]), known, n=1)
        return "unknown key" + (f": did you mean '{near[0]}'?" if near else f": there are {', '.join(known)}")
    if kind == "missing":
        return "is missing"
    if kind == "json_invalid":
        return "holds a character that is none: is there a name that is not UTF-8?"
    if kind in ("tuple_type", "list_type", "set_type"):
        return "must be a list"
    if kind in ("model_type", "dict_type"):
        fields = ", ".join(f"{name}: ..." for name in _fields_at(model, location)[:MOST_FIELDS])
        return "must be a table of settings" + (f" such as {{{fields}}}" if fields else "")
    if kind == "too_short":
        least = detail["ctx"]["min_length"]
        return f"must have at least {least} {'entry' if least == 1 else 'entries'}"
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _given(detail: ErrorDetails) -> str:
    given = detail["input"]
    # The input of JSON that is none is the whole configuration, secrets and all.
    if detail["type"] in ("extra_forbidden", "missing", "json_invalid") or isinstance(given, dict | list):
        return ""
    told = given if given == HIDDEN else shortened(redact(json.dumps(given, default=str)), LONGEST_VALUE)
    return f" (it is {told})"


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
    items = [item for item in get_args(annotation) if get_origin(item) is not Literal]
    models = [item for item in items if item not in (Ellipsis, str, type(None))]
    return models[-1] if models else None
