"""Time passes quickly here."""

import pytest

from listener.open_events import writer


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done every few seconds is done at once."""
    monkeypatch.setattr(writer, "RETRY_S", 0.0)
    monkeypatch.setattr(writer, "TICK_S", 0.01)
    monkeypatch.setattr(writer, "MORE_EVERY_S", 0.01)
