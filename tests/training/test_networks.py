"""What a recipe may say under ``network``, and what every network promises."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import nn

from listener.classifiers.torchscript import RUNS_UNTIL_FUSED
from listener.errors import ConfigError, PluginError
from listener.training.networks import NETWORKS, build_network, check_network, describe
from listener.training.recipe import NetworkSettings

SMALL = {"resnet18": {"width": 8}, "resnet34": {"width": 4}, "dscnn": {"width": 8}}
TUTORIAL = {
    "width": 64,
    "dropout": 0.0,
    "inputs": "absolute",
    "normalise": False,
    "stem_kernel": 7,
    "stem_stride": 2,
    "pooling": "mean",
    "zero_blocks": False,
}


def build(use: str, n_mels: int = 64, n_frames: int = 128, n_labels: int = 5, **own: Any) -> nn.Module:
    settings = NetworkSettings.model_validate({"use": use, **own})
    return build_network(settings, n_mels, n_frames, n_labels, seed=1).eval()


def settled(network: nn.Module, n_mels: int = 64, n_frames: int = 128) -> nn.Module:
    """A network whose normalisation and last layer are as after a training: nothing in it is 0 or 1."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point() and value.dim() <= 1:
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return network.eval()


def windows(n: int, n_mels: int = 64, n_frames: int = 128) -> torch.Tensor:
    return torch.randn(n, n_mels, n_frames, generator=torch.Generator().manual_seed(3)) * 3 - 8


@pytest.mark.parametrize("use", NETWORKS)
@examples(max_examples=12)
@given(n_mels=st.integers(1, 70), n_frames=st.integers(1, 70), n_labels=st.integers(1, 9))
def test_any_spectrogram_and_any_number_of_labels(
    use: str, n_mels: int, n_frames: int, n_labels: int
) -> None:
    network = build(use, n_mels, n_frames, n_labels, width=2)
    logits = network(windows(2, n_mels, n_frames))
    assert logits.shape == (2, n_labels)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("use", "inputs"),
    [*((use, "both") for use in NETWORKS), ("resnet18", "absolute"), ("resnet18", "relative")],
)
def test_what_it_says_to_a_window_does_not_depend_on_the_batch(use: str, inputs: str) -> None:
    pooling = "mean" if inputs == "absolute" else "mean+max"
    network = settled(build(use, inputs=inputs, pooling=pooling, **SMALL[use]))
    several = windows(8)
    torch.jit.enable_onednn_fusion(True)  # as `listener.classifiers.torchscript` runs it
    frozen = torch.jit.freeze(torch.jit.script(network))

    def scored(size: int) -> torch.Tensor:
        for _ in range(RUNS_UNTIL_FUSED):
            rows = torch.cat([frozen(part) for part in torch.split(several, size)])
        return rows

    with torch.inference_mode():
        alone = scored(1)
        for size in (2, 4, 8):
            assert torch.equal(scored(size), alone)
        assert torch.allclose(alone, network(several), rtol=1e-4, atol=1e-4)
    assert not torch.equal(alone[0], alone[1])


@pytest.mark.parametrize("use", NETWORKS)
def test_it_can_be_shipped(use: str, tmp_path: Path) -> None:
    import onnxruntime

    network = settled(build(use, **SMALL[use]))
    script = torch.jit.script(network)
    several = windows(3)
    with torch.inference_mode():
        expected = network(several)
        assert torch.allclose(torch.jit.freeze(script)(several), expected, rtol=1e-4, atol=1e-4)
    path = tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and so is its way to ONNX
        torch.onnx.export(
            script, (several,), str(path), dynamo=False, input_names=["in"], dynamic_axes={"in": {0: "n"}}
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"in": several[:1].numpy()})
    assert np.allclose(given, expected[:1].numpy(), atol=1e-4)


@pytest.mark.parametrize(("use", "n_parameters"), [("resnet18", 11_195_890), ("resnet34", 21_304_050)])
def test_the_networks_of_the_paper(use: str, n_parameters: int) -> None:
    """He et al.'s counts, 11,689,512 and 21,797,672, are for three colours and 1,000 labels."""
    network = build(use, 128, 128, 50, **TUTORIAL)
    assert describe(network, 128, 128).n_parameters == n_parameters


def test_a_sound_is_shown_at_any_distance_alike() -> None:
    network = settled(build("resnet18", inputs="relative", width=4))
    several = windows(2)
    with torch.inference_mode():
        assert torch.allclose(network(several), network(several - 5), atol=1e-3)


def test_the_seed_decides_the_first_weights_and_nothing_else() -> None:
    before = torch.get_rng_state()
    one, other = build("dscnn", width=4).state_dict(), build("dscnn", width=4).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(before, torch.get_rng_state())


def test_what_a_network_costs() -> None:
    network = nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3))
    told = describe(network, 4, 6)
    assert (told.n_parameters, told.n_states) == (27 + 3 + 6, 27 + 3 + 6 + 7)
    assert told.multiply_adds == 4 * 6 * 27
    assert network.training
    assert str(describe(build("resnet18", n_labels=27), 64, 128)).startswith(
        "2.80 million parameters (11.2 MB)"
    )


@pytest.mark.parametrize(
    ("given_keys", "problems"),
    [
        ({"use": "resnet19"}, ["network.use: no network is called 'resnet19': did you mean 'resnet18'?"]),
        (
            {"use": "vgg"},
            [f"network.use: no network is called 'vgg': there are: {', '.join(NETWORKS)}, python:FILE:CLASS"],
        ),
        ({"use": "dscnn", "widht": 3}, ["network.widht: unknown key: did you mean 'width'?"]),
        (
            {"width": 0, "dropout": 1, "stem_kernel": 4},
            [
                "network.width: must be greater than or equal to 1 (it is 0)",
                "network.dropout: must be less than 1 (it is 1)",
                "network.stem_kernel: must be odd, so that it has a middle (it is 4)",
            ],
        ),
        (
            {"stem_stride": [1]},
            ["network.stem_stride: must be one number, or two: of mel bands and of frames"],
        ),
        ({"stem_stride": [1, 64]}, ["network.stem_stride: must be whole numbers from 1 to 63"]),
        ({"inputs": "all"}, ["network.inputs: must be 'both', 'absolute' or 'relative' (it is \"all\")"]),
    ],
)
def test_wrong_options_are_all_named(given_keys: dict[str, Any], problems: list[str]) -> None:
    settings = NetworkSettings.model_validate(given_keys)
    for refused in (check_network, lambda settings: build_network(settings, 8, 8, 2)):
        with pytest.raises(ConfigError) as caught:
            refused(settings)
        assert list(caught.value.problems) == problems


OWN = """
import torch
from torch import Tensor, nn

class Mine(nn.Module):
    def __init__(self, n_mels: int, n_frames: int, n_labels: int, width: int = 3, *, slope: float):
        super().__init__()
        self.first = nn.Linear(n_mels, width)
        self.last = nn.Linear(width, n_labels)
        self.slope = slope

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.slope * self.last(self.first(log_mel.mean(dim=2)))

class WithOptions(nn.Module):
    from listener.config import Options as _Base

    class Options(_Base):
        width: int = 4

    def __init__(self, n_mels, n_frames, n_labels, options):
        super().__init__()
        self.last = nn.Linear(n_mels * n_frames, n_labels)

    def forward(self, log_mel):
        return self.last(log_mel.flatten(1))

class Fails(nn.Module):
    def __init__(self, n_mels, n_frames, n_labels):
        super().__init__()
        raise RuntimeError("no such layer")

class Stumbles(nn.Module):
    def __init__(self, n_mels, n_frames, n_labels):
        super().__init__()

    def forward(self, log_mel):
        return log_mel @ log_mel

class TooFew(nn.Module):
    def __init__(self, n_mels, n_frames, n_labels):
        super().__init__()

    def forward(self, log_mel):
        return log_mel.mean(dim=2)

class Unscriptable(TooFew):
    def __init__(self, n_mels, n_frames, n_labels):
        super().__init__(n_mels, n_frames, n_labels)
        self.n_labels = n_labels

    def forward(self, log_mel):
        return log_mel.flatten(1)[:, tuple(n for n in range(self.n_labels))]

def not_a_class():
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(OWN)
    return tmp_path


def own(name: str, folder: Path, **keys: Any) -> nn.Module:
    settings = NetworkSettings.model_validate({"use": f"python:nets.py:{name}", **keys})
    return build_network(settings, 4, 6, 2, folder, seed=0)


def test_a_users_own_network(folder: Path) -> None:
    network = own("Mine", folder, slope=2.0, width=5)
    assert network.training
    assert network(torch.zeros(3, 4, 6)).shape == (3, 2)
    assert network.get_parameter("first.weight").shape == (5, 4)
    assert describe(network, 4, 6).n_parameters == 4 * 5 + 5 + 5 * 2 + 2
    assert own("WithOptions", folder, width=9)(torch.zeros(3, 4, 6)).shape == (3, 2)


@pytest.mark.parametrize(
    ("name", "keys", "problem"),
    [
        (
            "Mine",
            {"slop": 1.0},
            r"^network.slop: unknown key: did you mean 'slope'\?\nnetwork.slope: is missing$",
        ),
        ("WithOptions", {"width": "wide"}, r'^network.width: must be a valid integer \(it is "wide"\)$'),
        ("WithOptions", {"zoom": 1}, r"^network.zoom: unknown key: there are width, use$"),
        ("Min", {}, r"^network.use: /\S+/nets.py has no 'Min': did you mean 'Mine'\?$"),
        ("not_a_class", {}, r"^network.use: 'python:nets.py:not_a_class' is no class derived from torch"),
        ("Fails", {}, r"^/\S+/nets.py:31: RuntimeError: no such layer$"),
        ("Stumbles", {}, r"^/\S+/nets.py:38: RuntimeError: Expected size .*$"),
        (
            "TooFew",
            {},
            r"^/\S+/nets.py: TooFew gives \(2, 4\) for windows of shape \(2, 4, 6\): it must give ",
        ),
        ("Unscriptable", {}, r"^/\S+/nets.py: Unscriptable cannot be exported as TorchScript: .*$"),
    ],
)
def test_what_is_wrong_with_a_users_own_network(
    folder: Path, name: str, keys: dict[str, Any], problem: str
) -> None:
    with pytest.raises((ConfigError, PluginError), match=problem):
        own(name, folder, **keys)


def test_a_users_own_file_that_is_not_there(tmp_path: Path) -> None:
    settings = NetworkSettings(use="python:nowhere.py:Net")
    with pytest.raises(ConfigError, match=r"^network.use: there is no file '\S+nowhere.py'$"):
        check_network(settings, tmp_path)
    (tmp_path / "nowhere.py").write_text("import torch\nclass Net(torch.nn.Modul): pass\n")
    with pytest.raises(PluginError, match=r"nowhere.py:2: AttributeError: "):
        check_network(settings, tmp_path)
