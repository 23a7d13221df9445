"""What is learnt, what is kept of it, and when it ends."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from listener.errors import DatasetError
from listener.training.fit import Batch, Report, fit
from listener.training.fit.average import Average
from tests.training.fit.small import (
    STEPS,
    KilledError,
    Weights,
    draw,
    network,
    options,
    same,
    train,
    until,
)


@pytest.mark.parametrize(
    ("use", "changes"),
    [
        ("resnet18", {}),
        ("dscnn", {"loss": "softmax", "label_smoothing": 0.1}),
        ("resnet18", {"optimiser": "sgd", "schedule": "constant", "learning_rate": 0.05}),
    ],
)
def test_training_lowers_the_loss(tmp_path: Path, use: str, changes: dict[str, Any]) -> None:
    losses: list[float] = []
    fit(
        network(0.0, use, width=8, stem_stride=1),
        draw,
        options(**{"steps": 30, "learning_rate": 0.02, "batch_size": 16, **changes}),
        n_clips=12,
        seed=0,
        checkpoint=tmp_path / "c.pt",
        what="",
        progress=lambda report: losses.append(report.loss),
    )
    assert len(losses) == 30
    assert sum(losses[-8:]) < 0.75 * sum(losses[:8])


def test_the_moving_average_is_what_is_kept(tmp_path: Path) -> None:
    """Without one, it is the last weights; and its normalisation fits what flows through it."""
    last = train(tmp_path / "last.pt", options=options(average_decay=0.0))
    average = train(tmp_path / "average.pt", options=options(average_decay=0.9))
    assert not torch.equal(last["stem.1.weight"], average["stem.1.weight"])
    shown = draw(STEPS - 1, range(6)).inputs
    norm = "stem.0.absolute.norm"
    # Of the seven batches, a twentieth settles the statistics, but one at least: the last.
    assert torch.allclose(average[f"{norm}.running_mean"], shown.mean(dim=(0, 2)), atol=1e-5)
    assert torch.allclose(average[f"{norm}.running_var"], shown.var(dim=(0, 2)), rtol=1e-5)


def test_the_statistics_of_an_average_are_those_over_all_batches() -> None:
    average = Average(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)), 0.9)
    batches = [torch.randn(5, 2, 7) for _ in range(3)]
    average.settle(iter(batches), is_shared=False)
    norm = average.module[0]  # type: ignore[index]
    assert torch.allclose(norm.running_mean, torch.cat(batches).mean(dim=(0, 2)), atol=1e-6)
    assert not norm.training


def test_it_ends_early_and_keeps_the_best(tmp_path: Path) -> None:
    seen: list[Weights] = []

    def held_out(judged: nn.Module) -> dict[str, float]:
        assert not judged.training
        seen.append({name: value.clone() for name, value in judged.state_dict().items()})
        return {"loss": [3.0, 1.0, 2.0, math.nan, 0.0][len(seen) - 1], "accuracy": 0.5}

    steps: list[int] = []
    wanted = options(steps=20, early_stop=2)
    kept = train(
        tmp_path / "c.pt",
        options=wanted,
        held_out=held_out,
        progress=lambda report: steps.append(report.step),
    )
    assert steps[-1] == 8
    assert torch.equal(kept["head.last.weight"], seen[1]["head.last.weight"])
    assert len(seen) == 4


def test_early_stopping_survives_a_kill(tmp_path: Path) -> None:
    losses = {2: 3.0, 4: 1.0, 6: 2.0, 8: 2.5, 10: 2.0}

    def trained(name: str, killed_at: int) -> Weights:
        done = 0

        def progress(report: Report) -> None:
            nonlocal done
            done = report.step
            until(killed_at)(report)

        return train(
            tmp_path / name / "c.pt",
            options=options(steps=20, early_stop=3),
            held_out=lambda judged: {"loss": losses[done]},
            progress=progress,
        )

    expected = trained("whole", 0)
    with pytest.raises(KilledError):
        trained("killed", 7)
    assert same(expected, trained("killed", 0))


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    def poisoned(step: int, rows: range) -> Batch:
        batch = draw(step, rows)
        return Batch(batch.inputs * (math.inf if step == 3 else 1), batch.targets)

    with pytest.raises(
        DatasetError, match=r"^the loss, or a weight, is no number after 4 steps: a lower fit\.learning_rate"
    ):
        train(tmp_path / "c.pt", draw=poisoned)
    steps: list[int] = []
    train(tmp_path / "c.pt", progress=lambda report: steps.append(report.step))
    assert steps[0] == 3


class Brittle(nn.Module):
    """A loss that is a number, and a gradient that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * 0).sqrt().expand(len(x), 2)


@pytest.mark.parametrize("steps", [1, 5])
def test_weights_that_are_no_numbers_are_kept_nowhere(tmp_path: Path, steps: int) -> None:
    def drawn(step: int, rows: range) -> Batch:
        return Batch(torch.ones(len(rows), 2), torch.ones(len(rows), 2))

    wanted = options(steps=steps, checkpoint_steps=1)
    with pytest.raises(DatasetError, match=r"^the loss, or a weight, is no number after 1 steps"):
        fit(Brittle(), drawn, wanted, n_clips=8, seed=0, checkpoint=tmp_path / "c.pt", what="{}")
    assert not list(tmp_path.iterdir())


def test_it_is_told_how_it_goes(tmp_path: Path) -> None:
    reports: list[Report] = []
    train(tmp_path / "c.pt", progress=reports.append)
    assert [(report.step, report.of) for report in reports] == [(n, STEPS) for n in range(1, STEPS + 1)]
    assert all(report.windows_per_s > 0 for report in reports)
    assert reports[0].seconds_left > 0
    assert reports[-1].seconds_left == 0
