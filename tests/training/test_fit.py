"""The training loop: what it promises to whoever is killed, runs out of disk, or has two processors."""

import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from listener.errors import ConfigError, DatasetError
from listener.training.data.clip import Clip, Manifest
from listener.training.fit import Batch, Report, fit, forget, hardware, identity, loss, start
from listener.training.fit.average import Average
from listener.training.fit.optimise import learning_rate
from listener.training.networks import build_network
from listener.training.recipe import Fit, NetworkSettings, Recipe, read_recipe
from tests.disk import SmallDisk

N_MELS, N_FRAMES, N_LABELS = 8, 8, 3
STEPS = 7
ROOT = Path(__file__).parents[2]

Weights = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are rounded alike whoever runs the tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw(step: int, rows: range) -> Batch:
    """Windows with a loud band, whose number is the label; of some, one label is not known."""
    inputs, targets = [], []
    for row in rows:
        generator = torch.Generator().manual_seed(1000 * step + row)
        label = int(torch.randint(N_LABELS, (), generator=generator))
        window = torch.randn(N_MELS, N_FRAMES, generator=generator) - 8
        window[2 * label] += 3
        inputs.append(window)
        targets.append(functional.one_hot(torch.tensor(label), N_LABELS).float())
        if row % 3 == 0:
            targets[-1][(label + 1) % N_LABELS] = math.nan
    return Batch(torch.stack(inputs), torch.stack(targets))


def network(dropout: float = 0.2, use: str = "resnet18", **own: Any) -> nn.Module:
    settings = NetworkSettings.model_validate({"use": use, "width": 2, "dropout": dropout, **own})
    return build_network(settings, N_MELS, N_FRAMES, N_LABELS, seed=3)


def options(**changes: Any) -> Fit:
    usual = {"steps": STEPS, "batch_size": 6, "checkpoint_steps": 2, "average_decay": 0.9}
    return Fit.model_validate({**usual, **changes})


def train(checkpoint: Path, what: str = "{}", dropout: float = 0.2, **arguments: Any) -> Weights:
    given_options = arguments.pop("options", options())
    usual: dict[str, Any] = {"n_clips": 12, "seed": 5, "fabric": start("32-true", "cpu")}
    trained = fit(
        network(dropout),
        arguments.pop("draw", draw),
        given_options,
        checkpoint=checkpoint,
        what=what,
        **(usual | arguments),
    )
    assert not trained.training
    return dict(trained.state_dict())


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """What comes of a training that nobody disturbs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    weights = train(tmp_path_factory.mktemp("whole") / "checkpoint.pt")
    torch.set_num_threads(threads)
    return weights


class KilledError(Exception):
    """Nothing after it runs."""


def until(last: int, error: type[Exception] = KilledError) -> Callable[[Report], None]:
    """What is told how a training goes, and ends it."""

    def progress(report: Report) -> None:
        if report.step == last:
            raise error

    return progress


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


# --- what it learns -------------------------------------------------------------------------------


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


# --- losses and rates -----------------------------------------------------------------------------


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


# --- what it runs on ------------------------------------------------------------------------------


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
from tests.training.test_fit import start, train
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


# --- TensorBoard ----------------------------------------------------------------------------------


def test_figures_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    folder = tmp_path / "scalars"
    with pytest.raises(KilledError):
        train(tmp_path / "c.pt", scalars=folder, progress=until(5))
    train(tmp_path / "c.pt", scalars=folder, held_out=lambda judged: {"loss": 1.0})
    assert len(list(folder.iterdir())) == 2
    shown = EventAccumulator(str(folder))
    shown.Reload()
    assert set(shown.Tags()["scalars"]) == {"loss", "learning_rate", "windows_per_s", "held_out/loss"}
    assert [one.step for one in shown.Scalars("loss")] == [1, 2, 3, 4, 5, 6, 7]
    assert [one.step for one in shown.Scalars("held_out/loss")] == [6, 7]


def test_without_tensorboard_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    train(tmp_path / "c.pt", scalars=tmp_path / "scalars")
    assert not (tmp_path / "scalars").exists()


def test_figures_that_cannot_be_written_end_no_training(
    whole: Weights, tmp_path: Path, small_disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(report: Report) -> None:
        if report.step == 2:
            small_disk.fill()

    assert same(whole, train(tmp_path / "c.pt", scalars=small_disk.folder, progress=fill))
    assert caplog.text.count("no figures for TensorBoard any more") <= 1


# --- identity -------------------------------------------------------------------------------------


def recipe(tmp_path: Path, **changes: Any) -> Recipe:
    usual = {"name": "n", "version": "1", "features": "household", "fit": {"steps": 3}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**usual, **changes}))
    return read_recipe(path)


def test_whatever_decides_the_outcome_is_part_of_the_identity(tmp_path: Path) -> None:
    clips = Manifest(tmp_path, (Clip("a.wav", "dog"),))
    (tmp_path / "net.py").write_text("# one")
    usual = identity(recipe(tmp_path), clips, ["dog"])
    own = {"use": "python:net.py:Net"}
    others = [
        identity(recipe(tmp_path, seed=1), clips, ["dog"]),
        identity(recipe(tmp_path, fit={"steps": 4}), clips, ["dog"]),
        identity(recipe(tmp_path, network={"width": 8}), clips, ["dog"]),
        identity(recipe(tmp_path, augmentation={"speed": 0.0}), clips, ["dog"]),
        identity(recipe(tmp_path), clips, ["dog", "cat"]),
        identity(recipe(tmp_path), Manifest(tmp_path, (Clip("b.wav", "dog"),)), ["dog"]),
        identity(recipe(tmp_path, network=own), clips, ["dog"], tmp_path),
    ]
    (tmp_path / "net.py").write_text("# two")
    others.append(identity(recipe(tmp_path, network=own), clips, ["dog"], tmp_path))
    assert len({usual, *others}) == len(others) + 1
    for changes in ({"version": "2"}, {"notes": "!"}, {"fit": {"steps": 3, "checkpoint_steps": 1}}):
        assert identity(recipe(tmp_path, **changes), clips, ["dog"]) == usual
