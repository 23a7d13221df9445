"""Another configuration while the engine runs: what is taken, what is refused, and that no sample is lost."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from listener import assembly
from listener.config_file import read_config
from listener.daemon import engine as engine_module
from listener.daemon import reload as reload_module
from listener.daemon.engine import Engine
from listener.daemon.notify import Notifier
from listener.daemon.reload import Reloader
from listener.daemon.setup import load
from listener.errors import DeviceError, SourceError
from listener.sources.base import Source
from listener.testing import ScriptedSource, Step
from listener.types import Decision, Event, ModelCard, Phase, Prediction
from tests.bundles import loudness_bundle
from tests.daemon.manager import ServiceManager

RATE = 16_000
PATIENCE_S = 60.0
HOP_S = 0.5


def sound(seconds: float, loud: bool) -> list[Step]:
    """Tenths of a second of noise, the same each time."""
    rng = np.random.default_rng(loud)
    gain = 0.5 if loud else 0.001
    return [rng.uniform(-gain, gain, RATE // 10).astype(np.float32) for _ in range(round(10 * seconds))]


class Audience:
    """Takes down all that the engine tells."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.windows: list[Prediction] = []
        self.models: list[tuple[str, float]] = []
        self.labels = 0
        self._changed = threading.Condition()

    def on_event(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def on_told(self, event: Event) -> None:
        pass

    def on_step(self, prediction: Prediction, decisions: list[Decision]) -> None:
        assert self.labels in (0, len(prediction.scores)), "told of the model too late"
        with self._changed:
            self.windows.append(prediction)
            self._changed.notify_all()

    def on_model(self, card: ModelCard, hop_s: float) -> None:
        self.labels = len(card.labels)
        self.models.append((card.identity, hop_s))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S)

    def ends(self) -> list[tuple[str, float, float | None]]:
        return [(e.label, e.onset_s, e.offset_s) for e in self.events if e.phase is Phase.OFFSET]

    def assert_each_onset_has_its_offset(self) -> None:
        began = [event.id for event in self.events if event.phase is Phase.ONSET]
        ended = [event.id for event in self.events if event.phase is Phase.OFFSET]
        assert sorted(began) == sorted(ended)
        assert len(set(began)) == len(began)


class Running:
    """An engine over a configuration file that a test changes."""

    def __init__(self, path: Path, settings: dict[str, Any], notifier: Notifier) -> None:
        self.path = path
        self.write(**settings)
        self.audience = Audience()
        self.engine = Engine(load(read_config(path)), self.audience)
        self.reloader = Reloader(self.engine, lambda: read_config(path), notifier)

    def write(self, **settings: Any) -> None:
        """Write the configuration file anew."""
        self.path.write_text(yaml.safe_dump(settings))

    def reload(self, **settings: Any) -> None:
        """Write it, and wait until it is taken or refused."""
        if settings:
            self.write(**settings)
        self.reloader.begin()
        while self.reloader.is_busy:
            time.sleep(0.005)
            self.reloader.look()

    def finish(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.engine.is_done:
            assert time.monotonic() < deadline
            time.sleep(0.01)


Scripts = dict[str, list[ScriptedSource]]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """Sources to be given in turn for each name in a configuration; others are made as they should be."""
    scripts: Scripts = {}
    build = assembly.build_sources

    def build_scripted(file: Any) -> list[Source]:
        names = [source.name for source in file.config.sources]
        made = build(file)
        return [
            scripts[name].pop(0) if scripts.get(name) else each
            for name, each in zip(names, made, strict=True)
        ]

    monkeypatch.setattr(engine_module, "build_sources", build_scripted)
    return scripts


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """What a configuration says at first: a model that hears loudness, and a microphone."""
    model = loudness_bundle(tmp_path / "loudness.pt")
    return {
        "model": {"path": str(model)},
        "windows": {"hop_s": HOP_S},
        "events": {"only": ["loud"], "default": {"cooldown_s": 0.0}},
        "sources": [{"use": "microphone", "name": "mic"}],
        "actions": [{"use": "log"}],
    }


@contextmanager
def running(tmp_path: Path, settings: dict[str, Any], notifier: Notifier | None = None) -> Iterator[Running]:
    program = Running(tmp_path / "config.yaml", settings, notifier or Notifier())
    program.engine.start(threading.Event())
    try:
        yield program
    finally:
        program.engine.stop(in_a_hurry=True)
    program.engine.raise_failure()


def changed(settings: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**settings, **parts}


def bursts() -> list[Step]:
    """Sixteen seconds with a short and a long event."""
    return [*sound(2, False), *sound(2, True), *sound(3, False), *sound(7, True), *sound(2, False)]


def with_gates(script: Sequence[Step], every: int) -> tuple[list[Step], list[threading.Event]]:
    """Hold the script up after each so many steps until the test opens a gate."""
    steps: list[Step] = []
    gates: list[threading.Event] = []
    for index, step in enumerate(script):
        if index and index % every == 0:
            gates.append(threading.Event())
            steps.append(gates[-1])
        steps.append(step)
    return steps, gates


def test_not_a_sample_is_lost_however_often_it_is_changed(
    tmp_path: Path, settings: dict[str, Any], scripts: Scripts
) -> None:
    """Thresholds, model and actions in turn, in the middle of events: the same windows and events."""
    scripts["mic"] = [ScriptedSource("mic", bursts())]
    with running(tmp_path, settings) as undisturbed:
        undisturbed.finish()
    expected = undisturbed.audience
    assert expected.ends() == [("loud", 2.0, 4.0), ("loud", 7.0, 14.0)]

    loudness_bundle(tmp_path / "copy.pt")
    script, gates = with_gates(bursts(), every=4)  # at any place of a window
    scripts["mic"] = [ScriptedSource("mic", script)]
    variants = [
        changed(settings, events={"only": ["loud"], "default": {"cooldown_s": 0.0, "threshold_on": 0.6}}),
        changed(settings, model={"path": str(tmp_path / "copy.pt")}),
        changed(settings, actions=[{"use": "log", "labels": ["loud"]}, {"use": "log", "name": "second"}]),
        settings,
    ]
    with running(tmp_path, settings) as program:
        for number, gate in enumerate(gates):
            program.reload(**variants[number % len(variants)])
            assert not program.reloader.problem
            gate.set()
        program.finish()
        (source,) = program.engine.stats().sources
    told = program.audience
    assert len(gates) == 39
    assert [(w.start_s, w.end_s, w.after_gap) for w in told.windows] == [
        (w.start_s, w.end_s, w.after_gap) for w in expected.windows
    ]
    assert all((a.scores == b.scores).all() for a, b in zip(told.windows, expected.windows, strict=True))
    assert told.ends() == expected.ends()
    assert [event.phase for event in told.events] == [Phase.ONSET, Phase.OFFSET] * 2
    told.assert_each_onset_has_its_offset()
    assert (source.skipped, source.thinned, source.overruns, source.lost_s) == (0, 0, 0, 0.0)
    assert source.heard_s == pytest.approx(16.0)


def test_another_hop_leaves_no_sound_out(tmp_path: Path, settings: dict[str, Any], scripts: Scripts) -> None:
    script, gates = with_gates(bursts(), every=7)
    scripts["mic"] = [ScriptedSource("mic", script)]
    hops_s = (0.25, 0.5, 0.1, 1.0)
    with running(tmp_path, settings) as program:
        for number, gate in enumerate(gates):
            program.reload(**changed(settings, windows={"hop_s": hops_s[number % len(hops_s)]}))
            gate.set()
        program.finish()
    told = program.audience
    assert len(gates) > 20
    assert told.windows[0].start_s == 0.0
    assert told.windows[-1].end_s == 16.0
    for before, after in zip(told.windows, told.windows[1:], strict=False):
        assert before.end_s < after.end_s <= before.end_s + 1.0 + 1e-6
        assert after.start_s <= before.end_s
        assert not after.after_gap
    assert [event.phase for event in told.events] == [Phase.ONSET, Phase.OFFSET] * 2
    told.assert_each_onset_has_its_offset()
    for (_, onset_s, offset_s), (began, ended) in zip(told.ends(), [(2.0, 4.0), (7.0, 14.0)], strict=True):
        assert onset_s == pytest.approx(began, abs=1.0)
        assert offset_s == pytest.approx(ended, abs=1.0)
    assert told.models[:2] == [("loudness/1.0.0", 0.25), ("loudness/1.0.0", 0.5)]


def test_an_event_keeps_its_id_across_another_model_with_other_labels(
    tmp_path: Path, settings: dict[str, Any], scripts: Scripts
) -> None:
    loudness_bundle(tmp_path / "other.pt", "2.0.0", unheard=("silence", "ghost"))
    gate = threading.Event()
    scripts["mic"] = [ScriptedSource("mic", [*sound(4, True), gate, *sound(4, False)])]
    with running(tmp_path, changed(settings, events={})) as program:
        program.audience.wait_until(lambda: bool(program.audience.events))
        before = program.engine.setup.classifier
        program.reload(**changed(settings, model={"path": str(tmp_path / "other.pt")}, events={}))
        assert program.engine.setup.classifier is not before
        gate.set()
        program.finish()
    program.audience.assert_each_onset_has_its_offset()
    assert program.audience.ends()[:1] == [("loud", 0.0, 4.0)]
    assert program.audience.models == [("loudness/2.0.0", HOP_S)]


@pytest.fixture
def gate(scripts: Scripts) -> Iterator[threading.Event]:
    """A microphone that hears a loud sound, which goes on when the gate is opened."""
    gate = threading.Event()
    scripts["mic"] = [ScriptedSource("mic", [*sound(4, True), gate, *sound(4, False)])]
    yield gate
    gate.set()


def in_the_middle(program: Running) -> None:
    """Wait until an event goes on, and the sound up to the gate was looked at."""
    program.audience.wait_until(lambda: len(program.audience.windows) == 7)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"windws": {}}, "did you mean 'windows'"),
        ({"events": {"only": ["luod"]}}, "did you mean 'loud'"),
        ({"events": {"default": {"threshold_on": 0.3, "threshold_off": 0.9}}}, "threshold_off"),
        ({"model": {"path": "/no/such/model.pt"}}, "/no/such/model.pt"),
        ({"actions": [{"use": "lgo"}]}, "did you mean 'log'"),
        ({"actions": [{"use": "command", "run": ["/no/such/program"]}]}, "/no/such/program"),
        ({"sources": [{"use": "microphone", "name": "mic", "channel": 0}]}, "channel"),
        ({"sources": [{"use": "file", "path": "/no/such/file.wav"}]}, "/no/such/file.wav"),
        ({"sources": []}, "there is none"),
    ],
)
def test_a_bad_configuration_is_told_and_the_one_before_goes_on(
    tmp_path: Path,
    settings: dict[str, Any],
    gate: threading.Event,
    parts: dict[str, Any],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        before = program.engine.setup
        program.reload(**changed(settings, **parts))
        assert told in program.reloader.problem
        assert program.engine.setup is before
        errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        assert errors[-1] == "the new configuration is not taken; the one before goes on"
        assert told in errors[0]
        gate.set()
        program.finish()
        program.reload(**settings)
        assert not program.reloader.problem
    assert program.audience.ends() == [("loud", 0.0, 4.0)]
    assert not program.audience.models


def test_every_problem_is_told_at_once(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {
        "events": {"only": ["luod"]},
        "actions": [{"use": "command", "run": ["/no/such/program"]}, {"use": "log", "labels": ["dog"]}],
        "sources": [{"use": "file", "path": "/no/such/file.wav"}, {"use": "microphone", "channel": 0}],
    }
    with running(tmp_path, settings) as program:
        program.reload(**changed(settings, **bad))
        for told in ("'luod'", "'dog'", "channel"):
            assert told in caplog.text
        assert "(and 2 more)" in program.reloader.problem


def test_a_configuration_that_is_gone(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    with running(tmp_path, settings) as program:
        program.path.unlink()
        program.reload()
        assert "no such configuration file" in program.reloader.problem


def test_nothing_has_changed(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with running(tmp_path, settings) as program:
        before = program.engine.setup
        program.path.write_text("# another comment\n" + program.path.read_text())
        program.reload()
        assert program.engine.setup is before
    assert "the configuration has not changed: nothing to do" in caplog.text


def test_a_model_file_that_was_replaced_is_another_model(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    with running(tmp_path, settings) as program:
        before = program.engine.setup.classifier
        loudness_bundle(tmp_path / "loudness.pt", "1.0.1")
        program.reload()
        assert program.engine.setup.classifier is not before
        assert program.audience.models == [("loudness/1.0.1", HOP_S)]


def test_a_broken_model_file_is_refused(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    with running(tmp_path, settings) as program:
        whole = (tmp_path / "loudness.pt").read_bytes()
        (tmp_path / "broken.pt").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "broken.pt").replace(tmp_path / "loudness.pt")
        program.reload()
        assert "loudness.pt" in program.reloader.problem
        gate.set()
        program.finish()
    assert program.audience.ends() == [("loud", 0.0, 4.0)]


def test_actions_that_did_not_change_go_on(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    with running(tmp_path, changed(settings, actions=[{"use": "log", "when": "both"}])) as program:
        in_the_middle(program)
        while not program.engine.action_stats()["log"].fired:
            time.sleep(0.005)
        program.reload(**changed(settings, windows={"hop_s": 0.25}, actions=[{"use": "log", "when": "both"}]))
        assert program.engine.action_stats()["log"].fired == 1  # counted by the same action
        program.reload(**changed(settings, actions=[{"use": "log", "name": "other"}]))
        assert list(program.engine.action_stats()) == ["other"]


def test_an_action_that_was_broken_at_the_start_is_in_no_ones_way(
    tmp_path: Path, settings: dict[str, Any], scripts: Scripts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "hooks.py").write_text(
        "from listener.actions.base import Action\n"
        "class Broken(Action):\n"
        "    def open(self): raise KeyError('bulb')\n"
        "    def run(self, event, context): pass\n"
        "    def close(self): self.bulb.off()\n"
    )
    broken = {"use": "python:hooks.py:Broken", "name": "broken"}
    settings = changed(settings, actions=[{"use": "log"}, broken])
    scripts["mic"] = [ScriptedSource("mic", [*sound(1, False), threading.Event()])]
    with running(tmp_path, settings) as program:
        assert "the program goes on without it" in caplog.text
        program.reload(**changed(settings, windows={"hop_s": 0.25}))
        assert program.reloader.problem == ""
        program.reload(**changed(settings, actions=[broken]))
        assert "KeyError: 'bulb'" in program.reloader.problem
    assert "by a defect of the program" not in caplog.text


def test_what_an_action_does_is_not_disturbed_by_a_change_of_another(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    """One goes on, one ends what it has begun, one is new."""
    script = (
        'echo "$0" > "$1.new"; mv "$1.new" "$1"; while [ ! -e "$2" ]; do sleep 0.02; done; echo done > "$1"'
    )
    go_on = tmp_path / "go-on"

    def action(name: str, **more: Any) -> dict[str, Any]:
        run = ["sh", "-c", script, name, str(tmp_path / name), str(go_on)]
        return {"use": "command", "name": name, "run": run, "timeout_s": PATIENCE_S, **more}

    def wait_for(name: str, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not (tmp_path / name).exists() or text not in (tmp_path / name).read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    with running(tmp_path, changed(settings, actions=[action("first"), action("second")])) as program:
        wait_for("first", "first")
        wait_for("second", "second")
        program.reload(
            **changed(settings, actions=[action("first"), action("second", when="offset"), action("third")])
        )
        assert list(program.engine.action_stats()) == ["first", "second", "third"]
        go_on.touch()
        wait_for("first", "done")
        wait_for("second", "done")
        while not (told := program.engine.action_stats())["first"].fired:
            time.sleep(0.02)
        assert told["second"].fired == 0  # what answers from now on is another
        gate.set()
        program.finish()


def test_other_sources_take_the_place_of_those_before(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, scripts: Scripts
) -> None:
    first = scripts["mic"][0]
    second = ScriptedSource("yard", [*sound(2, False), *sound(2, True), *sound(2, False)])
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        program.engine._pipeline._runner.pause("log", True)
        scripts["yard"] = [second]
        program.reload(**changed(settings, sources=[{"use": "microphone", "name": "yard"}]))
        assert not program.reloader.problem
        assert first.closed
        assert program.engine.action_stats()["log"].paused, "who was switched off stays so"
        program.finish()
        (source,) = program.engine.stats().sources
        assert source.name == "yard"
    program.audience.assert_each_onset_has_its_offset()
    assert program.audience.ends() == [("loud", 0.0, 4.0), ("loud", 2.0, 4.0)]


def test_a_model_of_another_sample_rate_takes_a_new_pipeline(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, scripts: Scripts
) -> None:
    loudness_bundle(tmp_path / "fast.pt", "2.0.0", ("ghost",), sample_rate=32_000)
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        scripts["mic"] = [ScriptedSource("mic", [*sound(2, False), *sound(2, True), *sound(2, False)])]
        program.reload(**changed(settings, model={"path": str(tmp_path / "fast.pt")}))
        assert not program.reloader.problem
        assert program.engine.sample_rate == 32_000
        program.finish()
    program.audience.assert_each_onset_has_its_offset()
    assert len(program.audience.ends()) == 2
    assert program.audience.models == [("loudness/2.0.0", HOP_S)]


def test_a_new_microphone_that_is_not_there_is_waited_for(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, scripts: Scripts
) -> None:
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        scripts["yard"] = [ScriptedSource("yard", sound(3, True), open_problems=[DeviceError("not there")])]
        program.reload(**changed(settings, sources=[{"use": "microphone", "name": "yard"}]))
        assert not program.reloader.problem
        program.finish()
    labels = [event.label for event in program.audience.events if event.phase is Phase.ONSET]
    assert labels == ["loud", "@source.absent", "loud"]


def test_sources_that_fail_after_all_give_way_to_those_before(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, scripts: Scripts
) -> None:
    again = ScriptedSource("mic", [*sound(1, False), *sound(2, True), *sound(1, False)])
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        before = program.engine.setup
        scripts["tape"] = [ScriptedSource("tape", [], live=False, open_problems=[SourceError("torn")])]
        scripts["mic"] = [again]
        program.reload(**changed(settings, sources=[{"use": "demo", "name": "tape"}]))
        assert program.reloader.problem == "torn"
        assert program.engine.setup is before
        program.finish()
    assert program.audience.ends() == [("loud", 0.0, 4.0), ("loud", 1.0, 3.0)]
    program.audience.assert_each_onset_has_its_offset()


def test_neither_can_be_begun(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, scripts: Scripts
) -> None:
    """What no configuration can mend ends the program with what is wrong."""

    def torn(name: str) -> list[ScriptedSource]:
        return [ScriptedSource(name, [], live=False, open_problems=[SourceError("torn")])]

    def run() -> None:
        with running(tmp_path, settings) as program:
            in_the_middle(program)
            scripts["tape"], scripts["mic"] = torn("tape"), torn("mic")
            program.reload(**changed(settings, sources=[{"use": "demo", "name": "tape"}]))
            program.finish()

    with pytest.raises(SourceError, match="torn"):
        run()


def test_the_service_manager_is_told_of_a_reload(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    with ServiceManager() as manager, running(tmp_path, settings, Notifier(manager.address)) as program:
        program.reload()
        count = manager.wait_for("RELOADING=1\nMONOTONIC_USEC=")
        manager.wait_for("READY=1", after=count)


def test_a_model_that_does_not_load_is_given_up(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is gone, a read hangs for ever; what comes of it in the end is not taken."""
    os.mkfifo(tmp_path / "card.yaml")
    hanging = changed(settings, model={**settings["model"], "card": str(tmp_path / "card.yaml")})
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        before = program.engine.setup
        monkeypatch.setattr(reload_module, "HANGS_S", 0.2)
        program.reload(**hanging)
        assert "longer than" in program.reloader.problem
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "reload"]
        monkeypatch.setattr(reload_module, "HANGS_S", PATIENCE_S)
        program.reload(**changed(settings, windows={"hop_s": 0.25}))
        assert not program.reloader.problem
        assert program.engine.setup.hop_s == 0.25
        # The disk is back.
        writer = os.open(tmp_path / "card.yaml", os.O_WRONLY)
        os.close(writer)
        thread.join(PATIENCE_S)
        assert program.engine.setup.classifier is before.classifier
        gate.set()
        program.finish()
    program.audience.assert_each_onset_has_its_offset()


def test_the_end_does_not_wait_for_a_model_that_hangs(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event
) -> None:
    os.mkfifo(tmp_path / "card.yaml")
    with running(tmp_path, settings) as program:
        in_the_middle(program)
        program.write(**changed(settings, model={**settings["model"], "card": str(tmp_path / "card.yaml")}))
        program.reloader.begin()
    program.audience.assert_each_onset_has_its_offset()
    os.close(os.open(tmp_path / "card.yaml", os.O_WRONLY))


def test_a_defect_in_a_reload_changes_nothing(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*parts: object) -> None:
        raise ZeroDivisionError("division by zero")

    with running(tmp_path, settings) as program:
        before = program.engine.setup
        monkeypatch.setattr(reload_module, "difference", defective)
        program.reload()
        assert program.reloader.problem == "ZeroDivisionError: division by zero"
        assert program.engine.setup is before


def test_there_is_nothing_to_reload(
    tmp_path: Path, settings: dict[str, Any], gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with ServiceManager() as manager, running(tmp_path, settings) as program:
        Reloader(program.engine, None, Notifier(manager.address)).begin()
        manager.wait_for("READY=1", after=manager.wait_for("RELOADING=1"))
    assert "there is nothing to reload: the program runs without a configuration file" in caplog.text
