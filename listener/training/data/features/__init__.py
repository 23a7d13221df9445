"""Features made once: a pipeline whose stages can be exchanged, and the store that it fills."""

from listener.training.data.features.build import build_store
from listener.training.data.features.pipeline import Pipeline
from listener.training.data.features.store import FeatureStore

__all__ = ["FeatureStore", "Pipeline", "build_store"]
