"""A training that nobody disturbs, for the tests of this folder."""

import pytest
import torch

from tests.training.fit.small import Weights, train


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """What comes of a training that nobody disturbs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    weights = train(tmp_path_factory.mktemp("whole") / "checkpoint.pt")
    torch.set_num_threads(threads)
    return weights
