"""YAML as people write it: each value with its line, and no more of them than anybody writes.

A few lines of aliases can stand for more values than a machine can hold, and brackets can be nested
deeper than any stack; a file may be a device that never ends. All that is refused in one line. What
a file may hold beside plain YAML are secrets: ``${NAME}`` for an environment variable and
``!file PATH`` for what stands in a file, whose path may hold a variable, too.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from listener.errors import ConfigError, one_line, printable
from listener.logs import hide, redact

Location = tuple[str | int, ...]
"""Where a setting stands: ``("actions", 1, "labels")``."""

MOST_BYTES = 2**20
MOST_NODES = 10_000
"""Nobody writes so many settings; aliases of aliases of aliases soon make them."""
MOST_LEVELS = 40
MOST_CHARACTERS = 2**20
"""In all values together, each as often as aliases repeat it."""
LONGEST_NUMBER = 100
"""Characters. PyYAML takes hours for a number of a million parts such as ``1:59:59``."""
LONGEST_MESSAGE, LONGEST_VALUE = 500, 100
"""Characters of a problem and of a value in it: the line and the place say where the rest is."""

_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_NO_SCALAR = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, yaml.YAMLError)
"""What PyYAML raises at a value that is not what its form or tag says, such as the date 2026-99-99."""


def read_plain_yaml(path: Path) -> Any:
    """Give what stands in a YAML file that holds no secrets.

    Raises
    ------
    ConfigError
        It cannot be read, or is no YAML.
    OSError
        It cannot be opened.
    """
    reader = YamlReader(path, has_secrets=False)
    data = reader.read()
    if reader.problems:
        raise ConfigError(*reader.problems)
    return data


class YamlReader:
    """Reads one YAML file.

    Parameters
    ----------
    path
        Of the file.
    has_secrets
        Whether ``${NAME}`` and ``!file PATH`` stand for something.
    """

    def __init__(self, path: Path, has_secrets: bool = True) -> None:
        self.lines: dict[Location, int] = {}
        """Line of each value, from 1."""
        self.problems: list[str] = []
        """What is wrong with values, one line each."""
        self.secrets: set[str] = set()
        """What came from elsewhere."""
        self._path = path
        self._has_secrets = has_secrets
        self._n_nodes = 0
        self._n_characters = 0
        self._within: list[yaml.Node] = []
        self._constructor = yaml.SafeLoader("")

    def read(self) -> Any:
        """Give what stands in the file; None where nothing does.

        Raises
        ------
        ConfigError
            It is no YAML, or too much of it.
        OSError
            It cannot be opened or read.
        """
        try:
            root = yaml.compose(_text_of(self._path), Loader=_BoundedLoader)
        except ValueError as error:  # no UTF-8, or a name that no file can have
            raise ConfigError(f"{printable(self._path)} cannot be read: {one_line(error)}") from error
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError(_syntax_problem(self._path, error)) from error
        return None if root is None else self._value(root, ())

    def _value(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        self._n_nodes += 1
        if self._n_nodes > MOST_NODES or len(self._within) > MOST_LEVELS:
            raise self._too_much()
        if node in self._within:
            self._complain(location, "this refers to what it stands in")
            return None
        is_secret = self._has_secrets and node.tag == "!file"
        if not is_secret and not node.tag.startswith("tag:yaml.org"):
            self._complain(location, f"unknown tag '{node.tag}'; there is '!file PATH'")
            return None
        self._within.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*location, index)) for index, item in enumerate(node.value)]
            return self._secret_file(node, location) if is_secret else self._scalar(node, location)
        finally:
            self._within.pop()

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        self._count(node.value)
        try:
            if not node.tag.endswith(":str") and len(node.value) > LONGEST_NUMBER:
                raise ValueError(f"it has {len(node.value)} characters")
            value = self._constructor.construct_object(node)
        except _NO_SCALAR as error:
            told = shortened(node.value, LONGEST_VALUE)
            self._complain(location, f"'{told}' is no value that can be used: {_reason(error)}")
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
            self._count(key)
            values[key] = self._value(value_node, here)
        return values

    def _secret_file(self, node: yaml.Node, location: Location) -> str:
        n_problems = len(self.problems)
        # Such as ${CREDENTIALS_DIRECTORY}, where systemd puts what only a service may read.
        path = Path(self._expanded(str(node.value), location))
        if len(self.problems) > n_problems:
            return ""
        try:
            path = path if path.is_file() else self._path.parent / path
            if path.exists() and not path.is_file():
                raise ValueError("it is no file")  # a device may never end, and a pipe never begin
            secret = _text_of(path).strip()
        except (OSError, ValueError, ConfigError) as error:
            why = getattr(error, "strerror", None) or error
            self._complain(location, f"the file '{node.value}' cannot be read: {one_line(why)}")
            return ""
        self._count(secret)
        self._remember(secret)
        return secret

    def _expanded(self, value: str, location: Location) -> str:
        def replacement(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in os.environ:
                self._complain(location, f"the environment variable {name} is not set")
            secret = os.environ.get(name, "")
            self._count(secret)
            self._remember(secret)
            return secret

        expanded = _ENVIRONMENT.sub(replacement, value) if self._has_secrets else value
        if not _is_text(expanded):
            self._complain(location, "holds a character that is none")
        return expanded

    def _remember(self, secret: str) -> None:
        # What names a place that exists, such as $HOME, is none, and many a line without it is no help.
        if secret and not (secret.startswith("/") and os.path.exists(secret)):  # noqa: PTH110 - takes any text
            self.secrets.add(secret)
            hide([secret])

    def _count(self, text: str) -> None:
        self._n_characters += len(text)
        if self._n_characters > MOST_CHARACTERS:
            raise self._too_much()

    def _too_much(self) -> ConfigError:
        return ConfigError(
            f"{printable(self._path)}: more than {MOST_NODES} values, {MOST_LEVELS} levels "
            f"or {MOST_CHARACTERS} characters: are there aliases of aliases?"
        )

    def _complain(self, location: Location, message: str, line: int | None = None) -> None:
        lines = self.lines if line is None else {location: line}
        self.problems.append(problem_line(self._path, lines, location, message))


class _BoundedLoader(yaml.SafeLoader):
    """Gives up on what no stack and no patience could hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._n_nodes = 0
        self._level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._n_nodes += 1
        self._level += 1
        if self._n_nodes > MOST_NODES or self._level > MOST_LEVELS:
            what = f"more than {MOST_NODES} values or {MOST_LEVELS} levels"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=self.get_mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._level -= 1


def problem_line(path: Path | None, lines: Mapping[Location, int], location: Location, message: str) -> str:
    """Form the line that tells a user what is wrong with a value: without secrets, and not too long."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shortened(part, 60)}" for part in location]
    dotted = "".join(parts).lstrip(".")
    # A key or a value may hold anything, line breaks too.
    line = printable(redact(f"{dotted}: {message}" if dotted else message))
    return f"{_place(path, lines, location)}{shortened(line, LONGEST_MESSAGE)}"


def shortened(text: str, longest: int) -> str:
    """Cut a text that is longer than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _place(path: Path | None, lines: Mapping[Location, int], location: Location) -> str:
    if path is None:
        return ""
    above = [location[:length] for length in range(len(location), 0, -1)] or [location]
    line = next((lines[place] for place in above if place in lines), None)
    if line is not None:
        return f"{printable(path)}:{line}: "
    # It does not stand in the file: it is a default, or from the command line.
    return "" if location else f"{printable(path)}: "


def _text_of(path: Path) -> str:
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{printable(path)} cannot be read: it is longer than {MOST_BYTES // 2**20} MiB")
    return content.decode("utf-8")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _syntax_problem(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = shortened(_reason(error), LONGEST_MESSAGE)
    place = f"{printable(path)}:{mark.line + 1}" if mark else printable(path)
    return f"{place}: no valid YAML: {what}"


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "problem", None) or error)
