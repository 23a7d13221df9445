"""The file action: no line is lost, torn or mixed up, whoever else touches the file."""

import csv
import fcntl
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.base import ActionContext, Recording
from listener.actions.file import FileAction, FileOptions
from listener.actions.file import action as action_module
from listener.actions.file.aside import aside_of
from listener.actions.file.lines import HEADER, line_of
from listener.config_file import validate
from listener.errors import ActionError, ConfigError, TransientError
from listener.event_format import event_dict, event_json
from listener.types import Event
from tests.actions.fakes import OFFSET, ONSET, onset
from tests.bundles import loudness_bundle
from tests.disk import PAGE, SmallDisk
from tests.program import PATIENCE_S, Program
from tests.virtual_microphone import VirtualMicrophone

NASTY = [
    "../x",
    "a/b",
    "..",
    ".",
    "",
    "two\nlines",
    "🐕 bark",
    "/etc/passwd",
    "$(reboot)",
    "'\";",
    "a\0b",
    "~",
]


def file_action(path: Path | str, **options: object) -> FileAction:
    action = FileAction("file", FileOptions.model_validate({"path": str(path)} | options))
    action.open()
    return action


def run(action: FileAction, *events: Event) -> None:
    for event in events:
        action.run(event, ActionContext(lambda start_s, end_s: Recording(np.zeros(0, np.float32), 0.0, 1)))


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


# --- the lines ---------------------------------------------------------------------------------


def test_each_event_is_a_line_of_json(tmp_path: Path) -> None:
    run(file_action(tmp_path / "log" / "events.jsonl"), ONSET, OFFSET)
    text = (tmp_path / "log" / "events.jsonl").read_text()
    assert text == event_json(ONSET) + "\n" + event_json(OFFSET) + "\n"


def test_a_table_has_a_header_and_a_row_for_each_event(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    run(file_action(path, format="csv"), ONSET)
    run(file_action(path, format="csv"), OFFSET)
    first, second = rows(path)
    assert list(first) == list(event_dict(ONSET))
    assert (first["label"], first["score"], first["offset_s"], first["after_gap"]) == (
        "dog",
        "0.91",
        "",
        "false",
    )
    assert (second["phase"], second["offset_s"]) == ("offset", "15.0")
    assert path.read_text().count("id,phase") == 1


@given(st.text(), st.text())
def test_any_text_is_one_row_and_no_formula(label: str, source: str) -> None:
    line = line_of("csv", replace(ONSET, label=label, source=source))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    text = line.decode()
    assert text[:-1].isprintable()
    (row,) = csv.DictReader([HEADER.decode(), text])
    assert row["model"] == ONSET.model
    for cell in row.values():
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    ("label", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@source.lost", "'@source.lost"),
        ('a "quoted", label', 'a "quoted", label'),
        ("two\nlines", "two lines"),
        ("🐕", "🐕"),
    ],
)
def test_what_a_cell_says(tmp_path: Path, label: str, cell: str) -> None:
    run(file_action(tmp_path / "events.csv", format="csv"), replace(ONSET, label=label))
    assert rows(tmp_path / "events.csv")[0]["label"] == cell


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_off_swallows_no_event(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(event_json(onset(1)) + "\n" + event_json(onset(2))[:cut])
    run(file_action(path), onset(3))
    lines = path.read_text().splitlines()
    assert [json.loads(lines[n])["id"] for n in (0, 2)] == ["e1", "e3"]
    assert len(lines) == 3


@pytest.mark.parametrize("cut", [*range(1, 60), 1000])
def test_a_row_that_was_cut_off_swallows_no_event(tmp_path: Path, cut: int) -> None:
    """Also where it was cut off inside of quotes."""
    path = tmp_path / "events.csv"
    run(file_action(path, format="csv"), onset(1))
    cut_off = line_of("csv", replace(onset(2), source='a "b", c'))[:cut].removesuffix(b"\n")
    with open(path, "ab") as file:
        file.write(cut_off)
    run(file_action(path, format="csv"), onset(3), onset(4))
    found = [row["id"] for row in rows(path)]
    assert found[0] == "e1"
    assert found[-2:] == ["e3", "e4"]
    assert len(found) == 4


def test_a_file_of_zeros_after_a_loss_of_power(tmp_path: Path) -> None:
    for name in ("events.csv", "events.jsonl"):
        (tmp_path / name).write_bytes(bytes(100))
        run(file_action(tmp_path / name, format=name.split(".")[1]), ONSET)
    assert [row["id"] for row in rows(tmp_path / "events.csv")] == ["e1"]
    assert json.loads((tmp_path / "events.jsonl").read_bytes().splitlines()[-1])["id"] == "e1"


def test_many_writers_in_one_file(tmp_path: Path) -> None:
    """Threads of this program, and another program beside it."""
    path = tmp_path / "events.jsonl"
    script = """
import sys
from listener.actions.base import ActionContext
from listener.actions.file import FileAction, FileOptions
from tests.actions.fakes import onset

action = FileAction("file", FileOptions(path=sys.argv[1], rotate_mb=0.02))
print("begins", flush=True)
for n in range(200):
    action.run(onset(n, "other"), ActionContext(None))
"""
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        actions = [file_action(path, rotate_mb=0.02) for _ in range(4)]
        threads = [
            threading.Thread(target=run, args=(action, *(onset(n, str(k)) for n in range(50))))
            for k, action in enumerate(actions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert other.wait(PATIENCE_S) == 0
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    told = [(event["label"], event["id"]) for event in map(json.loads, lines)]
    assert len(told) == len(set(told)) == 400
    assert len(list(tmp_path.iterdir())) > 3


def test_a_file_that_somebody_keeps_locked_gets_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_module, "TRIES", 3)
    path = tmp_path / "events.jsonl"
    with open(path, "w") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        run(file_action(path), ONSET)
    assert path.read_text() == event_json(ONSET) + "\n"


def test_sync_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    run(file_action(tmp_path / "a"), ONSET)
    assert not synced
    run(file_action(tmp_path / "a", sync=True), ONSET)
    assert len(synced) == 1


# --- the path ----------------------------------------------------------------------------------


def test_a_file_for_each_label(tmp_path: Path) -> None:
    action = file_action(f"{tmp_path}/{{source}}/{{label}}.jsonl")
    run(action, onset(1, "dog"), onset(2, "cat"), onset(3, "dog"))
    assert len((tmp_path / "mic" / "dog.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "mic" / "cat.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("template", ["{label}", "{label}/{source}", "{label}.jsonl", ".{label}{source}"])
def test_no_label_or_source_leaves_the_folder(tmp_path: Path, text: str, template: str) -> None:
    folder = tmp_path / "log"
    action = file_action(f"{folder}/{template}")
    run(action, replace(ONSET, label=text, source=text))
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert written.is_relative_to(folder)
    assert json.loads(written.read_text())["label"] == text


@pytest.mark.parametrize("path", ["", "a/", "..", "a\0b", "a\nb", "{lable}", "{time}", "a{"])
def test_impossible_paths_are_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        validate(FileOptions, {"path": path})


def test_what_is_no_file_of_events_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "mine.csv").write_text("name,price\n")
    for name, problem in [
        ("folder", "is a folder"),
        ("pipe", "is no regular file"),
        ("mine.csv", "no table of events: name another file"),
        ("mine.csv/below", "nothing can be written to"),
        ("/proc/events", "nothing can be written to|cannot be written"),
    ]:
        with pytest.raises(ActionError, match=problem):
            run(file_action(tmp_path / name, format="csv"), ONSET)
    assert (tmp_path / "mine.csv").read_text() == "name,price\n"


def test_a_look_at_the_configuration_makes_no_file(tmp_path: Path) -> None:
    file_action(tmp_path / "events.jsonl")
    assert not list(tmp_path.iterdir())


# --- rotation ----------------------------------------------------------------------------------


def _written_on(path: Path, day: datetime) -> None:
    os.utime(path, (day.timestamp(), day.timestamp()))


def test_a_new_file_each_day(tmp_path: Path) -> None:
    path, today = tmp_path / "events.jsonl", datetime.now()
    action = file_action(path, rotate="daily", keep=3)
    days = [(today - timedelta(days=n)).date().isoformat() for n in range(6, 0, -1)]
    (tmp_path / "events-2026.jsonl").touch()  # somebody else's
    for n in range(6):
        run(action, onset(2 * n), onset(2 * n + 1))
        _written_on(path, today - timedelta(days=6 - n))
    run(action, onset(12))
    run(action, onset(13))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        ["events.jsonl", "events-2026.jsonl", *(f"events-{day}.jsonl" for day in days[-3:])]
    )
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["e12", "e13"]
    assert len((tmp_path / f"events-{days[-1]}.jsonl").read_text().splitlines()) == 2


def test_a_clock_that_is_set_back_rotates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    action = file_action(path, rotate="daily")
    run(action, onset(1))
    _written_on(path, datetime.now() + timedelta(days=9))
    run(action, onset(2))
    assert [file.name for file in tmp_path.iterdir()] == ["events.jsonl"]


def test_a_file_is_never_larger_than_told(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    action = file_action(path, format="csv", rotate_mb=0.001, keep=5)
    run(action, *(onset(n) for n in range(100)))
    files = list(tmp_path.iterdir())
    assert len(files) == 6
    assert all(file.stat().st_size <= 1000 for file in files)
    in_order = [file for _, _, file in sorted(aside_of(path))]
    found = [row["id"] for file in (*in_order, path) for row in rows(file)]
    assert found == [f"e{n}" for n in range(100 - len(found), 100)]


def test_a_table_with_the_columns_of_an_older_version_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("id,phase,label\ne0,onset,dog\n")
    run(file_action(path, format="csv"), ONSET)
    assert [row["id"] for row in rows(path)] == ["e1"]
    (aside,) = (file for file in tmp_path.iterdir() if file != path)
    assert aside.read_text() == "id,phase,label\ne0,onset,dog\n"


def test_logrotate_moves_the_file_away(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    action = file_action(path, format="csv")
    run(action, onset(1))
    path.rename(tmp_path / "events.csv.1")
    run(action, onset(2))
    os.truncate(path, 0)  # copytruncate
    run(action, onset(3))
    assert [row["id"] for row in rows(tmp_path / "events.csv.1")] == ["e1"]
    assert [row["id"] for row in rows(path)] == ["e3"]


# --- the disk ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_full_disk_costs_what_comes_meanwhile(small_disk: SmallDisk, form: str) -> None:
    path = small_disk.folder / f"events.{form}"
    action = file_action(path, format=form)
    long = onset(2, "x" * 300)
    line = line_of("csv" if form == "csv" else "jsonl", long)
    run(action, onset(1))
    small_disk.fill()
    # What the file has begun to use of a page is its own.
    n_fit = (-path.stat().st_size % PAGE) // len(line)
    run(action, *(long for _ in range(n_fit)))
    for _ in range(3):
        with pytest.raises(TransientError, match=r"cannot be written: No space left on device: make room"):
            run(action, long)
        assert path.read_bytes().endswith(line)
    small_disk.make_room()
    run(action, onset(3))
    lines = path.read_text().splitlines()[form == "csv" :]
    assert len(lines) == n_fit + 2
    assert '"e3"' in lines[-1] or lines[-1].startswith("e3,")


def test_a_folder_that_went_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log" / "events.jsonl"
    action = file_action(path)
    run(action, onset(1))
    path.unlink()
    path.parent.rmdir()
    run(action, onset(2))
    assert json.loads(path.read_text())["id"] == "e2"


# --- from the microphone -----------------------------------------------------------------------


def test_what_is_heard_is_written(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"""
sources: [{{use: microphone, name: mic}}]
model: {{path: {loudness_bundle(tmp_path / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
  - {{use: file, name: lines, when: both, path: "{tmp_path}/{{label}}.jsonl"}}
  - {{use: file, name: table, when: both, format: csv, rotate: daily, path: {tmp_path}/events.csv}}
"""
    )
    bursts = np.tile(np.repeat([10, 10_000], [24_000, 8_000]), 3)
    noise = np.random.default_rng(1).uniform(-1, 1, len(bursts)) * bursts
    with Program("run", "-c", config, "--json") as program:
        program.wait_for_log("listening to mic")
        player = virtual_microphone.play_array(noise.astype(np.int16))
        for _ in range(3):
            program.wait_for_event("loud", "offset")
        player.wait()
        program.interrupt()
        assert program.wait() == 130
    printed = [line.rstrip() for line in program.printed]
    assert len(printed) == 6
    assert (tmp_path / "loud.jsonl").read_text().splitlines() == printed
    table = rows(tmp_path / "events.csv")
    assert [(row["id"], row["phase"]) for row in table] == [
        (event["id"], event["phase"]) for event in map(json.loads, printed)
    ]
