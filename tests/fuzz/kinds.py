"""Everything that is fed, by name; imported when it is fed, as only bundles need torch."""

import importlib
from pathlib import Path

from tests.fuzz.target import Target

KINDS = {
    "config": "configs:Configs",
    "recording": "recordings:Recordings",
    "pcm": "pcm:Pcm",
    "bundle": "bundles:Bundles",
    "onnx": "onnx_bundles:OnnxBundles",
    "broken": "broken:Broken",
}
"""Module and class of each target."""


def target_of(kind: str, folder: Path) -> Target:
    """Make a target that writes its inputs into a folder."""
    module, name = KINDS[kind].split(":")
    target: Target = getattr(importlib.import_module(f"tests.fuzz.{module}"), name)(folder)
    return target
