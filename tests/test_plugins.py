"""Plug-ins are found by name or in a file; a broken one is said to be so and disturbs no other."""

import importlib.metadata
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from listener import plugins
from listener.actions.base import Action
from listener.assembly import build_actions, build_classifier, build_sources, usable
from listener.classifiers.base import Classifier
from listener.config_file import ConfigFile, read_config
from listener.errors import ConfigError, PluginError
from listener.sources.base import Source
from listener.testing import made_up_context, made_up_event, tiny_bundle, tiny_card
from tests.bundles import loudness_bundle
from tests.program import PATIENCE_S, Program, events, run
from tests.virtual_microphone import VirtualMicrophone

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
    with pytest.raises(PluginError, match="no action is called 'xyzzy': there are: camera, clip, command, "):
        plugins.load("actions", "xyzzy")
    with pytest.raises(PluginError, match="no source is called 'log'"):
        plugins.load("sources", "log")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import sys; sys.exit('no')", "SystemExit: no"),
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


class _Distribution:
    def __init__(self, name: str) -> None:
        self.name, self.version = name, "2.0"


def test_nobody_takes_the_place_of_a_built_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points = []
    for distribution, value in (
        ("a-stranger", "nowhere:Log"),
        ("listener", "listener.actions.log:LogAction"),
    ):
        point = EntryPoint("log", value, "listener.actions")
        vars(point)["dist"] = _Distribution(distribution)
        points.append(point)

    def entry_points(group: str) -> list[EntryPoint]:
        return points if group == "listener.actions" else []

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    assert plugins.load("actions", "log").__module__ == "listener.actions.log"
    told = {status.origin: status.problem for status in plugins.statuses() if status.kind == "actions"}
    assert told == {"listener 2.0": None, "a-stranger 2.0": "not used: listener 2.0 brings one of that name"}


# --- in a file of the user's ---------------------------------------------------------------------

ACTION = """
from listener.actions.base import Action
from listener.config import Options

class Settings(Options):
    greeting: str = "hello"

class Greeter(Action):
    Options = Settings
    def run(self, event, context):
        pass
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file of the user's beside the configuration."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


Write = Callable[[str, str], Path]


def config(write: Write, text: str) -> ConfigFile:
    return read_config(write("config.yaml", text))


def loaded(folder: Path, use: str) -> object:
    return plugins.load("actions", use, folder)


def test_a_function_and_a_class_in_a_file(write: Write) -> None:
    write("hooks.py", "def on_event(event): pass")
    write("greeter.py", ACTION)
    file = config(
        write,
        """
        actions:
          - {use: python:hooks.py:on_event, labels: [first]}
          - {use: "python:greeter.py:Greeter", name: greeter, greeting: hi}
        """,
    )
    (hook, _), (greeter, _) = build_actions(file, tiny_card())
    assert hook.name == "python:hooks.py:on_event"
    assert vars(greeter.options) == {"greeting": "hi"}


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ("event", 1),
        ("event, context", 2),
        ("event, /", 1),
        ("what, ever", 2),
        ("event, context=None", 2),
        ("event, verbose=False", 1),
        ("event, *rest", 1),
        ("*both", 1),
        ("event, *, loud=False", 1),
    ],
)
def test_a_function_takes_the_event_and_the_context_where_it_wants_it(
    parameters: str, arguments: int, write: Write, tmp_path: Path
) -> None:
    write("hooks.py", f"seen = []\ndef on_event({parameters}): seen.append(dict(locals()))")
    seen = loaded(tmp_path, "python:hooks.py:seen")
    assert isinstance(seen, list)
    ((action, _),) = build_actions(config(write, "actions: [{use: python:hooks.py:on_event}]"), tiny_card())
    event, context = made_up_event(), made_up_context()
    action.run(event, context)
    ((given),) = seen
    assert any(value is event or value == (event,) for value in given.values())
    assert any(value is context for value in given.values()) is (arguments == 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def on_event(): pass", "'on_event' must take (event) or (event, context), not ()"),
        ("def on_event(a, b, c): pass", "'on_event' must take (event) or (event, context), not (a, b, c)"),
        ("def on_event(event, *, key): pass", "must take (event) or (event, context), not (event, *, key)"),
        (
            "async def on_event(event): pass",
            "'on_event' must be a plain function: nobody would await this one",
        ),
        (
            "def on_event(event): yield",
            "'on_event' must be a plain function: one that yields would do nothing",
        ),
        (
            "class on_event: pass",
            "'on_event' must be a function on_event(event), or a class that derives from",
        ),
        ("on_event = 5", "'int' must be a function on_event(event), or a class that derives from listener."),
        (
            "from listener.actions.base import Action\nclass on_event(Action): pass",
            "'on_event' cannot be used: it has no run",
        ),
        (
            ACTION.replace("Settings(Options)", "Settings") + "on_event = Greeter",
            "its Options must derive from",
        ),
        ("\n\nx = 1 / 0", "hooks.py:3: ZeroDivisionError: division by zero"),
        ("def f():\n  raise ValueError('two\\nlines')\n\nf()", "hooks.py:2: ValueError: two lines"),
        ("import json\n\njson.loads('x')", "hooks.py:3: JSONDecodeError: Expecting value"),
        ("x = (1\n", "hooks.py:1: SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)", "hooks.py:1: SystemExit: 3"),
        ("import no_such_module", "hooks.py:1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("from .missing import x", "hooks.py:1: ModuleNotFoundError: No module named '.missing'"),
        ("\0", "hooks.py"),
        ("# -*- coding: klingon -*-", "hooks.py"),
    ],
)
def test_a_file_that_is_broken_is_named_with_its_line(
    text: str, problem: str, write: Write, tmp_path: Path
) -> None:
    before = set(sys.modules)
    write("hooks.py", text)
    file = config(write, "actions:\n  - {use: log}\n  - {use: python:hooks.py:on_event}")
    with pytest.raises(ConfigError) as caught:
        build_actions(file, tiny_card())
    (line,) = caught.value.problems
    assert line.startswith(f"{tmp_path}/config.yaml:3: actions[1].use: ")
    assert problem in line
    left_out: list[str] = []
    ((log, _),) = build_actions(file, tiny_card(), left_out.append)
    assert log.name == "log"
    assert left_out == [line]
    (status,) = (
        status
        for status in plugins.statuses([("actions", "python:hooks.py:on_event")], tmp_path, usable)
        if status.name.startswith("python:")
    )
    assert status.origin == str(tmp_path / "hooks.py")
    assert status.problem is not None
    assert problem in status.problem
    if "Error" in problem or "Exit" in problem:
        assert {name for name in set(sys.modules) - before if "python_file_" in name} == set()


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        ("python:hook.py:on_event", "there is no file '{folder}/hook.py'"),
        ("python:{folder}/x/hooks.py:on_event", "there is no file '{folder}/x/hooks.py'"),
        ("python:.:on_event", "there is no file '{folder}'"),
        ("python:hooks.py:on_evnt", "{folder}/hooks.py has no 'on_evnt': did you mean 'on_event'?"),
        ("python:hooks.py:xyzzy", "{folder}/hooks.py has no 'xyzzy': there are: on_event"),
        ("python:empty.py:on_event", "{folder}/empty.py has no 'on_event': there is no function in it"),
        (
            "python:hooks.py",
            "'python:hooks.py' must be written as python:FILE:NAME: python:hooks.py:on_event",
        ),
        ("python:hooks.py:", "must be written as python:FILE:NAME"),
        ("python::on_event", "must be written as python:FILE:NAME"),
        ("python:hooks.py:a.b", "must be written as python:FILE:NAME"),
    ],
)
def test_a_file_or_name_that_there_is_not(use: str, problem: str, write: Write, tmp_path: Path) -> None:
    """Somebody has mistyped: the program does not start without what was asked for."""
    write("hooks.py", "from json import loads\ndef on_event(event): pass\ndef _own(): pass")
    write("empty.py", "import json")
    file = config(write, f"actions:\n  - {{use: '{use.format(folder=tmp_path)}'}}")
    with pytest.raises(ConfigError) as caught:
        build_actions(file, tiny_card(), leave_out=lambda problem: pytest.fail(problem))
    (line,) = caught.value.problems
    assert line.startswith(f"{tmp_path}/config.yaml:2: actions[0].use: ")
    assert problem.format(folder=tmp_path) in line


def test_settings_of_a_class_in_a_file_are_checked(write: Write, tmp_path: Path) -> None:
    write("greeter.py", ACTION)
    text = "actions:\n  - {use: python:greeter.py:Greeter, greetings: hi}"
    with pytest.raises(ConfigError) as caught:
        build_actions(config(write, text), tiny_card(), leave_out=lambda problem: pytest.fail(problem))
    assert caught.value.problems == (
        f"{tmp_path}/config.yaml:2: actions[0].greetings: unknown key: did you mean 'greeting'?",
    )


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ("def __init__(self, name, options): raise KeyError('x')", "cannot be set up: KeyError: 'x'"),
        ("def __init__(self): pass", "cannot be set up: TypeError: "),
        ("def adapt(self, settings): return 1 / 0", "cannot be set up: ZeroDivisionError: division by zero"),
    ],
)
def test_a_constructor_that_fails_in_its_own_way(member: str, problem: str, write: Write) -> None:
    write("greeter.py", f"{ACTION}    {member}\n")
    file = config(write, "actions:\n  - {use: python:greeter.py:Greeter}\n  - {use: log}")
    left_out: list[str] = []
    assert len(build_actions(file, tiny_card(), left_out.append)) == 1
    (line,) = left_out
    assert f"config.yaml:2: actions[0]: {problem}" in line


def test_a_constructor_that_refuses_its_settings_is_for_the_user_to_mend(write: Write) -> None:
    member = "def __init__(self, name, options):\n        from listener.errors import ActionError\n"
    write("greeter.py", f"{ACTION}    {member}        raise ActionError('greeting: must be polite')\n")
    file = config(write, "actions:\n  - {use: python:greeter.py:Greeter}")
    with pytest.raises(ConfigError, match=r"config.yaml:2: actions\[0\]: greeting: must be polite"):
        build_actions(file, tiny_card(), leave_out=lambda problem: pytest.fail(problem))


def test_a_source_or_classifier_that_is_broken_ends_the_start(write: Write, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.pt")
    write("parts.py", "def source(name, options): pass\nclass Model:\n  def __init__(self, *given): 1 / 0\n")
    write("other.py", "def make(path, card, precision, threads): return 'no classifier'")
    with pytest.raises(
        ConfigError, match=r"'source' must be a class that derives from listener\.sources\.base\.So"
    ):
        build_sources(config(write, "sources: [{use: python:parts.py:source}]"))
    for use, problem in (
        ("python:parts.py:Model", "1: model.use: cannot be set up: ZeroDivisionError: division by zero"),
        ("python:other.py:make", "1: model.use: 'python:other.py:make' makes no classifier, but str"),
        ("python:other.py:mak", "has no 'mak': did you mean 'make'?"),
    ):
        with pytest.raises(ConfigError) as caught:
            build_classifier(config(write, f"model: {{path: {tmp_path}/tiny.pt, use: {use}}}"))
        assert problem in str(caught.value)


def test_a_file_is_run_once_and_anew_when_it_has_changed(write: Write, tmp_path: Path) -> None:
    path = write("hooks.py", "calls = []\ndef one(event): calls.append(1)\ndef two(event): calls.append(2)\n")
    one, two, calls = (loaded(tmp_path, f"python:hooks.py:{name}") for name in ("one", "two", "calls"))
    assert loaded(tmp_path, f"python:{path}:one") is one
    assert callable(one)
    assert callable(two)
    one(None)
    two(None)
    assert calls == [1, 2]
    before = path.stat()
    write("hooks.py", "calls = []\ndef one(event): calls.append(3)\ndef two(event): calls.append(4)\n")
    # As quick as a user who mends one letter and saves within the same second.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    new = loaded(tmp_path, "python:hooks.py:one")
    assert callable(new)
    new(None)
    assert loaded(tmp_path, "python:hooks.py:calls") == [3]
    one(None)
    assert calls == [1, 2, 1]  # who has the old one keeps it
    assert not (tmp_path / "__pycache__").exists()


def test_neighbours_are_found_and_nothing_installed_is_hidden(write: Write, tmp_path: Path) -> None:
    path_before = list(sys.path)
    write("json.py", "raise RuntimeError('not the one that was meant')")
    write("rooms.py", "NURSERY = 'nursery'")
    write(
        "hooks.py",
        """
        from __future__ import annotations
        import json
        from dataclasses import dataclass
        from . import rooms
        from .rooms import NURSERY
        from listener.config import Options

        @dataclass
        class Room:
            name: str

        class Settings(Options):
            room: Room | None = None

        def on_event(event):
            from . import rooms as again
            return json.dumps([NURSERY, rooms.NURSERY, again.NURSERY, Settings(room=Room("x")).room.name])
        """,
    )
    on_event = loaded(tmp_path, "python:hooks.py:on_event")
    assert callable(on_event)
    assert on_event(None) == '["nursery", "nursery", "nursery", "x"]'
    assert sys.path == path_before


def test_a_home_folder_counts(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write("a b:c.py", "def on_event(event): pass")
    assert callable(plugins.load("actions", "python:~/a b:c.py:on_event"))
    monkeypatch.chdir(tmp_path)
    assert callable(plugins.load("actions", "python:a b:c.py:on_event"))
    with pytest.raises(PluginError, match="there is no file"):
        plugins.load("actions", "python:~nobody-at-all/x.py:on_event")


# --- in the program ------------------------------------------------------------------------------


def test_broken_ones_are_named_and_the_program_goes_on(write: Write, tmp_path: Path) -> None:
    write("hooks.py", "print('at import')\ndef on_event(event):\n    print('on', event.label, flush=True)\n")
    write("broken.py", "import os\nos.system('echo from a child')\nraise OSError('no such bulb')\n")
    write("opens.py", f"{ACTION}    def open(self):\n        self.nothing.at.all\n")
    write("raises.py", "def on_event(event):\n    return {}[event.label]\n")
    write(
        "config.yaml",
        """
        sources: [{use: demo, speed: max}]
        actions:
          - {use: python:hooks.py:on_event, name: prints}
          - {use: python:broken.py:on_event, name: broken}
          - {use: python:opens.py:Greeter, name: opens}
          - {use: python:raises.py:on_event, name: raises}
        """,
    )
    done = run("run", "-c", "config.yaml", "--json", "--duration", "12", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(event["label"], event["phase"]) for event in events(done.stdout)] == [
        ("smoke_alarm", "onset"),
        ("smoke_alarm", "offset"),
    ]
    for told in (
        "at import",
        "on smoke_alarm",
        "from a child",
        f"ERROR: config.yaml:5: actions[1].use: {tmp_path}/broken.py:3: OSError: no such bulb; the ",
        "ERROR: action 'opens' cannot be set up: AttributeError: 'Greeter' object has no attribute 'nothing'",
        "ERROR: action 'raises' failed on smoke_alarm: KeyError: 'smoke_alarm'",
        f'File "{tmp_path}/raises.py", line 2, in on_event',
    ):
        assert told in done.stderr
    checked = run("check", "-c", "config.yaml", cwd=tmp_path)
    assert checked.returncode == 1
    assert f"config.yaml:5: actions[1].use: {tmp_path}/broken.py:3: OSError: no such bulb" in checked.stderr
    shown = run("plugins", "-c", "config.yaml", cwd=tmp_path)
    assert shown.returncode == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert f"action python:hooks.py:on_event {tmp_path}/hooks.py ok" in lines
    assert (
        f"action python:broken.py:on_event {tmp_path}/broken.py {tmp_path}/broken.py:3: OSError: no such bulb"
        in lines
    )
    assert any(line.startswith("source microphone listener ") and line.endswith(" ok") for line in lines)


def test_one_that_was_broken_at_the_start_stands_in_no_other_change_s_way(
    write: Write, tmp_path: Path
) -> None:
    write("hooks.py", "import nowhere_at_all")
    text = """
        sources: [{use: demo, loop: true, speed: 8}]
        windows: {hop_s: 0.5}
        actions: [{use: log}, {use: python:hooks.py:on_event}]
        """
    write("config.yaml", text)
    with Program("run", "-c", "config.yaml", "--no-console", cwd=tmp_path) as program:
        program.wait_for_log(
            "hooks.py:1: ModuleNotFoundError: No module named 'nowhere_at_all'; the program goes on"
        )
        program.wait_for_log("listening to demo")
        write("config.yaml", text.replace("0.5", "1.0"))
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has changed: hop and events")
        program.wait_for_log("the new configuration is in force")
        write("hooks.py", "def on_event(event): print('the hook heard', event.label)")
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has changed: actions")
        program.wait_for_log("the new configuration is in force")
        wait_for_line(program, "the hook heard ")


def wait_for_line(program: Program, text: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(text in line for line in program.told):
        assert time.monotonic() < until, "".join(program.told)
        time.sleep(0.02)


def test_plugins_are_shown_though_the_configuration_is_wrong(write: Write, tmp_path: Path) -> None:
    write("config.yaml", "nonsense: 1")
    shown = run("plugins", cwd=tmp_path)
    assert shown.returncode == 0
    assert "microphone" in shown.stdout
    assert "config.yaml:1: nonsense: unknown key" in shown.stderr
    assert run("plugins", "-c", "config.yaml", cwd=tmp_path).returncode == 1


def test_an_action_that_is_broken_cannot_be_fired(write: Write, tmp_path: Path) -> None:
    write("opens.py", f"{ACTION}    def open(self):\n        raise KeyError('x')\n")
    write("config.yaml", "actions: [{use: python:opens.py:Greeter, name: opens}]")
    done = run("actions", "test", "opens", "-c", "config.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "action 'opens' cannot be set up: KeyError: 'x'" in done.stderr


def test_an_action_is_fired_for_each_part_that_it_answers_to(write: Write, tmp_path: Path) -> None:
    write("hooks.py", hook("it"))
    write("config.yaml", "actions: [{use: python:hooks.py:on_event, name: hook, when: all}]")
    for more in ((), ("--phase", "update"), ("--phase", "offset")):
        done = run("actions", "test", "hook", "--label", "dog", *more, "-c", "config.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    phases = ("onset", "update", "offset", "update", "offset")
    told = [line.split()[:3] for line in (tmp_path / "told").read_text().splitlines()]
    assert told == [["it", "dog", phase] for phase in phases]


def hook(word: str) -> str:
    return f"""
        def on_event(event, context):
            with open("told", "a") as told:
                told.write(f"{word} {{event.label}} {{event.phase}} {{context.key.endswith(event.phase)}}\\n")
        """


def loud_second() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    noise = np.random.default_rng(1).integers(-16_000, 16_000, 2 * 16_000)
    noise[16_000:] //= 1_000
    return noise.astype(np.int16)


def wait_for(path: Path, text: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() < until, path.read_text() if path.exists() else "nobody was told"
        time.sleep(0.02)


def test_a_function_hears_the_microphone_and_is_changed_on_the_run(
    write: Write, tmp_path: Path, virtual_microphone: VirtualMicrophone
) -> None:
    loudness_bundle(tmp_path / "loudness.pt")
    write("hooks.py", hook("one"))
    write(
        "config.yaml",
        """
        model: {path: loudness.pt}
        events: {only: [loud], default: {cooldown_s: 0}}
        actions: [{use: python:hooks.py:on_event, when: both}]
        """,
    )
    with Program("run", "-c", "config.yaml", "--no-console", cwd=tmp_path) as program:
        program.wait_for_log("listening to mic")
        player = virtual_microphone.play_array(loud_second())
        told = "one loud onset True\none loud offset True\n"
        wait_for(tmp_path / "told", told)
        player.wait(PATIENCE_S)
        write("hooks.py", hook("two"))
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has changed: actions")
        program.wait_for_log("the new configuration is in force")
        player = virtual_microphone.play_array(loud_second())
        told += "two loud onset True\ntwo loud offset True\n"
        wait_for(tmp_path / "told", told)
        player.wait(PATIENCE_S)
        write("hooks.py", "def on_event(event:\n")
        program.interrupt(signal.SIGHUP)
        program.wait_for_log(f"{tmp_path}/hooks.py:1: SyntaxError: ")
        program.wait_for_log("the new configuration is not taken")
        player = virtual_microphone.play_array(loud_second())
        wait_for(tmp_path / "told", told + "two loud onset True\ntwo loud offset True\n")
        player.wait(PATIENCE_S)
        program.interrupt()
        assert program.wait() == 130
