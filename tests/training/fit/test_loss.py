"""Losses and learning rates."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from listener.training.fit import Batch, loss
from listener.training.fit.optimise import learning_rate
from tests.training.fit.small import (
    STEPS,
    options,
)


@given(st.integers(0, 1000), st.sampled_from(["sigmoid", "softmax"]), st.sampled_from([0.0, 0.2]))
def test_a_label_that_nobody_knows_teaches_nothing(seed: int, kind: str, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 4, generator=generator, requires_grad=True)
    targets = functional.one_hot(torch.randint(4, (5,), generator=generator), 4).float()
    targets[torch.rand(5, 4, generator=generator) < 0.3] = math.nan
    total, weight = loss.summed_loss(
        logits, Batch(torch.zeros(5), targets), options(loss=kind, label_smoothing=smoothing)
    )
    total.backward()  # type: ignore[no-untyped-call]
    assert total.isfinite()
    assert 0 <= float(weight) <= 20
    assert logits.grad is not None
    assert not logits.grad[targets.isnan()].any()
    if kind == "softmax":
        assert not logits.grad[targets.nansum(dim=1) == 0].any()


def test_the_losses_of_the_books() -> None:
    logits, targets = torch.randn(6, 4), functional.one_hot(torch.tensor([0, 1, 2, 3, 0, 1]), 4).float()

    def mean(**changes: Any) -> torch.Tensor:
        total, weight = loss.summed_loss(logits, Batch(torch.zeros(6), targets), options(**changes))
        return total / weight

    smooth = functional.cross_entropy(logits, targets, label_smoothing=0.1)
    assert torch.allclose(mean(loss="softmax", label_smoothing=0.1), smooth)
    binary = functional.binary_cross_entropy_with_logits(logits, targets * 0.9 + 0.05)
    assert torch.allclose(mean(label_smoothing=0.1), 4 * binary)


def test_of_mixed_sounds_softmax_learns_the_shares() -> None:
    logits, shares = torch.randn(1, 3), torch.tensor([[0.3, 0.7, 0.0]])
    batch = Batch(torch.zeros(1), torch.tensor([[1.0, 1.0, 0.0]]), shares)
    total, weight = loss.summed_loss(logits, batch, options(loss="softmax"))
    assert torch.allclose(total / weight, functional.cross_entropy(logits, shares))


def test_how_fast_it_goes() -> None:
    def rates(n_steps: int, **changes: Any) -> list[float]:
        wanted = options(learning_rate=1.0, **changes)
        return [round(learning_rate(step, wanted, n_steps, 2), 4) for step in range(n_steps)]

    assert rates(6, warmup_steps=2) == [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464]
    assert rates(6, schedule="step") == [1.0, 1.0, 0.8, 0.8, 0.64, 0.64]
    assert rates(3, schedule="constant", warmup_steps=2) == [0.5, 1.0, 1.0]
    assert rates(20)[:3] == [0.5, 1.0, 1.0]
    assert rates(4000)[198:200] == [0.995, 1.0]


def test_how_long_it_takes() -> None:
    assert options().n_steps(1000) == STEPS
    by_epochs = options(steps=None, epochs=2.5, batch_size=32)
    assert (by_epochs.steps_per_epoch(100), by_epochs.n_steps(100)) == (4, 10)
    with pytest.raises(ValueError, match="needs either 'steps' or 'epochs'"):
        options(epochs=1.0)
