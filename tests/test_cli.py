"""The command line as the contract has it: output, exit codes, and one clear line for every mistake."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.bundles import loudness_bundle
from tests.program import Program, comparable, events, run

RATE = 16_000
STREAMS = ("dev_kitchen", "dev_negative", "dev_outdoor", "dev_room")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a model that hears loudness."""
    loudness_bundle(tmp_path / "loudness.pt")
    path = tmp_path / "config.yaml"
    path.write_text(f"model: {{path: {tmp_path}/loudness.pt}}\nevents: {{only: [loud]}}\n")
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ten seconds with a loud second from 3 s on."""
    samples = np.random.default_rng(1).uniform(-1e-3, 1e-3, 10 * RATE)
    samples[3 * RATE : 4 * RATE] *= 500
    path = tmp_path / "recording.wav"
    soundfile.write(path, samples, RATE)
    return path


def test_analyze_tells_the_event(config: Path, recording: Path) -> None:
    done = run("analyze", "-c", config, recording, "--format", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    (event,) = events(done.stdout)
    assert list(event) == [
        "id", "phase", "source", "label", "onset_s", "offset_s", "started_at", "ended_at",
        "score", "peak_score", "model", "after_gap",
    ]  # fmt: skip
    assert (event["phase"], event["label"], event["model"]) == ("offset", "loud", "loudness/1.0.0")
    assert event["onset_s"] == pytest.approx(3.0, abs=0.5)
    assert event["offset_s"] == pytest.approx(4.0, abs=0.5)
    assert event["started_at"] is None


def test_live_tells_the_same(config: Path, recording: Path) -> None:
    live = events(run("run", "-c", config, "--source", recording, "--speed", "max", "--json").stdout)
    assert [event["phase"] for event in live] == ["onset", "offset"]
    (finished,) = events(run("analyze", "-c", config, recording, "--format", "jsonl").stdout)
    assert comparable(live[1]) == comparable(finished)


@pytest.mark.timeout(600)
def test_live_and_offline_agree_on_real_streams(data: Path, household: Path, tmp_path: Path) -> None:
    """All four streams at once, live, and each one alone, offline: not one field differs."""
    config = tmp_path / "config.yaml"
    # Low thresholds: many events, so that a score that differs anywhere is seen.
    config.write_text(
        f"model: {{path: {household}}}\nevents: {{default: {{threshold_on: 0.1, cooldown_s: 0}}}}\n"
    )
    paths = [data / "streams" / f"{name}.flac" for name in STREAMS]
    sources = [argument for path in paths for argument in ("--source", path)]
    live = run("run", "-c", config, *sources, "--speed", "max", "--json")
    assert live.returncode == 0, live.stderr
    together = [comparable(event) for event in events(live.stdout) if event["phase"] == "offset"]
    alone: list[dict[str, object]] = []
    for path in paths:
        analyzed = run("analyze", "-c", config, path, "--format", "jsonl")
        alone.extend(comparable(event) for event in events(analyzed.stdout))
        one = run("run", "-c", config, "--source", path, "--speed", "max", "--json")
        ends = [comparable(event) for event in events(one.stdout) if event["phase"] == "offset"]
        assert _sorted(ends) == _sorted([event for event in alone if event["source"] == str(path)])
    assert len(alone) > 50
    assert _sorted(together) == _sorted(alone)


def test_formats(config: Path, recording: Path, tmp_path: Path) -> None:
    assert "ONSET_S" in run("analyze", "-c", config, recording).stdout
    assert run("analyze", "-c", config, recording, "--format", "csv").stdout.startswith("source,onset_s,")
    out = tmp_path / "labels.txt"
    assert run("analyze", "-c", config, recording, "--format", "audacity", "--out", out).returncode == 0
    onset, offset, label = out.read_text().rstrip("\n").split("\t")
    assert (float(onset) < float(offset), label) == (True, "loud")


def test_a_folder_with_a_bad_file_gives_the_good_ones(config: Path, recording: Path) -> None:
    (recording.parent / "bad.wav").write_text("no sound")
    done = run("predict", "-c", config, recording.parent, "--json")
    assert done.returncode == 1
    assert [told["path"] for told in events(done.stdout)] == [str(recording)]
    assert "bad.wav" in done.stderr


def test_a_truncated_recording_tells_what_is_in_it(config: Path, recording: Path) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) // 2 + 1])
    done = run("analyze", "-c", config, recording, "--format", "jsonl")
    assert done.returncode == 1
    assert "truncated" in done.stderr
    assert [event["label"] for event in events(done.stdout)] == ["loud"]


def test_predict_is_not_lowered_by_silence(config: Path, recording: Path, tmp_path: Path) -> None:
    samples, _ = soundfile.read(recording)
    padded = tmp_path / "padded.wav"
    soundfile.write(padded, np.concatenate((np.zeros(12_345), samples, np.zeros(54_321))), RATE)
    done = run("predict", "-c", config, recording, padded, "--json")
    plain, silent_ends = events(done.stdout)
    assert set(plain["scores"]) == {"loud", "quiet"}
    assert plain["duration_s"] == 10.0
    assert silent_ends["scores"] == plain["scores"]


def test_raw_pcm_on_standard_input(config: Path, recording: Path) -> None:
    samples, _ = soundfile.read(recording, dtype="int16")
    form = ("--rate", "16000", "--channels", "1", "--sample-format", "s16le")
    done = run("run", "-c", config, "--source", "-", *form, "--json", stdin=samples.tobytes())
    assert [event["phase"] for event in events(done.stdout)] == ["onset", "offset"]


def test_duration_ends_it(config: Path) -> None:
    done = run("run", "-c", config, "--source", "demo", "--speed", "max", "--duration", "2", "--no-console")
    assert done.returncode == 0
    assert "heard 2.0 s" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--version",), 0, ""),
        (("nonsense",), 2, "No such command"),
        (("run", "--speed", "-1", "--source", "demo"), 2, "--speed"),
        (("predict",), 2, "Missing argument"),
        (("run", "--source", "demo", "--duration", "inf"), 2, "--duration"),
        (("run", "--source", "demo", "--device", "USB"), 2, "--device"),
        (("predict", "missing.wav"), 1, "missing.wav"),
        (("run", "-c", "missing.yaml"), 1, "missing.yaml"),
        (("models", "show", "missing.pt"), 1, "missing.pt"),
        (("run", "--source", "rtsp://example.invalid/a"), 1, "rtsp"),
        (("run", "--source", "mic:no such thing"), 1, "no microphone"),
    ],
)
def test_mistakes_end_in_one_line(
    config: Path, tmp_path: Path, no_audio_system: None, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("windws: {hop_s: 1}", "did you mean 'windows'"),
        ("windows: {hop_s: fast}", "windows.hop_s"),
        ("events: {labels: {luod: {smooth: 2}}}", "did you mean 'loud'"),
        ("events: {only: [dog]}", "no label 'dog'"),
        ("actions: [{use: lgo}]", "did you mean 'log'"),
        ("actions: [{use: log, lable: [x]}]", "did you mean 'labels'"),
        ("actions: [{use: log, labels: [barking]}]", "no label 'barking'"),
        ("actions: [{use: command, run: [/no/such/program]}]", "/no/such/program"),
        ("actions: [{use: command, run: 'echo {label}'}]", "list of arguments"),
        ("sources: [{use: microphone, device: 7.5}]", "sources[0].device"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, no_audio_system: None, line: str, told: str) -> None:
    loudness_bundle(tmp_path / "loudness.pt")
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {{path: {tmp_path}/loudness.pt}}\n{line}\n")
    for command in (("check", "-c", config), ("run", "-c", config, "--source", "demo", "--speed", "max")):
        if command[0] == "run" and "sources" in line:
            continue  # --source has the last word
        done = run(*command)
        assert done.returncode == 1, done.stderr
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_check_names_every_problem_at_once(tmp_path: Path, no_audio_system: None) -> None:
    loudness_bundle(tmp_path / "loudness.pt")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""model: {{path: {tmp_path}/loudness.pt}}
events: {{only: [dog]}}
actions:
  - {{use: command, run: [/no/such/program]}}
  - {{use: clip, directory: /proc/no}}
"""
    )
    done = run("check", "-c", config)
    assert done.returncode == 1
    for told in ("no label 'dog'", "/no/such/program", "/proc/no", "microphone"):
        assert told in done.stderr, told


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken"])
def test_a_broken_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    (tmp_path / "config.yaml").write_text("model: {path: broken.pt}\n")
    done = run("run", "-c", "config.yaml", "--source", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert "broken.pt" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_microphone_plays_the_demo(tmp_path: Path, no_audio_system: None) -> None:
    loudness_bundle(tmp_path / "loudness.pt")
    (tmp_path / "config.yaml").write_text("model: {path: loudness.pt}\n")
    done = run("run", "--duration", "1", "--speed", "max", "--no-console", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "demo scene" in done.stderr


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2, 0.4, 0.8, 1.6])
def test_interrupted_while_it_loads(config: Path, delay_s: float) -> None:
    with Program("run", "-c", config, "--source", "demo", "--json") as program:
        program.wait_for_log("loading")
        time.sleep(delay_s)  # not to wait for something, but to hit another moment
        program.interrupt(signal.SIGINT)
        assert program.wait() == 130
    assert "Traceback" not in "".join(program.told)


def test_interrupted_while_it_listens(config: Path) -> None:
    with Program("run", "-c", config, "--source", "demo", "--json") as program:
        program.wait_for_log("listening")
        program.interrupt(signal.SIGINT)
        assert program.wait() == 130
    assert "Traceback" not in "".join(program.told)


def test_terminated_while_a_sound_lasts_it_gets_its_offset(config: Path, tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.random.default_rng(1).uniform(-0.5, 0.5, 600 * RATE), RATE)
    with Program("run", "-c", config, "--source", loud, "--json") as program:
        onset = program.wait_for_event("loud", "onset")
        program.interrupt(signal.SIGTERM)
        offset = program.wait_for_event("loud", "offset")
        assert program.wait() == 0
    assert offset["id"] == onset["id"]


def _sorted(told: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(told, key=lambda event: (str(event["source"]), event["onset_s"], str(event["label"])))


def test_actions_list_names_what_may_hold_an_action_back(config: Path) -> None:
    with config.open("a") as file:
        file.write(
            "actions: [{use: log}, {use: log, name: b, labels: [loud], cooldown_s: 9, count: 3, within_s: 9}]"
        )
    done = run("actions", "list", "-c", config)
    head, log, rare = [line.split() for line in done.stdout.splitlines()]
    assert head == ["NAME", "USE", "WHEN", "LABELS", "SOURCES", "RULES"]
    assert log == ["log", "log", "onset", "*", "*", "-"]
    assert rare == ["b", "log", "onset", "loud", "*", "cooldown_s,", "count"]
