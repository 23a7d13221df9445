"""Recordings: what can be heard is given, then they end, or it is said why they do not."""

from pathlib import Path
from random import Random

import numpy as np

from listener.errors import SourceError
from listener.events import LabelRule
from listener.offline import finished_events, predict_whole
from listener.sources.base import EndOfSource
from listener.sources.file import FileOptions, FileSource
from listener.testing import ScriptedClassifier
from tests.fuzz.headers import spoilt_header, templates
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Input, Target, assert_told_well

SHARES = {"WAV": 0.35, "FLAC": 0.3, "OGG": 0.08, "MP3": 0.06, "AIFF": 0.05}
"""How often each format is taken; the others share what is left."""

MOST_SAMPLES = 40_000_000
"""More than any of these few bytes may become."""


class Recordings(Target):
    """Files of sound: WAV and FLAC before all, and everything else that libsndfile reads."""

    memory_mib = 384

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._templates = templates()
        self._classifier = ScriptedClassifier(window_s=0.2, hop_s=0.1)

    def make(self, random: Random) -> Input:
        """Spoil a header, damage the bytes, or both."""
        others = [form for form in self._templates if form not in SHARES]
        weights = [*SHARES.values(), *[(1 - sum(SHARES.values())) / len(others)] * len(others)]
        form = random.choices([*SHARES, *others], weights)[0]
        data = random.choice(self._templates[form])
        choice = random.random()
        if choice < 0.75:
            data = spoilt_header(random, form, data)
        if choice > 0.55:
            data = damaged(random, data)
        if choice > 0.99:  # one after the other, as `cat` makes them
            data += random.choice(self._templates[random.choice(list(self._templates))])
        suffix = random.choice((form.lower(), form.lower(), form.lower(), "wav", "flac", "mp3", "raw", "txt"))
        how = random.choice(("source", "source", "source", "folder", "predict", "analyze"))
        return Input({f"recording.{suffix}": data}, {"how": how})

    def feed(self, made: Input) -> bool:
        """Hear a recording in one of the ways in which the program hears recordings."""
        self.write(made)
        (name,) = made.files
        try:
            match made.settings["how"]:
                case "source":
                    self._hear(self._source(name), most=1.0)
                case "folder":  # brought to the model's rate by a filter, which overshoots
                    self._hear(self._source(""), most=5.0)
                case "predict":
                    scores, duration_s = predict_whole(self._source(name), self._classifier)
                    assert scores.shape == (1,)
                    assert 0 <= duration_s < MOST_SAMPLES
                case _:
                    finished_events(self._source(name), self._classifier, [LabelRule(0.5, 0.4)], 0.1)
        except SourceError as error:
            assert_told_well(error)
            return False
        finally:
            (self.folder / name).unlink()
        return True

    def _source(self, name: str) -> FileSource:
        return FileSource(name, FileOptions(path=self.folder / name, speed="max"))

    def _hear(self, source: FileSource, most: float) -> None:
        position = 0
        try:
            rate = source.open()
            assert rate > 0
            while True:
                chunk = source.read(0.0)
                assert chunk is not None
                assert chunk.first_sample == position
                assert chunk.sample_rate == rate
                assert len(chunk.samples)
                assert chunk.samples.dtype == np.float32
                assert np.abs(chunk.samples).max() <= most  # nor is any of them no number
                position = chunk.end_sample
                assert position <= MOST_SAMPLES, "it does not end"
        except EndOfSource:
            pass
        finally:
            source.close()
