"""A script for each test of this folder."""

from pathlib import Path

import pytest

from tests.actions.command.programs import Script


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)
