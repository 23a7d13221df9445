"""What depends on the machine: precision, several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from listener.errors import ConfigError
from listener.training.fit import hardware, start
from listener.training.networks import build_network
from listener.training.recipe import NetworkSettings
from tests.training.fit.small import N_FRAMES, N_LABELS, N_MELS, network, options, same, train

ROOT = Path(__file__).parents[3]


def test_what_a_machine_cannot_do_is_said() -> None:
    with pytest.raises(ConfigError, match=r"^fit\.precision: 16-mixed needs an accelerator"):
        start("16-mixed", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no accelerator that torch can use: train with --device cpu"):
            start(device="gpu")


def test_bfloat16_where_the_processor_is_fast_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_processor_flags", lambda: {"avx2"})
    assert start("auto", "cpu").strategy.precision.precision == "32-true"
    monkeypatch.setattr(hardware, "_processor_flags", lambda: {"avx2", "amx_bf16"})
    fabric = start("auto", "cpu")
    assert fabric.strategy.precision.precision == "bf16-mixed"
    weights = train(tmp_path / "c.pt", options=options(steps=2), fabric=fabric)
    assert weights["stem.1.weight"].dtype is torch.float32


def test_without_lightning_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ConfigError, match=r"lightning-fabric: pip install 'listener\[train\]'$"):
        start()


def test_what_onednn_cannot_do_without_avx512_is_left_out() -> None:
    assert not hardware.may_lie_channels_last(network())
    wide = NetworkSettings.model_validate({"width": 8})
    assert hardware.may_lie_channels_last(build_network(wide, N_MELS, N_FRAMES, N_LABELS))


IN_TWO = """
import json, sys
from pathlib import Path
import torch
from tests.training.fit.small import start, train
torch.set_num_threads(1)
losses = []
folder = Path(sys.argv[1])
fabric = start("32-true", "cpu")
tell = lambda report: losses.append(report.loss)
weights = train(folder / "c.pt", dropout=0.0, fabric=fabric, progress=tell)
assert fabric.world_size == 2
assert len(losses) == (7 if fabric.is_global_zero else 0)
torch.save(weights, folder / f"weights-{fabric.global_rank}.pt")
if fabric.is_global_zero:
    (folder / "losses.json").write_text(json.dumps(losses))
"""


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    script = tmp_path / "in_two.py"
    script.write_text(IN_TWO)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    own = {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*run, str(script), str(tmp_path)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    losses: list[float] = []
    alone = train(tmp_path / "alone.pt", dropout=0.0, progress=lambda report: losses.append(report.loss))
    together = yaml.safe_load((tmp_path / "losses.json").read_text())
    assert losses == pytest.approx(together, rel=1e-3)
    weights = [torch.load(tmp_path / f"weights-{rank}.pt") for rank in (0, 1)]
    assert same(*weights)
    for name, value in alone.items():
        assert torch.allclose(weights[0][name], value, rtol=1e-2, atol=1e-2), name
