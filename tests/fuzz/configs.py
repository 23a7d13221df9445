"""Configurations: whatever is written there, it is understood or refused in words."""

import os
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from listener import plugins
from listener.assembly import build_actions, build_rules, build_sources, find_model, idle_settings
from listener.classifiers.bundle import card_json, read_card
from listener.config_file import ConfigFile, read_config
from listener.errors import ConfigError, ListenerError
from listener.logs import redaction
from listener.resources import default_config
from listener.sources.file import FileSource
from listener.testing import tiny_card
from tests.fuzz.mutate import damaged
from tests.fuzz.schema import as_yaml, configuration
from tests.fuzz.spoilt_yaml import bomb, spoil, spoilt_text
from tests.fuzz.target import Input, Target, assert_line, assert_told_well

NAME = "config.yaml"
SECRET = "tr0ub4dor-correct-horse"
"""What no message may tell."""


class Configs(Target):
    """The configuration file, and the parts that are made from it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ["LISTENER_FUZZ_SECRET"] = SECRET
        os.environ["LISTENER_FUZZ_ODD"] = os.fsdecode(b"caf\xe9\n\x1b[0m")
        (folder / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
        (folder / "empty.txt").touch()
        (folder / "latin.txt").write_bytes(b"caf\xe9")
        os.mkfifo(folder / "pipe")
        with zipfile.ZipFile(folder / "tiny.pt", "w") as archive:
            archive.writestr("tiny/extra/card.json", card_json(tiny_card()))
        os.chdir(folder)
        self._card = tiny_card()
        # What is installed does not change meanwhile; to look it up again takes longer than all the rest.
        plugins._points = cache(plugins._points)

    def make(self, random: Random) -> Input:
        """Take a configuration that fits the schema, and spoil its structure or its text."""
        choice = random.random()
        if choice < 0.004:
            text = default_config().read_bytes()
            return Input({NAME: damaged(random, text)})
        if choice < 0.012:
            return Input({NAME: bomb(random).encode()})
        tree = configuration(random)
        for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5))):
            spoil(random, tree)
        text = as_yaml(tree, random).encode("utf-8", "surrogatepass")
        return Input({NAME: spoilt_text(random, text) if random.random() < 0.25 else text})

    def feed(self, made: Input) -> bool:
        """Read the configuration and make its parts; nothing is opened but recordings that are not there."""
        self.write(made)
        # What all configurations together hide would take ever longer to look for.
        vars(redaction._redactor).update(vars(redaction.Redactor()))
        try:
            file = read_config(self.folder / NAME)
        except ListenerError as error:
            assert_told_well(error, SECRET)
            return False
        for warning in idle_settings(file):
            assert_line(warning)
        for attempt in (self._make_sources, self._make_rules, self._make_actions, self._find_model):
            self._attempt(attempt, file)
        return True

    def _attempt(self, attempt: Callable[[ConfigFile], None], file: ConfigFile) -> None:
        try:
            attempt(file)
        except ListenerError as error:
            # The name of a file is told, whatever it was made of.
            assert_told_well(error, SECRET if isinstance(error, ConfigError) else "")

    def _make_sources(self, file: ConfigFile) -> None:
        for source in build_sources(file):
            if isinstance(source, FileSource):
                source.open()

    def _make_rules(self, file: ConfigFile) -> None:
        assert len(build_rules(file, self._card)) == len(self._card.labels)

    def _make_actions(self, file: ConfigFile) -> None:
        build_actions(file, self._card)

    def _find_model(self, file: ConfigFile) -> None:
        path = find_model(file.config.model, file)
        if path.name != "household.pt":
            read_card(path, file.config.model.card)
