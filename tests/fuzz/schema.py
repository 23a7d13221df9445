"""Configurations that fit the real schema, so that what is then done to them gets past the first check."""

import json
from functools import cache
from random import Random
from typing import Any

from listener import plugins
from listener.config import ActionSettings, Config, SourceSettings

WORDS = (
    "dog",
    "mic",
    "first",
    "second",
    "third",
    "*",
    "f*",
    "[a-z]*",
    "a.wav",
    "log",
    "${LISTENER_FUZZ_SECRET}",
)
LONGEST_LIST = 2


class Map(list[tuple[Any, Any]]):
    """A table as its pairs, so that a key may stand there twice."""


class Raw(str):
    """YAML to be written as it is."""

    __slots__ = ()


def configuration(random: Random) -> Map:
    """Make a small configuration whose every value is possible."""
    schema = _schema(Config)
    sections = _table(random, schema, schema.get("$defs", {}))
    return Map(sections[: random.choice((1, 1, 2, 3))])


@cache
def _schema(model: type[Any]) -> dict[str, Any]:
    return dict(model.model_json_schema())


@cache
def _options(kind: plugins.Kind) -> dict[str, dict[str, Any]]:
    return {point.name: _schema(point.load().Options) for point in plugins._points(kind)}


def _table(random: Random, schema: dict[str, Any], defs: dict[str, Any]) -> Map:
    pairs = Map()
    for name, field in schema.get("properties", {}).items():
        if name in schema.get("required", ()) or random.random() < 0.25:
            pairs.append((name, _value(random, field, defs)))
    random.shuffle(pairs)
    return pairs


def _plugin(random: Random, kind: plugins.Kind, schema: dict[str, Any], defs: dict[str, Any]) -> Map:
    name, options = random.choice(list(_options(kind).items()))
    own = _table(random, options, options.get("$defs", {}))
    common = [pair for pair in _table(random, schema, defs) if pair[0] not in ("use", "name")]
    called = random.choice((name, f"{name}{random.randrange(100)}"))
    return Map([("use", name), ("name", called), *common, *own])


def _value(random: Random, schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    """A value that fits a schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == SourceSettings.__name__:
            return _plugin(random, "sources", defs[name], defs)
        if name == ActionSettings.__name__:
            return _plugin(random, "actions", defs[name], defs)
        return _value(random, defs[name], defs)
    if "anyOf" in schema:
        return _value(random, random.choice(schema["anyOf"]), defs)
    if "enum" in schema or "const" in schema:
        return random.choice(schema.get("enum") or [schema["const"]])
    return _of_type(random, schema, defs)


def _of_type(random: Random, schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _table(random, schema, defs)
        case "object":
            inner = schema.get("additionalProperties", {})
            return Map(
                (random.choice(WORDS), _value(random, inner, defs)) for _ in range(random.randrange(2))
            )
        case "array":
            n_items = random.randint(schema.get("minItems", 0), LONGEST_LIST)
            return [_value(random, schema.get("items", {}), defs) for _ in range(n_items)]
        case "integer" | "number":
            return _number(random, schema)
        case "boolean":
            return random.random() < 0.5
        case "null":
            return None
    return random.choice(WORDS)


def _number(random: Random, schema: dict[str, Any]) -> float:
    """A number in its range; often one of the bounds."""
    is_whole = schema["type"] == "integer"
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + (1 if is_whole else 1e-9))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
    value = random.choice((low, high, random.uniform(low, high)))
    return round(value) if is_whole else float(value)


def as_yaml(node: Any, random: Random) -> str:
    """Write a configuration down, in one of YAML's two styles."""
    return _block(node, 0) if random.random() < 0.5 else _flow(node) + "\n"


def _flow(node: Any) -> str:
    if isinstance(node, Map):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(value)}" for key, value in node) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(_flow, node)) + "]"
    return _scalar(node)


def _block(node: Any, indent: int) -> str:
    margin = " " * indent
    if isinstance(node, Map) and node:
        return "".join(f"{margin}{_scalar(key)}:{_nested(value, indent + 2)}" for key, value in node)
    if isinstance(node, list) and not isinstance(node, Map) and node:
        return "".join(f"{margin}-{_nested(value, indent + 2)}" for value in node)
    return f"{margin}{_flow(node)}\n"


def _nested(node: Any, indent: int) -> str:
    return "\n" + _block(node, indent) if isinstance(node, list) and node else f" {_flow(node)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str) and value.isidentifier() and value.isascii():
        return value
    return json.dumps(value, default=str).replace("Infinity", ".inf").replace("NaN", ".nan")
