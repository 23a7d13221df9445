"""The broker and what is told of it, for the tests of this folder."""

import logging
from collections.abc import Iterator

import pytest

from listener.actions.mqtt import link
from tests.actions.mqtt.told import LogWaiter
from tests.broker import broker, certificates

__all__ = ["broker", "certificates"]


@pytest.fixture
def log() -> Iterator[LogWaiter]:
    logger, waiter = logging.getLogger("listener.actions.mqtt"), LogWaiter()
    before = logger.level
    logger.addHandler(waiter)
    logger.setLevel(logging.INFO)
    yield waiter
    logger.removeHandler(waiter)
    logger.setLevel(before)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(link, "MENDING_PAUSE_S", 0.2)
