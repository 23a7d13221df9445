import sqlite3
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from listener.actions.mqtt import outbox as module
from listener.actions.mqtt.outbox import Outbox
from tests.disk import SmallDisk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mqtt" / "queue.sqlite3"


def opened(path: Path | None, most: int = 100) -> Outbox:
    box = Outbox("mqtt", path, most)
    assert box.attach()
    return box


def waiting(box: Outbox) -> list[str]:
    told, number = [], 0
    while (message := box.after(number)) is not None:
        told.append(message.payload)
        number = message.number
    return told


def test_what_waits_is_there_after_a_restart(path: Path) -> None:
    box = opened(path)
    for n in range(5):
        box.put(f"k{n}", "t", str(n))
    first = box.after(0)
    assert first is not None
    box.remove(first.number)
    box.close()
    again = opened(path)
    assert waiting(again) == ["1", "2", "3", "4"]
    again.put("k4", "t", "waits already")
    again.put("", "t", "5")
    again.put("", "t", "5")
    again.close()
    once_more = opened(path)
    assert waiting(once_more) == ["1", "2", "3", "4", "5", "5"]
    once_more.close()


def test_it_belongs_to_one_and_to_nobody_else(path: Path) -> None:
    box, other = opened(path), Outbox("mqtt", path, 10)
    assert not other.attach()
    other.put("", "t", "of the other")  # in memory
    assert waiting(other) == ["of the other"]
    box.put("", "t", "of the first")
    box.close()
    assert other.attach()
    assert waiting(other) == ["of the first", "of the other"]
    other.close()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_oldest_make_way(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = opened(path, most=3)
    for n in range(10):
        box.put(f"k{n}", "t", str(n))
    assert waiting(box) == ["7", "8", "9"]
    assert box.dropped == 7
    assert caplog.text.count("the oldest messages are dropped") == 1
    box.put("k0", "t", "0")  # it does not wait any more
    assert waiting(box) == ["8", "9", "0"]
    box.close()
    smaller = opened(path, most=2)
    assert waiting(smaller) == ["9", "0"]
    smaller.close()


def test_few_large_ones_are_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    box = opened(path)
    for n in range(5):
        box.put("", "t", str(n) * 400)
    assert [payload[0] for payload in waiting(box)] == ["3", "4"]
    box.close()


def test_the_file_stays_small(path: Path) -> None:
    box = opened(path, most=50)
    for n in range(3_000):
        box.put("", "t", "x" * 300)
        if n % 2:
            message = box.after(0)
            assert message is not None
            box.remove(message.number)
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 2_500_000
    box.close()


@pytest.mark.parametrize("damage", ["rubbish", "cut", "middle", "another table", "no text", "zeros"])
def test_a_damaged_file_is_set_aside(damage: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = opened(path)
    for n in range(50):
        box.put("", "t", str(n) * 500)
    box.close()
    data = path.read_bytes()
    if damage == "rubbish":
        path.write_bytes(b"this is no database" * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "middle":
        path.write_bytes(data[:4096] + b"\xa5" * 4096 + data[8192:])
    elif damage == "zeros":
        path.write_bytes(b"\0" * len(data))
    else:
        file = sqlite3.connect(path)
        if damage == "another table":
            file.executescript("DROP TABLE waiting; CREATE TABLE waiting (x);")
        else:
            file.executescript("DROP TABLE waiting; CREATE TABLE waiting (number, key, topic, payload);")
            file.execute("INSERT INTO waiting VALUES (1, 'k', 't', ?)", (b"\0",))
            file.commit()
        file.close()
    again = opened(path)
    assert waiting(again) == []
    assert "is set aside as queue.sqlite3.damaged" in caplog.text
    again.put("", "t", "new")
    again.close()
    assert path.with_name("queue.sqlite3.damaged").exists()
    once_more = opened(path)
    assert waiting(once_more) == ["new"]
    once_more.close()


def test_without_a_place_it_waits_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    for path in (None, tmp_path / "file" / "queue.sqlite3"):
        box = opened(path)
        box.put("", "t", "0")
        assert waiting(box) == ["0"]
        box.close()
    assert caplog.text.count("what waits is not kept over a restart") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = SmallDisk(folder, 2_000_000)
    yield disk
    disk.close()


def test_a_full_disk_is_made_up_for(small_disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    path = small_disk.folder / "queue.sqlite3"
    box = opened(path)
    box.put("", "t", "before")
    small_disk.fill()
    for n in range(20):
        box.put("", "t", str(n) * 10_000)
    assert len(waiting(box)) == 21
    assert caplog.text.count("what waits is not kept over a restart") == 1
    small_disk.make_room()
    box.put("", "t", "after")
    box.close()
    again = opened(path)
    assert len(waiting(again)) == 22
    again.close()


@examples(max_examples=25)
@given(steps=st.lists(st.one_of(st.integers(0, 30), st.none(), st.just("restart")), max_size=60))
def test_it_is_a_queue_of_bounded_length(
    steps: list[int | str | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a model of it: put under a key, take the oldest, start anew."""
    path = tmp_path_factory.mktemp("outbox") / "queue.sqlite3"
    box, model = opened(path, most=5), deque[str]()
    for step in steps:
        if step == "restart":
            box.close()
            box = opened(path, most=5)
        elif step is None:
            oldest = box.after(0)
            assert (oldest is None) is not bool(model)
            if oldest is not None:
                assert oldest.payload == model.popleft()
                box.remove(oldest.number)
        else:
            box.put(f"k{step}", "t", str(step))
            if str(step) not in model:
                model.append(str(step))
            if len(model) > 5:
                model.popleft()
        assert waiting(box) == list(model)
    box.close()
