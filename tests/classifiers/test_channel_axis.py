from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from listener.classifiers.bundle import read_card, write_bundle
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.features import PRESETS
from listener.types import Features, ModelCard


class Images(nn.Module):
    """A network for pictures: it wants (n, 1, height, width), not (n, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        logits: Tensor = self.second(nn.functional.adaptive_avg_pool2d(x, 1))
        return logits.flatten(1)


@pytest.fixture
def network() -> Images:
    torch.manual_seed(0)
    return Images().eval()


def test_a_network_that_wants_a_channel_axis_scores_every_batch_size_right(
    network: Images, tmp_path: Path
) -> None:
    features = PRESETS["tutorial"]
    card = ModelCard("images", "1", ("a", "b"), 16_000, 2.16, 0.5, "log_mel", "softmax", features)
    path = tmp_path / "images.pt"
    write_bundle(path, torch.jit.script(network), card)
    classifier = TorchScriptClassifier(path, read_card(path))
    rng = np.random.default_rng(0)
    windows = [
        Features("x", rng.standard_normal((128, 128), np.float32), 0, 34_560, 16_000) for _ in range(4)
    ]
    images = torch.from_numpy(np.stack([window.data for window in windows]))[:, None]
    with torch.inference_mode():
        expected = torch.softmax(network(images), -1).numpy()

    for size in (1, 2, 1, 4, 3):
        np.testing.assert_allclose(classifier.predict(windows[:size]), expected[:size], atol=1e-5)
