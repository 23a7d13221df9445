"""Time passes quickly here, and a busy machine is waited for."""

import pytest

import listener.open_events
from listener.open_events import writer
from tests.program import PATIENCE_S


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be noted is not for want of time."""
    monkeypatch.setattr(listener.open_events, "NOTE_WAITS_S", PATIENCE_S)


@pytest.fixture
def impatient(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a disk that hangs."""
    monkeypatch.setattr(listener.open_events, "NOTE_WAITS_S", 0.1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done every few seconds is done at once."""
    monkeypatch.setattr(writer, "RETRY_S", 0.0)
    monkeypatch.setattr(writer, "TICK_S", 0.01)
    monkeypatch.setattr(writer, "MORE_EVERY_S", 0.01)
