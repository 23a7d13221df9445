"""``listener record``: from the microphone into a file."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener.cli.record_takes import TakeReader, refuse_contradictions, refuse_only_silence, take_paths

if TYPE_CHECKING:
    from rich.text import Text

    from listener.sources.microphone import Microphone
    from listener.types import Samples

READ_TIMEOUT_S = 0.25
METER_FLOOR_DB = -60.0
METER_WIDTH = 40


@click.command()
@click.option(
    "-d",
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after this long.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="A .wav or .flac file; default: named by the time."
)
@click.option(
    "--device", default="default", help="Index, name, part of it or pattern: see 'listener devices'."
)
@click.option(
    "--backend", type=click.Choice(["pyaudio", "sounddevice"]), default="pyaudio", show_default=True
)
@click.option(
    "--channel", default="mix", metavar="mix|N", help="Mean of all channels, or one, counted from 1."
)
@click.option("--rate", type=click.IntRange(1_000, 768_000), help="Sample rate to ask the device for, in Hz.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--label", help="What is heard: for training data, with --into.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="Folder in which one called LABEL gets the recordings."
)
@click.option("--count", type=click.IntRange(1, 9_999), help="Record so many of -d seconds, one by one.")
def record(
    duration: float | None,
    out: Path | None,
    force: bool,
    label: str | None,
    into: Path | None,
    count: int | None,
    **microphone_options: Any,
) -> None:
    """Record from the microphone, with a meter, for -d seconds or until Ctrl-C.

    Whatever ends it, Ctrl-C or a microphone that is gone, what was heard is kept.

    For training data: --label doorbell --into sounds -d 3 --count 20 records twenty of three seconds, no
    sample lost between them, into sounds/doorbell. Of these, what is digital silence is not kept.
    """
    # While these are loaded nobody would read the microphone.
    import rich.live  # noqa: F401
    import soundfile  # noqa: F401

    refuse_contradictions(duration, out, label, into, count)
    microphone = _microphone(**microphone_options)
    if label is None or into is None:
        _record([_destination(out, force)], microphone, duration, keeps_silence=True)
        return
    with take_paths(label, into, count or 1) as paths:
        n_kept = _record(paths, microphone, duration, keeps_silence=False)
        refuse_only_silence(n_kept)


def _record(paths: list[Path], microphone: "Microphone", duration: float | None, keeps_silence: bool) -> int:
    """Record one file after the other, and say how many are kept; what is heard between is in the next."""
    reader = TakeReader(microphone)
    rate_hz = n_heard = n_kept = 0
    try:
        for number, path in enumerate(paths, start=1):
            recording = _Recording(path, keeps_silence)
            try:
                rate_hz = rate_hz or microphone.open()
                recording.begin(rate_hz)
                _copy(reader, recording, duration, f"{number}/{len(paths)} " if len(paths) > 1 else "")
            finally:
                n_kept += recording.finish()
                n_heard += recording.n_samples
    except KeyboardInterrupt:
        if duration is not None or not n_heard:
            raise
    finally:
        microphone.close()
    return n_kept


class _Recording:
    """A 16-bit file that bears its name only when it is finished."""

    def __init__(self, path: Path, keeps_silence: bool) -> None:
        from listener.errors import ListenerError

        self.path = path
        self._is_wanted = keeps_silence
        self.n_samples = 0
        self.rate_hz = 0
        self.lost = 0
        self._is_cut_off = False
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._sound: Any = None
        try:
            self._part.touch(exist_ok=False)
        except OSError as error:
            raise ListenerError(f"--out {path} cannot be written: {error.strerror}") from error

    def begin(self, rate_hz: int) -> None:
        import soundfile

        self.rate_hz = rate_hz
        kind = self.path.suffix[1:].upper()
        self._sound = soundfile.SoundFile(self._part, "w", rate_hz, 1, subtype="PCM_16", format=kind)

    def write(self, samples: "Samples") -> None:
        """Add samples; those of a 16-bit microphone come out as they came in."""
        import soundfile

        from listener.errors import ListenerError
        from listener.levels import to_int16

        values = to_int16(samples)
        self._is_wanted = self._is_wanted or bool(values.max(initial=0) > 1 or values.min(initial=0) < -1)
        try:
            self._sound.write(values)
        except (soundfile.LibsndfileError, AssertionError) as error:  # it asserts that all was written
            self._is_cut_off = True
            raise ListenerError(f"--out {self.path} cannot be written: is the disk full?") from error
        self.n_samples += len(samples)

    def finish(self) -> bool:
        """Close the file, give it its name, and say so; whether it is kept: nothing stays of an empty one."""
        if self._sound is not None:
            self._sound.close()
        if self._is_cut_off and self.path.suffix == ".flac":
            from listener.cli.cut_off import mend_flac

            self.n_samples = mend_flac(self._part)
        if not self.n_samples or not self._is_wanted:
            self._part.unlink()
            if self.n_samples:
                click.echo(f"listener: {self.path}: not kept, for it is nothing but silence", err=True)
            return False
        self._part.replace(self.path)
        click.echo(f"{self.path}: {self.n_samples / self.rate_hz:.1f} s at {self.rate_hz} Hz")
        if self.lost:
            click.echo(f"listener: samples were lost {self.lost} times: the machine was too busy", err=True)
        return True


class _Meter:
    """Levels of the newest chunk, and the highest peak so far."""

    def __init__(self) -> None:
        self._highest = 0.0

    def line(self, samples: "Samples", recording: _Recording, title: str) -> "Text":
        import numpy as np
        from rich.text import Text

        from listener.levels import decibels

        peak = float(np.abs(samples).max(initial=0.0))
        rms_db = decibels(float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0)
        self._highest = max(self._highest, peak)
        filled = round(METER_WIDTH * min(1.0, max(0.0, 1 - rms_db / METER_FLOOR_DB)))
        bar = "█" * filled + "·" * (METER_WIDTH - filled)
        colour = "red" if peak >= 1.0 - 2**-15 else "green"
        seconds = recording.n_samples / recording.rate_hz
        text = Text.assemble(f"{title}{seconds:7.1f} s  ", (bar, colour))
        return text.append(
            f"  rms {rms_db:6.1f}  peak {decibels(peak):6.1f}  highest {decibels(self._highest):6.1f} dBFS"
        )


def _copy(reader: TakeReader, recording: _Recording, duration: float | None, title: str) -> None:
    """Write what the microphone gives until ``duration`` seconds are written."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    meter = _Meter()
    wanted = None if duration is None else max(1, round(duration * recording.rate_hz))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while wanted is None or recording.n_samples < wanted:
            chunk = reader.read(READ_TIMEOUT_S)
            if chunk is None:
                continue
            samples = chunk.samples if wanted is None else chunk.samples[: wanted - recording.n_samples]
            recording.write(samples)
            recording.lost += chunk.overflowed
            reader.give_back(chunk, len(samples))
            if console.is_terminal:
                live.update(meter.line(samples, recording, title), refresh=True)


def _destination(out: Path | None, force: bool) -> Path:
    from listener.errors import ListenerError

    path = out or Path(datetime.now().strftime("recording-%Y%m%d-%H%M%S.wav"))
    if path.suffix not in (".wav", ".flac"):
        raise ListenerError(f"--out {path}: the name has to end in .wav or .flac")
    if path.exists() and not force:
        raise ListenerError(f"--out {path} is there already: choose another name, or give --force")
    return path


def _microphone(device: str, backend: str, channel: str, rate: int | None) -> "Microphone":
    from listener.errors import ListenerError
    from listener.sources.microphone import Microphone, MicrophoneOptions

    if channel != "mix" and not (channel.isdecimal() and int(channel) >= 1):
        raise ListenerError(f"--channel {channel}: give mix, or a channel counted from 1")
    options = {"device": device, "backend": backend, "sample_rate": rate}
    options["channel"] = channel if channel == "mix" else int(channel)
    return Microphone("mic", MicrophoneOptions.model_validate(options))
