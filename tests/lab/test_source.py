"""``use: faulty``: usable from a configuration, offered to nobody."""

from collections import deque
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener import plugins
from listener.assembly import build_sources
from listener.config_file import read_config
from listener.errors import ConfigError, DeviceError, PluginError
from listener.lab.faults import Loss, Unplug
from listener.lab.source import FaultySource
from tests import program

RATE = 16_000


def build(text: str, tmp_path: Path) -> FaultySource:
    path = tmp_path / "config.yaml"
    path.write_text(f"sources:\n  - {{use: faulty, name: mic{', ' if text else ''}{text}}}\n")
    (source,) = build_sources(read_config(path))
    assert isinstance(source, FaultySource)
    return source


def test_it_stands_in_no_list() -> None:
    assert "faulty" not in [status.name for status in plugins.statuses()]
    with pytest.raises(PluginError) as refused:
        plugins.load("sources", "fault")
    assert "faulty" not in str(refused.value)
    with pytest.raises(PluginError, match="there are: demo, file, microphone, stdin"):
        plugins.load("sources", "xyzzy")


def test_without_options_it_is_a_microphone_at_its_own_pace(tmp_path: Path) -> None:
    source = build("", tmp_path)
    assert (source.live, source.waits, source.has_clock) == (True, False, True)
    assert source.open() == RATE
    source.close()


def test_a_plan_by_hand_is_taken_in_the_order_of_time(tmp_path: Path) -> None:
    plan = "[{fault: unplug, at_s: 5, for_s: 2}, {fault: loss, at_s: 1, for_s: 0.5, told: flag}]"
    source = build(f"speed: max, duration_s: 10, plan: {plan}", tmp_path)
    assert source.waits
    source.open()
    while source.clock.now() < 4.0:
        source.read(1.0)
    loss, *_ = source.faults
    assert loss == Loss(at_s=1, for_s=0.5, told="flag")
    with pytest.raises(DeviceError, match="as planned"):
        deque(iter(lambda: source.read(1.0), "never"), maxlen=0)
    assert source.faults[-1] == Unplug(at_s=5, for_s=2)


def test_it_hears_a_recording_over_and_over(tmp_path: Path) -> None:
    recording = (np.arange(8_000) / 8_000).astype(np.float32)
    soundfile.write(tmp_path / "ramp.wav", recording, 8_000, subtype="FLOAT")
    source = build(f"speed: max, kinds: [], sample_rate: 8000, sound: {tmp_path}/ramp.wav", tmp_path)
    source.open()
    heard = [chunk.samples for _ in range(40) if (chunk := source.read(1.0)) is not None]
    np.testing.assert_array_equal(np.concatenate(heard), np.resize(recording, 40 * 512))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("plan: [{fault: explode, at_s: 1}]", "plan.*explode|explode"),
        ("plan: [{fault: unplug, at_s: 1}]", "for_s"),
        ("plan: [{fault: odd_chunks, at_s: 1, for_s: 1, sizes: [0]}]", "more than 0"),
        ("kinds: [earthquake]", "kinds"),
        ("sound: /nowhere.wav", "nowhere"),
        ("every_s: 1", "every_s"),
        ("seeds: 1", "did you mean 'seed'"),
    ],
)
def test_what_cannot_be_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        build(text, tmp_path)


@pytest.mark.usefixtures("household")
def test_the_program_lives_through_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    plan = "[{fault: unplug, at_s: 12, for_s: 3, says_so: false}, {fault: silence, at_s: 62, for_s: 25}]"
    path.write_text(
        f"sources:\n  - {{use: faulty, name: lab, speed: max, duration_s: 120, plan: {plan}}}\nactions: []\n"
    )
    done = program.run("run", "-c", path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = program.events(done.stdout)
    told = {(event["label"], event["phase"]) for event in events}
    for label in ("@source.stalled", "@source.lost", "@source.silent", "smoke_alarm"):
        assert {(label, "onset"), (label, "offset")} <= told
