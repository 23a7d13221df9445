"""Tuned rules in the card of a bundle, or as text for a configuration."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from listener.classifiers.archive import check_archive
from listener.classifiers.bundle import broken, card_json, write_bundle
from listener.classifiers.onnx import OnnxClassifier
from listener.classifiers.onnx_file import is_onnx, read_model, write_onnx_bundle
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.errors import ModelError
from listener.events import LabelRule
from listener.files import whole_file
from listener.training.attribution import copy_attribution, refer_to_copy
from listener.training.export.forms import load_network
from listener.training.tune.streams import Tuned
from listener.types import ModelCard, Thresholds

_EARLIER = re.compile(r"(^|; )events of \d+ labels tuned by .*$")
"""What an earlier tuning wrote into a card: nothing of it is left."""


def tuned_card(card: ModelCard, tuned: Tuned, command: str) -> ModelCard:
    """Give the card with the new rules, with what they were chosen by, and with their figures."""
    changed = {one.label: thresholds(one.rule) for one in tuned.labels if one.changed}
    shown = tuned.held_out or tuned.after
    name = "held_out" if tuned.held_out is not None else "after"
    figures = {
        "tuned_stream_hours": round(tuned.hours, 4),
        "tuned_limit_per_hour": tuned.limit_per_hour,
        "tuned_event_f1": round(tuned.after.f1, 4),
        "tuned_false_per_hour": round(tuned.after.false_per_hour.value, 4),
        f"tuned_{name}_event_f1": round(shown.f1, 4),
        f"tuned_{name}_false_per_hour": round(shown.false_per_hour.value, 4),
    }
    known = {name: value for name, value in figures.items() if value == value}
    how = (
        f"events of {len(changed)} labels tuned by {command}: {60 * tuned.hours:.1f} min of streams, at most "
        f"{tuned.limit_per_hour:g} false events of a label an hour"
    )
    if not tuned.is_supported:
        how += f" (too little sound to say so: {tuned.hours_needed:.1f} h would)"
    before = _EARLIER.sub("", card.evaluation)
    return replace(
        card,
        thresholds={**card.thresholds, **changed},
        figures={**card.figures, **known},
        evaluation=f"{before}; {how}" if before else how,
    )


def thresholds(rule: LabelRule) -> Thresholds:
    """Give a rule as it stands in a card."""
    return Thresholds(rule.threshold_on, rule.threshold_off, rule.smooth, rule.release_s)


def settings(rules: Mapping[str, LabelRule]) -> str:
    """Give rules as they stand in ``config.yaml``."""
    import yaml

    labels = {
        label: {
            "threshold_on": rule.threshold_on,
            "threshold_off": rule.threshold_off,
            "smooth": rule.smooth,
            "release_s": rule.release_s,
        }
        for label, rule in rules.items()
    }
    text: str = yaml.safe_dump(
        {"events": {"labels": labels}},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=110,
    )
    return text


def refuse_target(bundle: Path, out: Path) -> None:
    """Refuse a name that a copy of a bundle cannot have.

    Raises
    ------
    ModelError
        There is no such folder, or the name is that of another form of model.
    """
    if not out.parent.is_dir():
        raise ModelError(f"--out {out}: there is no folder {out.parent}")
    if is_onnx(bundle) != is_onnx(out):
        raise ModelError(
            f"--out {out}: must end as {bundle.name} does; `listener export` changes the form of a model"
        )


def write_with_card(bundle: Path, out: Path, card: ModelCard) -> None:
    """Write a bundle again, with another card; it is loaded and checked before it takes its place.

    Raises
    ------
    ModelError
        The bundle is none, `refuse_target` does, or the new one cannot be written or is untrue to its card.
    """
    refuse_target(bundle, out)
    card = refer_to_copy(card, bundle, out)
    write, load = (_write_onnx, OnnxClassifier) if is_onnx(bundle) else (_write, TorchScriptClassifier)
    try:
        with whole_file(out) as half_written:
            write(bundle, half_written, card)
            load(half_written, card).close()
    except OSError as error:
        raise ModelError(f"{out}: the bundle cannot be written: {error.strerror}") from error
    copy_attribution(bundle, out)


def _write(bundle: Path, out: Path, card: ModelCard) -> None:
    try:
        check_archive(bundle)
        module = load_network(bundle)
    except Exception as error:  # zipfile and libtorch raise almost anything
        raise broken(bundle, error) from error
    write_bundle(out, module, card)


def _write_onnx(bundle: Path, out: Path, card: ModelCard) -> None:
    write_onnx_bundle(out, read_model(bundle), card_json(card))
