"""Real recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.types import Samples


@pytest.fixture(scope="package")
def recordings(data: Path) -> Samples:
    """Several in a row, 16 kHz."""
    paths = sorted((data / "esc50" / "audio").glob("*/*"))[::50]
    return np.concatenate([soundfile.read(path, dtype="float32")[0] for path in paths])
