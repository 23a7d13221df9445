"""What is done for an event: fetch its sound, write it and what belongs to it, make it known."""

import errno
import logging
import threading
import time
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from listener.actions.base import Action, ActionContext, Program, Recording
from listener.actions.clip.files import Entry, Unfinished, prepare
from listener.actions.clip.naming import free_name, stem_of
from listener.actions.clip.options import ClipOptions
from listener.actions.clip.sidecar import sidecar_json
from listener.actions.clip.sound import file_rate, sound_file
from listener.config import ActionSettings
from listener.errors import ActionError
from listener.event_format import printable
from listener.types import Event, Phase

if TYPE_CHECKING:
    from listener.actions.clip.picture import Caption
    from listener.actions.clip.retention import Retention

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, and one on which the user may not use more."""


class ClipPauseError(ActionError):
    """There is no room for a clip; that was said already, when it began."""

    is_told = True


class ClipAction(Action):
    """Writes clips."""

    Options = ClipOptions
    options: ClipOptions
    wants_audio = True
    writes_clip = True

    def __init__(self, name: str, options: ClipOptions) -> None:
        super().__init__(name, options)
        self.before_s = options.before_s
        self.after_s = options.after_s
        self._folder = options.directory.expanduser().absolute()
        self._suffix = f".{options.format}"
        self._retention: Retention | None = None
        self._missed = 0
        self._counting = threading.Lock()
        self._is_at_work = False
        self._is_prepared = False

    def adapt(self, settings: ActionSettings) -> ActionSettings:
        """Take the settings as they are.

        Raises
        ------
        ActionError
            They ask for clips of updates.
        """
        if Phase.UPDATE in settings.phases:
            raise ActionError(
                "when: a clip is of the sound around the onset or the offset, which is gone when an update "
                "comes: write onset, offset or both"
            )
        return settings

    def join(self, program: Program) -> None:
        """Get to know that the program runs, and does not only look at its configuration."""
        self._is_at_work = True

    def open(self) -> None:
        """Make the folder and see that files can be written there.

        Nothing is deleted yet: that begins with the first clip, or when the program runs (`join`).

        Raises
        ------
        ActionError
            They cannot.
        """
        try:
            self._prepare()
        except OSError as error:
            if error.errno not in FULL:  # which may pass
                message = f"directory: nothing can be written to '{self._folder}': {error.strerror}"
                raise ActionError(message) from error
        self._load()
        if self.options.has_retention:
            from listener.actions.clip.retention import Retention

            self._retention = Retention(self.name, self._folder, self.options)
            if self._is_at_work:
                self._retention.start()

    def run(self, event: Event, context: ActionContext) -> None:
        """Wait until ``after_s`` has been heard, write the clip and make it known.

        Raises
        ------
        ActionError
            There is no sound, or it cannot be written.
        """
        end_s = event.onset_s if event.offset_s is None else event.offset_s
        recording = context.fetch_audio(max(0.0, event.onset_s - self.before_s), end_s + self.after_s)
        try:
            path = self._write(event, recording)
        except OSError as error:
            if error.errno in FULL:
                raise self._pause() from error
            raise ActionError(f"no clip can be written to '{self._folder}': {error.strerror}") from error
        self._go_on()
        context.publish_clip(path)

    def close(self) -> None:
        """End the look after old clips."""
        if self._retention is not None:
            self._retention.close()

    def _prepare(self) -> None:
        if not self._is_prepared:
            prepare(self._folder)
            self._is_prepared = True

    def _load(self) -> None:
        """Load what is needed now, not when the first sound is there."""
        import soundfile

        if self.options.format == "opus" and "OPUS" not in soundfile.available_subtypes("OGG"):
            version = soundfile.__libsndfile_version__
            raise ActionError(f"format: libsndfile {version} of this machine writes no Opus: use flac")
        if self.options.spectrogram:
            try:
                from PIL import Image, ImageDraw, ImageFont  # noqa: F401
            except ImportError as error:
                raise ActionError("spectrogram needs the package pillow: pip install pillow") from error

    def _write(self, event: Event, recording: Recording) -> Path:
        self._prepare()
        contents = self._contents(event, recording)
        if self._retention is not None:
            self._retention.start()
            if not self._retention.make_room(sum(map(len, contents.values()))):
                raise OSError(errno.ENOSPC, "least_free_mb")
        with free_name(self._folder, stem_of(self.options.filename, event), list(contents)) as stem:
            below = str(stem.relative_to(self._folder))
            if ".json" in contents:
                names = tuple(below + suffix for suffix in contents)
                rate = file_rate(self.options.format, recording.sample_rate)
                contents[".json"] = sidecar_json(event, recording, self.name, names, rate)
            unfinished = Unfinished(self._folder, contents)
            unfinished.write()
            return self._named(event, unfinished, stem, below)

    def _named(self, event: Event, unfinished: Unfinished, stem: Path, below: str) -> Path:
        """Give whole files their names; what retention is to delete one day is noted before."""
        if self._retention is None:
            return unfinished.rename(stem)
        files = tuple((below + suffix, size) for suffix, size in unfinished.sizes.items())
        number = None
        try:
            number = self._retention.note(Entry(event.label, event.peak_score, time.time(), files))
            return unfinished.rename(stem)
        except OSError:
            unfinished.remove()
            if number:
                self._retention.forget(number)
            raise
        finally:
            self._retention.wrote()

    def _contents(self, event: Event, recording: Recording) -> dict[str, bytes]:
        """Give the bytes of each file, the clip last; the JSON is empty until its name is known."""
        contents: dict[str, bytes] = {}
        if self.options.spectrogram:
            from listener.actions.clip.picture import spectrogram_png

            contents[".png"] = spectrogram_png(recording, _caption(event, recording))
        if self.options.sidecar:
            contents[".json"] = b""
        return contents | {self._suffix: sound_file(self.options.format, recording)}

    def _pause(self) -> ActionError:
        """Count a clip for which there is no room; say so if it is the first one."""
        with self._counting:
            self._missed += 1
            is_first = self._missed == 1
        least = self.options.least_free_mb
        why = f"the disk of '{self._folder}' is full"
        if least is not None:
            why = f"the disk of '{self._folder}' has less than {least:g} MB free, and no clip may go"
        if is_first:
            way_out = "make room" if least is not None else "make room, or let old clips go (least_free_mb)"
            log.error("action '%s' pauses: %s: %s", self.name, why, way_out)
        return ClipPauseError(why)

    def _go_on(self) -> None:
        with self._counting:
            missed, self._missed = self._missed, 0
        if missed:
            log.warning("action '%s' writes clips again; %d were not written", self.name, missed)


def _caption(event: Event, recording: Recording) -> "Caption":
    from listener.actions.clip.picture import Caption

    ends = [event.onset_s] if event.offset_s is None else [event.onset_s, event.offset_s]
    marks_s = tuple(moment - recording.start_s for moment in ends)
    clock = "" if event.started_at is None else f", {event.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    title = f"{event.label} {event.peak_score:.2f} in {event.source}{clock}"
    return Caption(printable(title), marks_s)
