"""A booted machine with a microphone in it, and the service that its own command installed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.systemd.ears import Ears
from tests.systemd.layer import lay_out_program
from tests.systemd.machine import Machine
from tests.virtual_microphone import VirtualMicrophone


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    """The microphone of the machine."""
    with VirtualMicrophone() as microphone:
        yield Ears(microphone)


@pytest.fixture(scope="module")
def machine(ears: Ears, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted machine on which the program lies, but is no service yet."""
    if os.geteuid() != 0:
        pytest.skip("to boot a machine takes root: run the tests as root")
    folder = tmp_path_factory.mktemp("machine")
    layer = folder / "layer"
    layer.mkdir()
    binds = lay_out_program(layer)
    with Machine(folder, layer, {**binds, **ears.binds}) as booted:
        yield booted


@pytest.fixture
def recording(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Real recordings that the shipped model knows, by their number in ESC-50."""

    def give(target: int, repeats: int = 1) -> Path:
        clip = sorted((data / "esc50/audio/fold1").glob(f"*-{target}.flac"))[0]
        samples, rate = soundfile.read(clip, dtype="int16")
        path = tmp_path / f"{target}.wav"
        soundfile.write(path, np.tile(samples, repeats), rate)
        return path

    return give
