"""Front ends that are known by name."""

from collections.abc import Mapping

from listener.types import FeatureParameters

PRESETS: Mapping[str, FeatureParameters] = {
    preset.preset: preset
    for preset in (
        FeatureParameters(preset="tutorial"),
        FeatureParameters(preset="household", n_fft=1024, n_mels=64, normalisation="none"),
        FeatureParameters(
            preset="hifigan",
            sample_rate=22_050,
            n_fft=1024,
            n_mels=80,
            n_frames=172,
            floor=1e-5,
            normalisation="none",
            padding="reflect",
            power=1,
        ),
        FeatureParameters(
            preset="db", n_fft=512, n_mels=257, scale="db", bands="linear", normalisation="min_max"
        ),
    )
}
"""``tutorial``: as in the tutorial that this project grew from. ``household``: of the shipped model.
``hifigan``: the mel spectrogram of HiFi-GAN (Kong et al., 2020) and of the vocoders that follow it.
``db``: the plain transform in decibels, each window brought to [0, 1]; `MinMax` undoes that."""
