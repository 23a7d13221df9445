from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from listener.errors import DatasetError
from listener.features import PRESETS
from listener.training.augment import WindowMaker
from listener.training.fit import fit, identity
from listener.training.manifest import read_manifest
from listener.training.networks import ResNet18
from listener.training.recipe import Recipe
from listener.training.sounds import load_sounds

HOUSEHOLD = PRESETS["household"]


class KilledError(Exception):
    """Stands for a kill -9: nothing after it runs."""


@pytest.fixture
def run(
    tiny_data: Path, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> Callable[..., dict[str, torch.Tensor]]:
    """Train, and give the weights."""

    def train(
        name: str, killed_after: int | None = None, workers: int = 0, **changes: object
    ) -> dict[str, torch.Tensor]:
        recipe = make_recipe(**changes)
        manifest = read_manifest(tiny_data, recipe)
        maker = WindowMaker(recipe, HOUSEHOLD, load_sounds(manifest, HOUSEHOLD.sample_rate))
        torch.manual_seed(recipe.seed)
        network = ResNet18(HOUSEHOLD.n_mels, len(recipe.labels), recipe.network.width, recipe.network.dropout)

        def progress(done: int, loss: float) -> None:
            if done == killed_after:
                raise KilledError

        path = tmp_path / "runs" / name / "checkpoint.pt"
        return dict(
            fit(network, maker, recipe, path, identity(recipe, manifest), progress, workers).state_dict()
        )

    return train


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights(run: Callable[..., dict[str, torch.Tensor]]) -> None:
    first = run("first")
    assert same(first, run("second"))
    assert not same(first, run("third", seed=8))


def test_who_draws_the_windows_changes_nothing(run: Callable[..., dict[str, torch.Tensor]]) -> None:
    assert same(run("alone"), run("helped", workers=2))


@pytest.mark.parametrize("killed_after", [1, 2, 3, 4])
def test_an_interrupted_training_ends_with_the_same_weights(
    run: Callable[..., dict[str, torch.Tensor]], killed_after: int
) -> None:
    with pytest.raises(KilledError):
        run("killed", killed_after=killed_after)
    assert same(run("killed"), run("whole"))


def test_a_half_written_checkpoint_is_never_read(
    run: Callable[..., dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        run("killed", killed_after=3)
    (tmp_path / "runs" / "killed" / "checkpoint.unfinished").write_bytes(b"half")
    assert same(run("killed"), run("whole"))


def test_a_checkpoint_of_another_recipe_is_refused(run: Callable[..., dict[str, torch.Tensor]]) -> None:
    run("run")
    with pytest.raises(DatasetError, match=r"checkpoint\.pt: is of another recipe or other data: --fresh"):
        run("run", seed=8)


def test_training_lowers_the_loss(
    tiny_data: Path, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = make_recipe(fit={"steps": 40, "batch_size": 8, "warmup_steps": 2, "bfloat16": False})
    manifest = read_manifest(tiny_data, recipe)
    maker = WindowMaker(recipe, HOUSEHOLD, load_sounds(manifest, HOUSEHOLD.sample_rate))
    torch.manual_seed(0)
    losses: list[float] = []
    network = ResNet18(HOUSEHOLD.n_mels, 3, width=4, dropout=0.0)
    fit(network, maker, recipe, tmp_path / "c.pt", "tiny", lambda done, loss: losses.append(loss))
    assert len(losses) == 40
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
