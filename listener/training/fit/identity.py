"""What a training is of: whatever in the recipe and the data decides its outcome."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from listener.errors import PluginError
from listener.plugins import python_file
from listener.training.data.clip import Manifest
from listener.training.recipe import Recipe

DECISIVE = {"seed", "features", "synthetic", "data", "augmentation", "network", "fit"}
"""Keys of the recipe that decide what is learnt."""

INDIFFERENT = {"checkpoint_steps"}
"""Keys under ``fit`` that do not."""

LATER = {"data"}
"""What checkpoints of an older program do not tell."""

MOST_DIFFERENCES = 3
"""That are named."""


def identity(recipe: Recipe, manifest: Manifest, labels: Sequence[str], folder: Path | None = None) -> str:
    """Say what a training is of, as text.

    Parameters
    ----------
    recipe
        What is wanted.
    manifest
        The clips that are trained on.
    labels
        What the model tells apart, in the order of its scores.
    folder
        That of the recipe, from which the file of a user's own network counts.
    """
    # What stands at its default is left out, so that a key which is new in the program makes no training a
    # foreign one. Whoever changes a default gives the checkpoints another `FORMAT`.
    decisive = recipe.model_dump(mode="json", include=DECISIVE, exclude_defaults=True)
    if recipe.fit.early_stop is None:  # else it is looked at as often as there are checkpoints
        decisive["fit"] = {key: value for key, value in decisive["fit"].items() if key not in INDIFFERENT}
    said = {"recipe": decisive, "labels": list(labels), "manifest_sha256": manifest.sha256}
    if python_file.is_reference(recipe.network.use):
        said["network_sha256"] = _sha256(recipe.network.use, folder)
    return json.dumps(said, sort_keys=True)


def is_same(before: str, now: str) -> bool:
    """Say whether two identities are of one training; what an older program did not tell is left out."""
    if before == now:
        return True
    try:
        old, new = json.loads(before), json.loads(now)
        return bool(old == {key: new[key] for key in new if key in old or key not in LATER})
    except (ValueError, TypeError):
        return False


def differences(one: str, other: str) -> str:
    """Name what differs between two identities; empty where that cannot be told."""
    try:
        before, now = dict(_leaves(json.loads(one))), dict(_leaves(json.loads(other)))
    except ValueError:
        return ""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    names = [name for name in names if name in before or name not in LATER]
    told = ", ".join(names[:MOST_DIFFERENCES])
    return f"{told} and {len(names) - MOST_DIFFERENCES} more" if len(names) > MOST_DIFFERENCES else told


def _sha256(use: str, folder: Path | None) -> str:
    try:
        return sha256(python_file.parse(use, folder).path.read_bytes()).hexdigest()
    except (PluginError, OSError):
        return ""  # whoever builds the network says what is wrong


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name.removeprefix("recipe."), value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}" if name else str(key))
