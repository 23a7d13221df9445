"""Plug-ins are found by name; a broken one is said to be so and disturbs no other."""

import importlib.metadata
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from listener import plugins
from listener.actions.base import Action
from listener.classifiers.base import Classifier
from listener.errors import PluginError
from listener.sources.base import Source

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Adds entry points whose modules hold the given text."""
    monkeypatch.syspath_prepend(tmp_path)
    real = importlib.metadata.entry_points
    added: list[EntryPoint] = []

    def install(kind: str, name: str, text: str, attribute: str = "Plugin") -> None:
        module = f"plugin_of_a_stranger_{name}"
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        added.append(EntryPoint(name, f"{module}:{attribute}", f"listener.{kind}"))

    def entry_points(group: str) -> list[EntryPoint]:
        return [*real(group=group), *(point for point in added if point.group == group)]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    return install


@pytest.mark.parametrize(
    ("kind", "name", "base"),
    [
        ("sources", "microphone", Source),
        ("sources", "file", Source),
        ("sources", "stdin", Source),
        ("sources", "demo", Source),
        ("classifiers", "torchscript", Classifier),
        ("actions", "log", Action),
        ("actions", "command", Action),
        ("actions", "clip", Action),
    ],
)
def test_the_built_in_ones(kind: plugins.Kind, name: str, base: type) -> None:
    assert issubclass(plugins.load(kind, name), base)


def test_every_built_in_one_can_be_used() -> None:
    statuses = list(plugins.statuses())
    assert [status for status in statuses if status.problem] == []
    assert all(status.origin.startswith("listener ") for status in statuses)
    assert [status.kind for status in statuses] == sorted(
        (status.kind for status in statuses), key=plugins.KINDS.index
    )


def test_one_of_a_stranger_is_like_any_other(install: Install) -> None:
    install("actions", "bell", "class Plugin: pass")
    assert plugins.load("actions", "bell").__name__ == "Plugin"
    assert [status.problem for status in plugins.statuses() if status.name == "bell"] == [None]


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(PluginError, match="no action is called 'comand': did you mean 'command'\\?"):
        plugins.load("actions", "comand")
    with pytest.raises(PluginError, match="no action is called 'xyzzy': there are: clip, command, log"):
        plugins.load("actions", "xyzzy")
    with pytest.raises(PluginError, match="no source is called 'log'"):
        plugins.load("sources", "log")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("class Plugin(:", "SyntaxError"),
        ("class Other: pass", "AttributeError"),
    ],
)
def test_a_broken_one_gets_its_line_and_the_others_theirs(text: str, why: str, install: Install) -> None:
    install("actions", "broken", text)
    statuses = {status.name: status for status in plugins.statuses()}
    broken = statuses.pop("broken")
    assert broken.origin == "unknown"
    assert broken.problem is not None
    assert broken.problem.startswith(
        "actions plug-in 'broken' (plugin_of_a_stranger_broken:Plugin) cannot be imported"
    )
    assert why in broken.problem
    assert "\n" not in broken.problem
    assert all(status.problem is None for status in statuses.values())
    with pytest.raises(PluginError, match="cannot be imported"):
        plugins.load("actions", "broken")
    assert plugins.load("actions", "log")
