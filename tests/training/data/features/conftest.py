"""The clips, for the tests of this folder."""

from pathlib import Path

import pytest

from listener.training.data.clip import Manifest
from tests.training.data.features.small import make_data


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_data(tmp_path / "data")
