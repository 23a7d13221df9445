"""The program as a service: what it tells its manager, how it takes another configuration, how it ends."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from tests.bundles import loudness_bundle
from tests.daemon.manager import ServiceManager
from tests.program import PATIENCE_S, Program, comparable, events, run
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
LISTENS = "STATUS=listening: mic (16 kHz), 100.00 % heard"


class ConfigFile:
    """A configuration that changes."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path
        self.settings = settings
        self.write()

    def write(self, **changes: Any) -> None:
        """Write it, with changes."""
        half_written = self.path.with_suffix(".new")
        half_written.write_text(yaml.safe_dump({**self.settings, **changes}))
        half_written.replace(self.path)


@pytest.fixture
def config(tmp_path: Path) -> ConfigFile:
    """A microphone, and a model that hears loudness."""
    model = loudness_bundle(tmp_path / "loudness.pt")
    return ConfigFile(
        tmp_path / "config.yaml",
        model={"path": str(model)},
        events={"only": ["loud"], "default": {"cooldown_s": 0.0}},
        sources=[{"use": "microphone", "name": "mic"}],
        actions=[{"use": "log"}],
    )


@pytest.fixture
def manager() -> Iterator[ServiceManager]:
    with ServiceManager() as manager:
        yield manager


def service(
    config: ConfigFile, manager: ServiceManager, *arguments: str | Path, watchdog_s: float = 2.0
) -> Program:
    """Start the program as a service manager would."""
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(watchdog_s * 1e6))}
    return Program("run", "-c", config.path, *arguments, environment=environment)


def loud(path: Path, seconds: float = 600.0) -> Path:
    """Write a recording that is loud from its beginning to its end."""
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, round(seconds * RATE))
    soundfile.write(path, samples, RATE)
    return path


def noise(*parts: tuple[float, float]) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Noise of some seconds at some level each, as 16-bit samples."""
    rng = np.random.default_rng(1)
    return np.concatenate(
        [np.round(rng.uniform(-level, level, round(seconds * RATE))) for seconds, level in parts]
    ).astype(np.int16)


def test_the_life_of_a_service(
    config: ConfigFile, manager: ServiceManager, virtual_microphone: VirtualMicrophone
) -> None:
    with service(config, manager, "--json") as program:
        ready = manager.wait_for("READY=1")
        assert manager.told[0].startswith("STATUS=loading")
        manager.wait_for(f"{LISTENS}, no event yet")
        manager.wait_for("WATCHDOG=1", after=ready)
        player = virtual_microphone.play_array(noise((1, 10), (2, 8_000), (5, 10)))
        program.wait_for_event("loud", "offset")
        manager.wait_for(f"{LISTENS}, last event loud just now")
        player.wait()

        config.write(windows={"hop_s": 0.25})
        program.interrupt(signal.SIGHUP)
        reloading = manager.wait_for("RELOADING=1\nMONOTONIC_USEC=")
        manager.wait_for("READY=1", after=reloading)
        program.wait_for_log("the new configuration is in force")
        config.write(windows={"hop_s": "fast"})
        program.interrupt(signal.SIGHUP)
        manager.wait_for("STATUS=configuration not taken: ")
        program.wait_for_log("windows.hop_s")

        program.interrupt(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert program.wait() == 0
    assert "Traceback" not in "".join(program.told)


def test_a_microphone_that_is_not_there_at_boot(
    config: ConfigFile, manager: ServiceManager, virtual_microphone: VirtualMicrophone
) -> None:
    virtual_microphone.kill()
    config.write(sources=[{"use": "microphone", "name": "mic", "device": "room"}])
    with service(config, manager, "--json") as program:
        ready = manager.wait_for("READY=1")
        manager.wait_for("STATUS=waiting for microphone 'room', not seen yet")
        assert program.wait_for_event("@source.absent", "onset")["source"] == "mic"
        for _ in range(3):
            ready = manager.wait_for("WATCHDOG=1", after=ready)
        virtual_microphone.start()
        manager.wait_for(LISTENS)
        program.wait_for_event("@source.absent", "offset")
        virtual_microphone.kill()
        manager.wait_for("STATUS=waiting for microphone 'room', last seen just now")
        program.interrupt(signal.SIGTERM)
        assert program.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--source", "mic:room"), "microphone"),
        (("--device", "room"), "microphone"),
        (("--no-wait",), "microphone"),
        (("--wait", "--source", "gone.wav"), "gone.wav"),
    ],
)
def test_who_asks_for_what_is_not_there_is_told_at_once(
    config: ConfigFile, no_audio_system: None, arguments: tuple[str, ...], told: str
) -> None:
    done = run("run", "-c", config.path, *arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--wait", "--device", "room")])
def test_a_microphone_is_waited_for_in_the_foreground(
    config: ConfigFile, no_audio_system: None, arguments: tuple[str, ...]
) -> None:
    with Program("run", "-c", config.path, "--no-console", *arguments) as program:
        program.wait_for_log("mic is absent")
        program.interrupt()
        assert program.wait() == 130


def test_a_recording_of_the_configuration_that_is_missing_ends_the_program(
    config: ConfigFile, manager: ServiceManager
) -> None:
    config.write(sources=[{"use": "file", "path": "gone.wav"}])
    with service(config, manager) as program:
        assert program.wait() == 1
        program.wait_for_log("gone.wav")


def test_many_reloads_change_nothing_of_what_is_heard(
    config: ConfigFile, manager: ServiceManager, tmp_path: Path
) -> None:
    """SIGHUP as often as it is taken, with another configuration each time: the events of `analyze`."""
    samples = np.concatenate([noise((3, 10), (2 + n % 3, 8_000)) for n in range(8)] + [noise((3, 10))])
    recording = tmp_path / "recording.wav"
    soundfile.write(recording, samples, RATE)
    (tmp_path / "copy.pt").write_bytes((tmp_path / "loudness.pt").read_bytes())
    other_events = {"only": ["loud"], "default": {"cooldown_s": 0.0, "threshold_on": 0.6}}
    changes: list[dict[str, Any]] = [
        {"events": other_events},
        {"model": {"path": str(tmp_path / "copy.pt")}},
        {"actions": [{"use": "log", "when": "both"}]},
        {},
    ]
    n_taken = 0
    with service(config, manager, "--source", recording, "--speed", "4", "--json") as program:
        last = manager.wait_for("READY=1")
        while "STOPPING" not in manager.told[last - 1]:
            config.write(**changes[n_taken % len(changes)])
            program.interrupt(signal.SIGHUP)
            last = manager.wait_until(_is_over, "the end of a reload", after=last)
            n_taken += 1
        assert program.wait() == 0
        live = events("".join(program.printed))
    assert n_taken > len(changes)
    assert not any("not taken" in message for message in manager.told)
    assert [event["phase"] for event in live] == ["onset", "offset"] * 8
    assert [onset["id"] for onset in live[::2]] == [offset["id"] for offset in live[1::2]]
    config.write()
    analyzed = run("analyze", "-c", config.path, recording, "--format", "jsonl")
    assert [comparable(event) for event in live[1::2]] == [comparable(e) for e in events(analyzed.stdout)]


def _is_over(message: str) -> bool:
    return message.startswith(("READY=1", "STOPPING=1"))


def test_what_the_command_line_says_stays_in_force(config: ConfigFile, tmp_path: Path) -> None:
    recording = loud(tmp_path / "loud.wav")
    with Program("run", "-c", config.path, "--source", recording, "--json") as program:
        program.wait_for_event("loud", "onset")
        config.write(sources=[{"use": "demo", "name": "scene"}], windows={"hop_s": 0.25})
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has changed: hop and events")
        program.wait_for_log("is in force")
        program.interrupt(signal.SIGTERM)
        assert program.wait_for_event("loud", "offset")["source"] == str(recording)
        assert program.wait() == 0


def test_without_a_configuration_there_is_nothing_to_reload(tmp_path: Path) -> None:
    recording = loud(tmp_path / "loud.wav")
    with Program("run", "--source", recording, "--no-console", cwd=tmp_path) as program:
        program.wait_for_log("listening to")
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("there is nothing to reload")
        program.interrupt(signal.SIGTERM)
        assert program.wait() == 0


def test_a_reload_while_it_loads(config: ConfigFile) -> None:
    with Program("run", "-c", config.path, "--source", "demo", "--no-console") as program:
        program.wait_for_log("loading")
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has not changed")
        program.interrupt(signal.SIGTERM)
        assert program.wait() == 0


def test_the_end_while_it_loads(config: ConfigFile) -> None:
    with Program("run", "-c", config.path, "--source", "demo", "--json") as program:
        program.wait_for_log("loading")
        program.interrupt(signal.SIGTERM)
        assert program.wait() == 0
        assert "Traceback" not in "".join(program.told)


def test_one_interrupt_ends_the_wait_for_actions_when_the_sources_have_ended(config: ConfigFile) -> None:
    recording = loud(config.path.parent / "loud.wav")
    waits = ["sh", "-c", "echo begun; sleep 40; echo waited"]
    config.write(actions=[{"use": "command", "run": waits, "timeout_s": 50}])
    with Program(
        "run", "-c", config.path, "--source", recording, "--speed", "max", "--no-console"
    ) as program:
        program.wait_for_log("begun")
        program.wait_for_log("the sources have ended: actions have a minute")
        program.interrupt()
        assert program.wait() == 130
    assert "waited" not in "".join(program.told)
    assert "1 timed out" in "".join(program.told)


STUBBORN = """#!/bin/sh
trap '' TERM
echo $$ > "$1.new" && mv "$1.new" "$1"
while :; do sleep 0.1; done
"""
"""A script that has to be killed."""


def _with_stubborn_action(config: ConfigFile, folder: Path) -> Path:
    """Let the configuration answer events with a script that never ends; give the file with its process."""
    script = folder / "stubborn.sh"
    script.write_text(STUBBORN)
    script.chmod(0o755)
    config.settings["actions"] = [{"use": "command", "run": [str(script), str(folder / "pid")]}]
    config.write()
    return folder / "pid"


def _process(path: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


def _assert_gone(process: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_end_gives_actions_their_time_and_then_kills_them(config: ConfigFile, tmp_path: Path) -> None:
    pid_file = _with_stubborn_action(config, tmp_path)
    source = loud(tmp_path / "loud.wav")
    with Program("run", "-c", config.path, "--source", source, "--json") as program:
        onset = program.wait_for_event("loud", "onset")
        process = _process(pid_file)
        program.interrupt(signal.SIGTERM)
        assert program.wait_for_event("loud", "offset")["id"] == onset["id"]
        program.wait_for_log("is given up: the program stops")
        assert program.wait() == 0
    _assert_gone(process)


@pytest.mark.parametrize("pair", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)])
def test_a_second_signal_hurries_and_leaves_nobody_behind(
    config: ConfigFile, tmp_path: Path, pair: tuple[signal.Signals, signal.Signals]
) -> None:
    pid_file = _with_stubborn_action(config, tmp_path)
    source = loud(tmp_path / "loud.wav")
    with Program("run", "-c", config.path, "--source", source, "--json") as program:
        program.wait_for_event("loud", "onset")
        process = _process(pid_file)
        program.interrupt(pair[0])
        program.wait_for_log("stopping")
        program.interrupt(pair[1])
        program.wait_for_event("loud", "offset")
        assert program.wait() == 130
    _assert_gone(process)
    assert "Traceback" not in "".join(program.told)


def test_the_end_does_not_wait_for_a_reload_that_hangs(config: ConfigFile, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "card.yaml")
    source = loud(tmp_path / "loud.wav")
    with Program("run", "-c", config.path, "--source", source, "--json") as program:
        program.wait_for_event("loud", "onset")
        config.write(model={"path": str(tmp_path / "loudness.pt"), "card": str(tmp_path / "card.yaml")})
        program.interrupt(signal.SIGHUP)
        program.wait_for_log("the configuration has changed: model")
        program.interrupt(signal.SIGTERM)
        program.wait_for_event("loud", "offset")
        assert program.wait() == 0


def test_the_end_while_the_microphone_is_away(config: ConfigFile, no_audio_system: None) -> None:
    with Program("run", "-c", config.path, "--json") as program:
        onset = program.wait_for_event("@source.absent", "onset")
        program.interrupt(signal.SIGTERM)
        assert program.wait_for_event("@source.absent", "offset")["id"] == onset["id"]
        assert program.wait() == 0


@pytest.mark.parametrize("backend", ["pyaudio", "sounddevice"])
def test_the_end_while_the_sound_server_hangs(
    config: ConfigFile, virtual_microphone: VirtualMicrophone, backend: str
) -> None:
    config.write(sources=[{"use": "microphone", "name": "mic", "backend": backend}])
    with Program("run", "-c", config.path, "--json") as program:
        program.wait_for_log("listening to mic")
        virtual_microphone.play_array(noise((10, 8_000)))
        onset = program.wait_for_event("loud", "onset")
        virtual_microphone.freeze()
        program.wait_for_log("mic is lost")
        program.interrupt(signal.SIGTERM)
        assert program.wait_for_event("loud", "offset")["id"] == onset["id"]
        assert program.wait() == 0
    assert "Traceback" not in "".join(program.told)
