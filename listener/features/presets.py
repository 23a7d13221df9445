"""Front ends that are known by name."""

from collections.abc import Mapping

from listener.types import FeatureParameters

PRESETS: Mapping[str, FeatureParameters] = {
    preset.preset: preset
    for preset in (
        FeatureParameters(preset="tutorial"),
        FeatureParameters(preset="household", n_fft=1024, n_mels=64, normalisation="none"),
    )
}
"""``tutorial``: as in the tutorial that this project grew from. ``household``: of the shipped model."""
