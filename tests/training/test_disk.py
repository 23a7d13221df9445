"""A training whose disk is full ends in one line, and goes on from its last whole checkpoint."""

from pathlib import Path

import pytest
import torch
from torch import nn

from listener.errors import DatasetError
from listener.training import fit
from tests.disk import SmallDisk


def test_a_full_disk_leaves_the_checkpoint_before(small_disk: SmallDisk) -> None:
    checkpoint = small_disk.folder / "runs" / "all" / "checkpoint.pt"
    network = nn.Linear(100, 100)
    fit._save(checkpoint, "a recipe", 1, {"network": network})
    before = checkpoint.read_bytes()
    small_disk.fill()
    with pytest.raises(DatasetError, match=r"checkpoint\.pt: the checkpoint cannot be written: No space"):
        fit._save(checkpoint, "a recipe", 2, {"network": network})
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.pt"]
    assert fit._resume(checkpoint, "a recipe", {"network": network}) == 1
    small_disk.make_room()
    fit._save(checkpoint, "a recipe", 2, {"network": network})
    assert fit._resume(checkpoint, "a recipe", {"network": network}) == 2


def test_what_is_resumed_is_what_was_saved(tmp_path: Path) -> None:
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    fit._save(tmp_path / "checkpoint.pt", "a recipe", 5, {"network": one})
    assert fit._resume(tmp_path / "checkpoint.pt", "a recipe", {"network": other}) == 5
    assert torch.equal(one.weight, other.weight)
