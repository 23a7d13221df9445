"""What the training loop promises to whoever is killed, or runs out of disk."""

import os
import random
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from listener.errors import DatasetError
from listener.training.fit import Batch, Report, forget
from tests.disk import SmallDisk
from tests.training.fit.small import KilledError, Weights, draw, same, train, until

# --- the same result, whatever happens -----------------------------------------------------------


def test_the_same_seed_gives_the_same_weights(whole: Weights, tmp_path: Path) -> None:
    assert same(whole, train(tmp_path / "second" / "checkpoint.pt"))
    assert not same(whole, train(tmp_path / "third" / "checkpoint.pt", seed=6))


def test_who_has_drawn_by_chance_in_between_changes_nothing(whole: Weights, tmp_path: Path) -> None:
    assert same(whole, train(tmp_path / "c.pt", progress=lambda report: torch.rand(report.step)))


def in_a_child(work: Callable[[], object]) -> int:
    """Run something in a child process; gives its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001 - nothing may get out of here
        os._exit(1)
    os._exit(0)


def end_of(child: int) -> int:
    """Wait for a child; gives its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_killed_at_random_moments_until_it_is_done(whole: Weights, tmp_path: Path) -> None:
    checkpoint, chance = tmp_path / "killed" / "checkpoint.pt", random.Random(0)
    n_killed = 0
    for _ in range(100):
        reader, writer = os.pipe()
        child = in_a_child(partial(train, checkpoint, draw=_that_signs(writer)))
        os.close(writer)
        # Two signs a step; what the child does between this one and its end is left to chance.
        for _ in range(chance.randrange(1, 11)):
            os.read(reader, 1)
        os.kill(child, signal.SIGKILL)
        os.close(reader)
        if end_of(child) == 0:
            break
        n_killed += 1
    assert n_killed > 2
    assert same(whole, train(checkpoint))


def _that_signs(writer: int) -> Callable[[int, range], Batch]:
    def signing(step: int, rows: range) -> Batch:
        os.write(writer, b"b")
        drawn = draw(step, rows)
        os.write(writer, b"a")
        return drawn

    return signing


SECOND_SAVE, LAST_SAVE = range(6, 12), range(18, 24)
"""Of the operations on files: open, open to sync, rename, tidy up, rename the old one, rename the new one."""


@pytest.mark.parametrize("number", [*SECOND_SAVE, *LAST_SAVE])
def test_killed_while_a_checkpoint_is_written(whole: Weights, tmp_path: Path, number: int) -> None:
    folder = tmp_path / "killed"
    seen = 0

    def kill_at(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder)):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        sys.addaudithook(kill_at)
        train(folder / "checkpoint.pt")

    assert end_of(in_a_child(work)) == -signal.SIGKILL
    assert same(whole, train(folder / "checkpoint.pt"))
    assert {path.name for path in folder.iterdir()} == {"checkpoint.pt", "checkpoint.previous.pt"}


def test_what_is_finished_is_not_trained_again(whole: Weights, tmp_path: Path) -> None:
    def never(step: int, rows: range) -> Batch:
        raise AssertionError

    file = tmp_path / "whole" / "checkpoint.pt"
    assert same(whole, train(file))
    before = file.stat().st_mtime_ns
    assert same(whole, train(file, draw=never, progress=until(1)))
    assert file.stat().st_mtime_ns == before
    forget(file)
    with pytest.raises(AssertionError):
        train(file, draw=never)
    assert list(file.parent.iterdir()) == []


# --- checkpoints that cannot be used -------------------------------------------------------------


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    train(file, what='{"recipe": {"seed": 1, "fit": {"steps": 7}}, "labels": ["a"]}')
    before = file.read_bytes()
    with pytest.raises(
        DatasetError,
        match=r"checkpoint\.pt: is of another recipe or other data \(fit\.steps, labels\): --fresh starts "
        r"over, --runs keeps both$",
    ):
        train(file, what='{"recipe": {"seed": 1, "fit": {"steps": 8}}, "labels": ["b"]}')
    assert file.read_bytes() == before


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _with_a_wrong_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "broken", [_cut, _with_a_wrong_bit, lambda content: b"", lambda content: b"not a checkpoint"]
)
def test_a_broken_checkpoint_is_passed_over(
    whole: Weights, tmp_path: Path, broken: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "broken" / "checkpoint.pt"
    with pytest.raises(KilledError):
        train(file, progress=until(5))
    file.write_bytes(broken(file.read_bytes()))
    steps: list[int] = []
    assert same(whole, train(file, progress=lambda report: steps.append(report.step)))
    assert steps == [3, 4, 5, 6, 7]
    assert "the checkpoint is broken" in caplog.text
    assert "goes on from checkpoint.previous.pt" in caplog.text


def test_nothing_but_broken_checkpoints(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(b"PK")
    with pytest.raises(
        DatasetError, match=r"^\S+checkpoint\.pt: the checkpoint is broken: .*; --fresh starts over$"
    ):
        train(file)
    torch.save({"some": "thing"}, file)
    with pytest.raises(DatasetError, match="is broken: it is no checkpoint; --fresh"):
        train(file)


def test_a_full_disk_leaves_the_checkpoint_before(whole: Weights, small_disk: SmallDisk) -> None:
    file = small_disk.folder / "runs" / "checkpoint.pt"
    kept: list[bytes] = []

    def fill(report: Report) -> None:
        if report.step == 3:
            kept.append(file.read_bytes())
            small_disk.fill()

    with pytest.raises(
        DatasetError,
        match=r"checkpoint\.pt: the checkpoint cannot be written: No space [^;]*; the same command",
    ):
        train(file, progress=fill)
    assert file.read_bytes() == kept[0]
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.pt"]
    small_disk.make_room()
    assert same(whole, train(file))


def test_a_disk_that_is_full_from_the_start(small_disk: SmallDisk) -> None:
    small_disk.fill()
    with pytest.raises(DatasetError, match="the checkpoint cannot be written: No space"):
        train(small_disk.folder / "runs" / "checkpoint.pt", scalars=small_disk.folder / "scalars")
