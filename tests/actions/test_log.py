import logging

import pytest

from listener import plugins
from listener.actions.base import ActionContext
from listener.actions.command.action import ENVIRONMENT
from listener.actions.log import LogAction, LogOptions
from listener.logs.journal import fields_of
from tests.actions.fakes import OFFSET, ONSET, no_audio


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
    assert action.__module__.startswith(f"listener.actions.{name}")


def test_the_journal_gets_every_field_of_the_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    LogAction("log", LogOptions()).run(OFFSET, ActionContext(no_audio))
    (record,) = caplog.records
    assert (
        fields_of(record).items()
        >= {
            "LISTENER_EVENT_ID": "e1",
            "LISTENER_PHASE": "offset",
            "LISTENER_SOURCE": "mic",
            "LISTENER_LABEL": "dog",
            "LISTENER_ONSET_S": "12.5",
            "LISTENER_OFFSET_S": "15.0",
            "LISTENER_STARTED_AT": "2026-01-31T06:12:03.250Z",
            "LISTENER_ENDED_AT": "2026-01-31T06:12:05.750Z",
            "LISTENER_SCORE": "0.2",
            "LISTENER_PEAK_SCORE": "0.97",
            "LISTENER_MODEL": "household/1.0.0",
            "LISTENER_AFTER_GAP": "false",
        }.items()
    )


def test_every_name_of_a_commands_environment_is_one_of_the_journals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    LogAction("log", LogOptions()).run(OFFSET, ActionContext(no_audio))
    assert set(ENVIRONMENT) - {"LISTENER_CLIP", "LISTENER_PICTURE"} <= set(fields_of(caplog.records[0]))
