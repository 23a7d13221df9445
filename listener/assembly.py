"""From a configuration to the parts that it names: model, rules, sources, actions."""

import gc
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from listener import plugins
from listener.actions.base import Action
from listener.actions.function import function_action
from listener.actions.when.trigger import label_matches
from listener.classifiers.base import Classifier
from listener.classifiers.bundle import read_card
from listener.classifiers.onnx_file import is_onnx
from listener.config import (
    ActionSettings,
    EventSettings,
    LabelEventSettings,
    ModelSettings,
    Options,
    PluginSettings,
)
from listener.config_file import ConfigFile, validate
from listener.errors import BrokenPluginError, ConfigError, ListenerError, PluginError, one_line
from listener.events import LabelRule
from listener.files import is_file
from listener.resources import bundled_models
from listener.sources.base import Source
from listener.types import STATUS, STATUS_LABELS, ModelCard, Thresholds
from listener.yaml_file import Location

MakeClassifier = Callable[[Path, ModelCard, str, int], Classifier]
"""What a classifier plug-in is: called with the model file, its card, the precision and the threads."""

AUTO = "auto"
"""Stands behind ``model.use`` where the model file decides."""

UNTUNED = Thresholds(on=0.5, off=0.35)
"""Thresholds of a label for which neither the configuration nor the card has any."""


def find_model(settings: ModelSettings, file: ConfigFile) -> Path:
    """Find the model file: in the working folder, beside the configuration, among the shipped ones."""
    path = settings.path
    candidates = [path]
    if not path.is_absolute():
        if file.path is not None:
            candidates.append(file.path.parent / path)
        if path.parts[:1] == ("models",):
            candidates.append(bundled_models() / Path(*path.parts[1:]))
    return next((candidate for candidate in candidates if is_file(candidate)), path)


def idle_settings(file: ConfigFile) -> Iterator[str]:
    """Name the settings that are understood and do nothing."""
    if file.config.store.url is not None:
        yield file.problem(("store", "url"), "this version keeps no events; use a log or command action")
    names = [source.name or source.use for source in file.config.sources]
    for index, action in enumerate(file.config.actions):
        for n, pattern in enumerate(action.sources):
            if not any(fnmatchcase(name, pattern) for name in names):
                place = ("actions", index, "sources", n)
                yield file.problem(place, f"no source is called '{pattern}': there are {', '.join(names)}")


def build_classifier(file: ConfigFile) -> Classifier:
    """Load the model; takes a second or two.

    Raises
    ------
    ConfigError
        There is no classifier of that name.
    ModelError
        It cannot be loaded, or is untrue to its card.
    """
    settings = file.config.model
    path = find_model(settings, file)
    card_path = settings.card
    if card_path is not None and file.path is not None and not is_file(card_path):
        card_path = file.path.parent / card_path
    card = read_card(path, card_path)
    try:
        with _made_to_last():
            loaded = plugins.load("classifiers", classifier_for(settings, path), plugin_folder(file))
            make: MakeClassifier = usable("classifiers", loaded)
    except PluginError as error:
        raise ConfigError(file.problem(("model", "use"), str(error))) from error
    try:
        classifier = make(path, card, settings.precision, settings.threads)
    except ListenerError:
        raise
    except Exception as error:  # a stranger's constructor may raise anything
        raise ConfigError(file.problem(("model", "use"), _not_set_up(error))) from error
    if not isinstance(classifier, Classifier):
        message = f"'{settings.use}' makes no classifier, but {type(classifier).__name__}"
        raise ConfigError(file.problem(("model", "use"), message))
    return classifier


def classifier_for(settings: ModelSettings, path: Path) -> str:
    """Name of the classifier that runs a model file: the configured one, or that of the file's kind."""
    if settings.use != AUTO:
        return settings.use
    return "onnx" if is_onnx(path) else "torchscript"


@contextmanager
def _made_to_last() -> Iterator[None]:
    """Keep the garbage collector away from what is made within, now and for ever.

    Importing torch makes some 300,000 objects. To look through them costs a tenth of the import,
    a quarter of a second at exit, and every now and then a pause while listening.

    Done once: what a later reload would freeze, the engine before it included, would never be freed.
    """
    if gc.get_freeze_count():
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def build_rules(file: ConfigFile, card: ModelCard) -> list[LabelRule | None]:
    """Give the event logic's rule of each label, None where a label makes no events.

    Raises
    ------
    ConfigError
        The configuration names labels that the model does not have, or thresholds in the wrong order.
    """
    events = file.config.events
    named: list[tuple[Location, str]] = [(("events", "labels", label), label) for label in events.labels]
    named += [(("events", "only", index), label) for index, label in enumerate(events.only)]
    problems = [
        _unknown_label(file, card, place, label) for place, label in named if label not in card.labels
    ]
    rules: list[LabelRule | None] = []
    inverted: dict[Location, str] = {}
    for label in card.labels:
        rule = _rule(events.default, events.labels.get(label), card.thresholds.get(label, UNTUNED))
        if rule.threshold_off > rule.threshold_on:
            place: Location = ("events", "labels", label) if label in events.labels else ("events", "default")
            message = (
                f"threshold_off ({rule.threshold_off:g}) of '{label}' is above "
                f"its threshold_on ({rule.threshold_on:g})"
            )
            inverted.setdefault(place, message)  # what is wrong for all labels is told once
        rules.append(rule if not events.only or label in events.only else None)
    problems += [file.problem(place, message) for place, message in inverted.items()]
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return rules


def build_sources(file: ConfigFile) -> list[Source]:
    """Make the sources; none is opened.

    Raises
    ------
    ConfigError
        One of them is configured wrongly.
    PluginError
        There is no source of that kind.
    """
    sources: list[Source] = []
    problems: list[str] = []
    for index, settings in enumerate(file.config.sources):
        try:
            source: Source = _make("sources", settings, file, ("sources", index))
            source.health = settings.health
            sources.append(source)
        except (ConfigError, BrokenPluginError) as error:
            problems.extend(str(error).splitlines())
    problems.extend(_doubles(file, "sources", file.config.sources))
    if not file.config.sources:
        problems.append(file.problem(("sources",), "there is none; name one, such as {use: microphone}"))
    if problems:
        raise ConfigError(*problems)
    return sources


def build_actions(
    file: ConfigFile, card: ModelCard, leave_out: Callable[[str], None] | None = None
) -> list[tuple[Action, ActionSettings]]:
    """Make the actions; none is opened.

    Parameters
    ----------
    file
        The configuration.
    card
        Of the model.
    leave_out
        Called with a line about each action whose plug-in is broken, which is left out then; None: that is
        a problem like any other.

    Raises
    ------
    ConfigError
        One of them is configured wrongly, or names a label that the model does not have.
    """
    actions: list[tuple[Action, ActionSettings]] = []
    problems: list[str] = []
    for index, settings in enumerate(file.config.actions):
        place = ("actions", index)
        problems += [
            _unknown_label(file, card, (*place, *within), pattern)
            for within, pattern in _named_labels(settings)
            if not any(label_matches(label, pattern) for label in (*card.labels, *STATUS_LABELS))
        ]
        home = settings.place or file.config.place
        settings = settings.model_copy(update={"place": home})
        if not home.is_known and any(part.needs_place for part in settings.schedule):
            message = "follows the sun: say where, as in place: {latitude: 52.5, longitude: 13.4}"
            problems.append(file.problem((*place, "schedule"), message))
        try:
            action: Action = _make("actions", settings, file, place)
            actions.append((action, _adapted(action, settings, file, place)))
        except BrokenPluginError as error:
            (leave_out or problems.append)(str(error))
        except ConfigError as error:
            problems.extend(error.problems)
    problems.extend(_doubles(file, "actions", file.config.actions))
    if problems:
        raise ConfigError(*problems)
    return actions


def plugin_folder(file: ConfigFile) -> Path | None:
    """Give the folder from which ``use: python:FILE:NAME`` counts: that of the configuration."""
    return None if file.path is None else file.path.parent


def usable(kind: plugins.Kind, plugin: Any) -> Any:
    """Give a plug-in in the form in which it is called; a function becomes an action.

    Raises
    ------
    BrokenPluginError
        What was imported is no plug-in of its kind.
    """
    told = getattr(plugin, "__name__", type(plugin).__name__)
    if kind == "classifiers":
        if not callable(plugin):
            raise BrokenPluginError(f"'{told}' is no classifier: it must be a class, or a function")
        return plugin
    if kind == "actions" and inspect.isroutine(plugin):
        return function_action(plugin)
    base = Action if kind == "actions" else Source
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        or_function = "a function on_event(event), or " if kind == "actions" else ""
        whole = f"{base.__module__}.{base.__name__}"
        raise BrokenPluginError(f"'{told}' must be {or_function}a class that derives from {whole}")
    if inspect.isabstract(plugin):
        missing = ", ".join(sorted(plugin.__abstractmethods__))
        raise BrokenPluginError(f"'{told}' cannot be used: it has no {missing}")
    if not (isinstance(plugin.Options, type) and issubclass(plugin.Options, Options)):
        raise BrokenPluginError(
            f"'{told}' cannot be used: its Options must derive from listener.config.Options"
        )
    return plugin


def _make(kind: plugins.Kind, settings: PluginSettings, file: ConfigFile, place: Location) -> Any:
    """Make one plug-in out of its part of the configuration."""
    try:
        plugin = usable(kind, plugins.load(kind, settings.use, plugin_folder(file)))
    except BrokenPluginError as error:
        raise BrokenPluginError(file.problem((*place, "use"), str(error))) from error
    except ListenerError as error:
        raise ConfigError(file.problem((*place, "use"), str(error))) from error
    try:
        options = validate(
            plugin.Options, settings.model_extra, file.path, file.lines, place, type(settings), file.secrets
        )
        return _made(plugin, settings.name or settings.use, options, file, place)
    except ListenerError:
        raise
    except Exception as error:  # a stranger's validator or constructor may raise anything
        raise BrokenPluginError(file.problem(place, _not_set_up(error))) from error


def _made(
    plugin: Callable[[str, Options], Any], name: str, options: Options, file: ConfigFile, place: Location
) -> Any:
    try:
        return plugin(name, options)
    except ListenerError as error:
        raise ConfigError(file.problem(place, str(error))) from error


def _adapted(action: Action, settings: ActionSettings, file: ConfigFile, place: Location) -> ActionSettings:
    try:
        return action.adapt(settings)
    except ListenerError as error:
        raise ConfigError(file.problem(place, str(error))) from error
    except Exception as error:
        raise BrokenPluginError(file.problem(place, _not_set_up(error))) from error


def _not_set_up(error: Exception) -> str:
    return f"cannot be set up: {type(error).__name__}: {one_line(error)}"


def _rule(default: EventSettings, own: LabelEventSettings | None, card: Thresholds) -> LabelRule:
    merged = default.model_dump() | ({} if own is None else own.model_dump(exclude_none=True))
    on, off = merged.pop("threshold_on"), merged.pop("threshold_off")
    on = card.on if on == "auto" else on
    # A threshold_on of one's own keeps the card's distance to threshold_off.
    off = min(on, card.off * (on / card.on)) if off == "auto" else off
    of_card = {"smooth": card.smooth, "release_s": card.release_s}
    known = {name: of_card[name] if value == "auto" else value for name, value in merged.items()}
    # What the card leaves open as well is as the event logic has it.
    rest: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    return LabelRule(threshold_on=on, threshold_off=off, **rest)


def _named_labels(settings: ActionSettings) -> Iterator[tuple[Location, str]]:
    """Give the labels that an action's settings name, and where they stand."""
    for n, pattern in enumerate(settings.labels):
        yield ("labels", n), pattern
    for n, condition in enumerate(settings.unless):
        yield ("unless", n, "label"), condition.label
    for n, condition in enumerate(settings.after):
        yield ("after", n, "label"), condition.label


def _unknown_label(file: ConfigFile, card: ModelCard, place: Location, label: str) -> str:
    if label.startswith(STATUS) and place[0] == "events":
        return file.problem(
            place, f"'{label}' is no sound: when a source is in trouble stands in its health:"
        )
    known = STATUS_LABELS if label.startswith(STATUS) else card.labels
    near = get_close_matches(label, known, n=1)
    others = (
        f"there are {', '.join(STATUS_LABELS)}"
        if known is STATUS_LABELS
        else "`listener models show` lists its labels"
    )
    hint = f"did you mean '{near[0]}'?" if near else others
    if known is STATUS_LABELS:
        return file.problem(place, f"no trouble is called '{label}': {hint}")
    return file.problem(place, f"the model {card.identity} has no label '{label}': {hint}")


def _doubles(file: ConfigFile, kind: str, settings: Sequence[PluginSettings]) -> Iterator[str]:
    names = [one.name or one.use for one in settings]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"two of the {kind} are called '{name}'; give each a name of its own (name:)"
            yield file.problem((kind, index), message)
