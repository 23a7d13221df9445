"""Figures for TensorBoard."""

from pathlib import Path

import pytest

from listener.training.fit import Report
from tests.disk import SmallDisk
from tests.training.fit.small import KilledError, Weights, same, train, until


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
