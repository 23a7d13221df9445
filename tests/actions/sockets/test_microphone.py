"""From the microphone to other programs."""

import json
import os
from pathlib import Path

import numpy as np

from tests.actions.sockets.peers import Client, Reader, free_port
from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone


def test_a_sound_arrives_at_both_kinds_of_programs(
    virtual_microphone: VirtualMicrophone, folder: Path, tmp_path: Path
) -> None:
    """One connects and reads; the other listens, is away at first, and later again."""
    listen, connect = f"unix:{folder}/events", f"tcp:127.0.0.1:{free_port()}"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
sources: [{{use: microphone, name: mic, backend: sounddevice}}]
model: {{path: {loudness_bundle(tmp_path / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: socket, name: serves, when: both, listen: "{listen}"}}
  - use: socket
    name: calls
    when: both
    connect: "{connect}"
    retry: {{times: 100, pause_s: 0.1, longest_pause_s: 0.3}}
    breaker: never
""",
        encoding="utf-8",
    )
    noise = np.random.default_rng(1).uniform(-10_000, 10_000, 16_000)
    burst = np.asarray(np.pad(noise, 8_000), np.int16)
    reader = Reader(connect)
    try:
        with Program("run", "-c", config, "--json") as program:
            program.wait_for_log("listening to mic")
            client = Client(listen)
            virtual_microphone.play_array(burst)
            program.wait_for_log("Connection refused; it is tried again")
            heard = [client.event(), client.event()]
            reader.start()
            reader.wait_for(2)
            reader.stop()
            virtual_microphone.play_array(burst)
            heard += [client.event(), client.event()]
            program.wait_for_log("Connection refused; it is tried again")
            reader.start()
            reader.wait_for(4)
            program.interrupt()
            assert program.wait() == 130
            assert client.line() == ""
            client.close()
    finally:
        reader.stop()
    printed = [json.loads(line) for line in program.printed]
    assert [event["phase"] for event in printed] == ["onset", "offset"] * 2
    assert heard == printed
    assert [json.loads(line) for line in reader.lines] == printed
    assert os.listdir(folder) == []  # noqa: PTH208 - names are all that matters
