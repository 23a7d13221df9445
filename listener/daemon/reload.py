"""A new configuration for an engine that runs.

All of it is read and checked before anything is changed; a bad one is told, and the one before
goes on. This is done in a thread of its own, as to load a model takes a while.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from listener.actions.base import Action
from listener.actions.runner.lane import try_action
from listener.assembly import build_actions, build_rules, build_sources, idle_settings
from listener.config_file import ConfigFile
from listener.daemon.difference import Difference, difference, stamps_of
from listener.daemon.engine import Engine
from listener.daemon.notify import Notifier
from listener.daemon.setup import Setup, load
from listener.errors import BrokenPluginError, ConfigError, ListenerError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

HANGS_S = 120.0
"""A reload that takes longer than this is given up."""


class Reloader:
    """Reads the configuration again when it is asked to.

    Parameters
    ----------
    engine
        What is changed.
    read
        Reads the configuration, with what the command line says over it; None: there is no file to read.
    notifier
        Is told of each reload.
    """

    def __init__(self, engine: Engine, read: Callable[[], ConfigFile] | None, notifier: Notifier) -> None:
        self.problem = ""
        """Why the configuration in force is not that of the file; empty where it is."""
        self._engine = engine
        self._read = read
        self._notifier = notifier
        self._reload: _Reload | None = None

    @property
    def is_busy(self) -> bool:
        """A reload is under way; the next one has to wait."""
        return self._reload is not None

    def begin(self) -> None:
        """Begin to reload."""
        self._notifier.reloading()
        if self._read is None:
            log.warning("there is nothing to reload: the program runs without a configuration file")
            self._notifier.ready()
            return
        self._reload = _Reload(self._engine, self._read)
        self._reload.start()

    def look(self) -> None:
        """See how the reload goes that is under way, if there is one."""
        reload = self._reload
        if reload is None:
            return
        if reload.is_alive():
            if time.monotonic() - reload.began_at < HANGS_S:
                return
            reload.abandon()
            self.problem = f"it takes longer than {HANGS_S:.0f} s"
            log.error("the new configuration is given up: %s", self.problem)
        else:
            self.problem = reload.problem
        self._reload = None
        self._notifier.ready()


class _Reload(threading.Thread):
    """One reload."""

    def __init__(self, engine: Engine, read: Callable[[], ConfigFile]) -> None:
        # To load a model may hang on a disk that is gone: that must not keep the process from ending.
        super().__init__(name="reload", daemon=True)
        self.began_at = time.monotonic()
        self.problem = ""
        self._engine = engine
        self._read = read
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """Change nothing any more."""
        self._abandoned.set()

    def run(self) -> None:
        """Read, check, and change what is to be changed."""
        try:
            self._do()
        except ListenerError as error:
            self._refuse(str(error).splitlines())
        except Exception as error:
            log.exception("the new configuration is not taken, by a defect of the program")
            self._refuse([f"{type(error).__name__}: {error}"])

    def _refuse(self, problems: list[str]) -> None:
        for problem in problems:
            log.error("%s", problem)
        log.error("the new configuration is not taken; the one before goes on")
        first, *more = problems
        self.problem = f"{first} (and {len(more)} more)" if more else first

    def _do(self) -> None:
        file, before = self._read(), self._engine.setup
        what = difference(before.file, before.stamps, file)
        for warning in idle_settings(file):
            log.warning("%s", warning)
        if not what:
            log.info("the configuration has not changed: nothing to do")
            return
        log.info("the configuration has changed: %s", what)
        setup = _checked(file, self._engine, what)
        try:
            taken = not self._abandoned.is_set() and self._take(setup, what)
        except BaseException:
            _drop(setup, before)
            raise
        if taken:
            log.info("the new configuration is in force, with %s", setup.classifier.card.identity)
        else:
            _drop(setup, before)

    def _take(self, setup: Setup, what: Difference) -> bool:
        engine = self._engine
        if not what.sources and setup.classifier.card.sample_rate == engine.sample_rate:
            return engine.change(setup, what)
        why = "the sources" if what.sources else "the model's sample rate"
        log.warning("%s cannot be changed while listening: for a moment nothing is heard", why)
        return engine.rebuild(setup)


def _drop(setup: Setup, before: Setup) -> None:
    if setup.classifier is not before.classifier:
        setup.classifier.close()


def _checked(file: ConfigFile, engine: Engine, what: Difference) -> Setup:
    """Load a configuration's model, where it is another one, and see that all parts can work.

    Raises
    ------
    ConfigError
        Some cannot; every problem is named at once.
    """
    problems: list[str] = []
    before = engine.setup

    def attempt(work: Callable[[], Result]) -> Result | None:
        try:
            return work()
        except ListenerError as error:
            problems.extend(str(error).splitlines())
            return None

    setup = attempt(lambda: load(file) if what.model else _with_model_of(before, file))
    if setup is not None:
        card = setup.classifier.card
        attempt(lambda: build_rules(file, card))
        # One that was broken at the start does not stand in the way of other changes.
        leave_out = None if what.actions else log.warning
        for action, settings in attempt(lambda: build_actions(file, card, leave_out)) or []:
            # What an action holds that goes on cannot always be opened twice.
            if engine.action_in_force(action, settings) is None:
                attempt(lambda action=action: _try_out(action, leave_out))  # type: ignore[misc]
    _check_sources(file, before.file, attempt)
    if problems:
        if setup is not None:
            _drop(setup, before)
        raise ConfigError(*dict.fromkeys(problems))
    assert setup is not None  # or there is a problem
    return setup


def _try_out(action: Action, leave_out: Callable[[str], None] | None) -> None:
    """See whether an action can be opened.

    Raises
    ------
    ActionError
        It cannot work as configured.
    BrokenPluginError
        Its own code fails, and there is no ``leave_out`` to be told of it.
    """
    try:
        try_action(action)
    except BrokenPluginError as error:
        if leave_out is None:
            raise
        leave_out(str(error))


def _with_model_of(before: Setup, file: ConfigFile) -> Setup:
    return Setup(file, before.classifier, replace(stamps_of(file), model=before.stamps.model))


def _check_sources(
    file: ConfigFile, before: ConfigFile, attempt: Callable[[Callable[[], object]], object]
) -> None:
    """See that sources can be made, and recordings opened; a microphone may be away."""
    sources = []
    attempt(lambda: sources.extend(build_sources(file)))
    for source, settings in zip(sources, file.config.sources, strict=False):
        if not source.live and settings not in before.config.sources:
            attempt(source.open)
            source.close()
