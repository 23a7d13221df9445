"""What a model says of itself: understood whole, or refused with the field and the reason.

A card may come from anywhere. Its figures decide how much memory is taken and how long the
self-check runs, its labels go into logs, environment variables and file names.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from listener.config import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_SMOOTH
from listener.errors import ModelError, printable
from listener.features import PRESETS
from listener.types import FeatureParameters, ModelCard, Reference, Thresholds
from listener.yaml_file import shortened

MOST_WINDOW_S, MOST_WINDOW_SAMPLES = 60.0, 10_000_000
"""The self-check makes a signal of a window's length, sample by sample."""

HOPS_S = (0.01, 60.0)

MOST_FFT, MOST_MELS = 2**15, 1_024
"""The filter bank has a weight for each pair of a bin and a band."""

MOST_VALUES = 2**24
"""Of a spectrogram, of which a stream keeps two: 64 MiB each."""

FLOORS = (1e-30, 1e30)
"""What float32 can tell from nothing."""

LATER_FIELDS = ("bands", "padding", "power", "scale")
"""Of the features; a card that is older than these means their defaults."""

MOST_TOLERANCE = 0.1
"""Scores that differ by more come from another model, and a check that lets them pass is none."""

LONGEST_PROBLEM = 500
_LONGEST_NAME = 200
_CARD = TypeAdapter(ModelCard)


def parse_card(raw: Any, where: Path) -> ModelCard:
    """Make a card of what stands in a file.

    Parameters
    ----------
    raw
        What JSON or YAML makes of it.
    where
        The file, for messages.

    Raises
    ------
    ModelError
        A field is unknown, missing, of the wrong type or impossible.
    """
    try:
        card = _card(raw)
        if problem := _contradiction(card) or _illegible(raw):
            raise _Refused(f"card field {problem}")
    except _Refused as error:
        raise ModelError(f"{printable(where)}: {shortened(printable(error), LONGEST_PROBLEM)}") from error
    return card


class _Refused(Exception):  # noqa: N818 - never seen outside
    """Why there is no card."""


def _card(raw: Any) -> ModelCard:
    if not isinstance(raw, Mapping):
        raise _Refused("the card is not a table of fields")
    _refuse_unknown(raw, ModelCard.__dataclass_fields__, "the card")
    fields = _with_preset(dict(raw))
    _refuse_unknown(fields.get("reference"), Reference.__dataclass_fields__, "card field 'reference'")
    for label, thresholds in _items(fields.get("thresholds")):
        _refuse_unknown(thresholds, Thresholds.__dataclass_fields__, f"card field 'thresholds.{label}'")
    try:
        return _CARD.validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _Refused(f"card field '{field}': {first['msg']}") from error


def _with_preset(fields: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a card leaves to the preset that it names."""
    given = fields.get("features")
    given = {"preset": given} if isinstance(given, str) else given
    if not isinstance(given, Mapping):
        return fields
    _refuse_unknown(given, FeatureParameters.__dataclass_fields__, "card field 'features'")
    name = given.get("preset", "tutorial")
    if not isinstance(name, str):
        raise _Refused("card field 'features.preset' must be a name")
    if name in PRESETS:
        return fields | {"features": asdict(PRESETS[name]) | dict(given)}
    needed = [key for key in FeatureParameters.__dataclass_fields__ if key not in LATER_FIELDS]
    if missing := [key for key in needed if key not in given]:
        hint = _hint(name, PRESETS) or f"; there are {', '.join(PRESETS)}"
        told = name[:_LONGEST_NAME]
        raise _Refused(f"card field 'features': no preset '{told}', and no '{missing[0]}'{hint}")
    return fields | {"features": dict(given)}


def _refuse_unknown(given: Any, known: Iterable[str], what: str) -> None:
    """Refuse fields that a table of this kind does not have."""
    for key, _ in _items(given):
        if key not in known:
            raise _Refused(
                f"{what} has an unknown field '{str(key)[:_LONGEST_NAME]}'{_hint(str(key), known)}"
            )


def _items(given: Any) -> Iterable[tuple[Any, Any]]:
    return given.items() if isinstance(given, Mapping) else ()


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


def _contradiction(card: ModelCard) -> str | None:
    """Find what cannot be, or cannot be together."""
    found = (check(card) for check in (_labels, _lengths, _features, _reference, _thresholds))
    return next((problem for problem in found if problem), None)


def _labels(card: ModelCard) -> str | None:
    if not card.labels or len(set(card.labels)) != len(card.labels) or not all(map(str.strip, card.labels)):
        return "labels: there must be some, each one once, and none empty"
    texts = [("name", card.name), ("version", card.version), *(("labels", label) for label in card.labels)]
    for what, text in texts:
        if not text.isprintable() or len(text) > _LONGEST_NAME:
            return f"{what}: '{text[:_LONGEST_NAME]}' is too long, or no line that can be printed"
    if taken := [label for label in card.labels if label.startswith("@")]:
        return f"labels: '{taken[0]}' begins with @, as only what listener says of itself does"
    return None


def _lengths(card: ModelCard) -> str | None:
    if not all(0 < length < math.inf for length in (card.sample_rate, card.window_s, card.hop_s)):
        return "sample_rate, window_s and hop_s must be above 0"
    if not LOWEST_RATE_HZ <= card.sample_rate <= HIGHEST_RATE_HZ:
        return f"sample_rate must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
    if card.window_s > MOST_WINDOW_S or card.window_s * card.sample_rate > MOST_WINDOW_SAMPLES:
        return f"window_s must be {MOST_WINDOW_S:g} s at most, and {MOST_WINDOW_SAMPLES} samples"
    if not HOPS_S[0] <= card.hop_s <= HOPS_S[1]:
        return f"hop_s must be {HOPS_S[0]:g} to {HOPS_S[1]:g} s"
    if card.window_s * card.sample_rate < 1:
        return f"window_s: {card.window_s:g} s hold no sample at {card.sample_rate} Hz"
    return None


def _features(card: ModelCard) -> str | None:
    features = card.features
    if (card.input == "log_mel") != (features is not None):
        return (
            "features: a log_mel model must name a preset, such as `features: {preset: tutorial}`, no other"
        )
    if features is None:
        return None
    if features.sample_rate != card.sample_rate:
        return f"features.sample_rate is {features.sample_rate}, but sample_rate is {card.sample_rate}"
    if problem := _counts(features) or _padding(features) or _ranges(features):
        return problem
    # A frame's worth of leeway: some count a window as n_frames * hop_length.
    window_s = features.window_samples / card.sample_rate
    if abs(window_s - card.window_s) > features.n_fft / card.sample_rate:
        return f"window_s is {card.window_s:g}, but its features make windows of {window_s:.3f} s"
    return _size(features)


def feature_problem(features: FeatureParameters) -> str | None:
    """Find what cannot be in a front end that no card holds yet, such as that of a recipe."""
    checks = (_counts, _padding, _ranges, _size)
    return next((problem for check in checks if (problem := check(features))), None)


def _counts(features: FeatureParameters) -> str | None:
    counts = (features.hop_length, features.n_mels, features.n_frames)
    if min(counts) < 1 or features.n_fft < max(2, features.hop_length):
        return (
            "features: hop_length, n_mels and n_frames must be 1 or more, and n_fft no less than hop_length"
        )
    if features.n_fft > MOST_FFT or (features.bands == "mel" and features.n_mels > MOST_MELS):
        return f"features: n_fft may be {MOST_FFT} and n_mels {MOST_MELS} at most"
    n_bins = 1 + features.n_fft // 2
    if features.bands == "linear" and features.n_mels != n_bins:
        return f"features.n_mels must be 1 + n_fft // 2 = {n_bins} where bands are linear"
    return None


def _padding(features: FeatureParameters) -> str | None:
    shortest = 1 + (features.padding_samples if features.padding == "reflect" else 0)
    if features.window_samples < shortest:
        return (
            f"features.n_frames: {features.n_frames} frames make a window of {features.window_samples} "
            f"samples, too short for padding '{features.padding}'"
        )
    return None


def _ranges(features: FeatureParameters) -> str | None:
    highest_hz = features.sample_rate / 2
    if not (features.f_min_hz >= 0 and features.f_min_hz + 1 <= features.f_max_hz <= highest_hz):
        return f"features: must be 0 <= f_min_hz < f_max_hz <= {highest_hz:g}, and 1 Hz apart"
    if not FLOORS[0] <= features.floor <= FLOORS[1]:
        return f"features.floor must be above 0, {FLOORS[0]:g} to {FLOORS[1]:g}"
    return None


def _size(features: FeatureParameters) -> str | None:
    if features.n_mels * features.n_frames > MOST_VALUES:
        return f"features: n_mels * n_frames may be {MOST_VALUES} at most"
    return None


def _reference(card: ModelCard) -> str | None:
    reference = card.reference
    if reference is None:
        return None
    if len(reference.scores) != len(card.labels):
        return f"reference has {len(reference.scores)} scores for {len(card.labels)} labels"
    if not all(0 <= score <= 1 for score in reference.scores):
        return "reference.scores must be numbers from 0 to 1"
    if not 0 <= reference.tolerance <= MOST_TOLERANCE:
        return f"reference.tolerance must be 0 to {MOST_TOLERANCE:g}"
    return None


def _thresholds(card: ModelCard) -> str | None:
    known = set(card.labels)
    if unknown := [label for label in card.thresholds if label not in known]:
        return f"thresholds: '{unknown[0][:_LONGEST_NAME]}' is none of its labels"
    if wrong := [label for label, t in card.thresholds.items() if not 0 < t.off <= t.on <= 1]:
        return f"thresholds: '{wrong[0]}' needs 0 < off <= on <= 1"
    if wrong := [
        label
        for label, t in card.thresholds.items()
        if t.smooth is not None and not 1 <= t.smooth <= MOST_SMOOTH
    ]:
        return f"thresholds: '{wrong[0]}' needs smooth from 1 to {MOST_SMOOTH}"
    if wrong := [label for label, t in card.thresholds.items() if not 0 <= (t.release_s or 0) < math.inf]:
        return f"thresholds: '{wrong[0]}' needs release_s of 0 or more"
    return None


def _illegible(raw: Any) -> str | None:
    """Find text that would do something else than be read: move a cursor, or break the program's output."""
    for field, value in _items(raw):
        for text in _texts(value):
            if not text.replace("\n", "").replace("\t", "").isprintable():
                return f"'{field}' holds characters that cannot be printed"
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for key, item in _items(value):
        yield from _texts(key)
        yield from _texts(item)
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
