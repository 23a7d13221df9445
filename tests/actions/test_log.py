import logging

import pytest

from listener import plugins
from listener.actions.base import ActionContext, Recording
from listener.actions.log import LogAction, LogOptions
from tests.actions.fakes import ONSET


def no_audio(start_s: float, end_s: float) -> Recording:
    raise NotImplementedError


@pytest.mark.parametrize(("options", "level"), [({}, logging.INFO), ({"level": "warning"}, logging.WARNING)])
def test_one_line_at_the_chosen_level(
    options: dict[str, str], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    LogAction("log", LogOptions.model_validate(options)).run(ONSET, ActionContext(no_audio))
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage() == "dog began at 12.5 s (0.91) in mic, 2026-01-31 06:12:03 UTC"


@pytest.mark.parametrize("name", ["log", "command", "clip"])
def test_built_in_actions_are_found_like_any_other(name: str) -> None:
    action = plugins.load("actions", name)
    assert action.__module__ == f"listener.actions.{name}"
