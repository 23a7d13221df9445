"""From a sound in the virtual microphone to the message on the broker, by the program as users run it."""

import json
from pathlib import Path

import numpy as np
import pytest

from listener.assembly import build_actions
from listener.classifiers.bundle import read_card
from listener.config_file import read_config
from listener.errors import ConfigError
from tests.broker import Broker
from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
STATE = "listener/attic/state"
LOUD = "listener/mic/loud"


def configuration(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"""
sources: [{{use: microphone, name: mic}}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0.5}}}}
actions:
  - {{use: mqtt, host: 127.0.0.1, port: {port}, node: attic, labels: [loud], discovery: true{more}}}
  - {{use: command, name: photo, run: ["true"]}}
"""
    )
    return path


def burst() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """A loud second after a quiet one, and quiet again."""
    gain = np.repeat([10, 10_000, 10], RATE)
    return np.asarray(np.round(np.random.default_rng(1).uniform(-1, 1, 3 * RATE) * gain), np.int16)


def test_a_sound_is_a_message(virtual_microphone: VirtualMicrophone, broker: Broker, tmp_path: Path) -> None:
    """Then an action is switched off and on, and the program is killed."""
    with broker.onlooker() as onlooker:
        with Program("run", "-c", configuration(tmp_path, broker.port), "--json") as program:
            onlooker.wait_for(f"{STATE}/label/loud", "OFF")
            onlooker.wait_for(f"{STATE}/source/mic/state", "live")
            onlooker.wait(lambda: onlooker.payloads(f"{STATE}/source/mic/level")[-1:] not in ([], ["None"]))
            player = virtual_microphone.play_array(burst())
            began = program.wait_for_event("loud", "onset")
            onlooker.wait_for(f"{STATE}/label/loud", "ON")
            ended = program.wait_for_event("loud", "offset")
            onlooker.wait_for(f"{STATE}/label/loud", "OFF", times=2)
            assert onlooker.wait_for_json(LOUD, times=2) == ended
            assert json.loads(onlooker.payloads(LOUD)[0]) == began
            assert onlooker.wait_for_json(f"{STATE}/last_event") == began
            player.wait()
            _pause(virtual_microphone, program, broker)
            onlooker.wait_for(LOUD, times=4)
            program.kill()
        onlooker.wait_for(f"{STATE}/availability", "offline")
        assert len(onlooker.payloads(LOUD)) == 4


def _pause(microphone: VirtualMicrophone, program: Program, broker: Broker) -> None:
    """Switch an action off and on; the other one goes on."""
    with broker.onlooker(f"{STATE}/#") as onlooker:
        onlooker.publish(f"{STATE}/action/photo/set", "OFF")
        program.wait_for_log("action 'photo' is switched off")
        onlooker.wait_for(f"{STATE}/action/photo", "OFF")
        player = microphone.play_array(burst())
        program.wait_for_event("loud", "offset")
        player.wait()
        onlooker.publish(f"{STATE}/action/photo/set", "ON")
        program.wait_for_log("action 'photo' is switched on")


def test_a_program_without_its_broker_listens_on(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """Down at the start; what is heard meanwhile is told by the next program, which finds it there."""
    state = tmp_path / "state"
    with Broker() as broker:
        broker.stop()
        config = configuration(tmp_path, broker.port)
        with Program("run", "-c", config, "--json", state=state) as program:
            program.wait_for_log("Connection refused; it is tried again and again")
            player = virtual_microphone.play_array(burst())
            heard = program.wait_for_event("loud", "offset")
            player.wait()
            program.interrupt()
            program.wait_for_log("2 messages wait for the next start")
            assert program.wait() == 130
        broker.start()
        with broker.onlooker() as onlooker, Program("run", "-c", config, state=state) as program:
            assert onlooker.wait_for_json(LOUD, times=2) == heard
            program.interrupt()
            program.wait()
            assert onlooker.ids(LOUD) == [heard["id"]] * 2


def test_settings_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    file = read_config(configuration(tmp_path, 1883, ", when: onset"))
    with pytest.raises(
        ConfigError, match=r"yaml:7: actions\[0\]: when: 'discovery' has to hear of beginnings"
    ):
        build_actions(file, read_card(file.config.model.path, None))


def test_sensors_go_off_without_a_word_in_the_configuration(tmp_path: Path) -> None:
    file = read_config(configuration(tmp_path, 1883))
    (_, settings), _ = build_actions(file, read_card(file.config.model.path, None))
    assert settings.when == "both"
