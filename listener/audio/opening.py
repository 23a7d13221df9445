"""Who reads what: libsndfile where it can, FFmpeg's libraries everything else."""

from importlib.util import find_spec

from listener.audio.ffmpeg import INSTALL, FfmpegReader, probe_by_ffmpeg
from listener.audio.info import AudioInfo
from listener.audio.libsndfile import NotForLibsndfileError, SndfileReader
from listener.audio.origin import AudioSource, Origin, origin_of
from listener.audio.reader import Reader
from listener.errors import AudioFileError

SOUND_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
"""What libsndfile reads."""

MEDIA_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".amr", ".caf", ".mka", ".ac3", ".3gp"}
    | {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"}
)
"""What FFmpeg's libraries are needed for."""

RECORDING_SUFFIXES = SOUND_SUFFIXES | MEDIA_SUFFIXES
"""What counts as a recording in a folder; a file that is named is opened whatever its name."""


def open_reader(source: AudioSource, *, track: int = 0, filters: str | None = None) -> Reader:
    """Open a recording to read it block by block.

    Parameters
    ----------
    source
        A path, a whole file in memory, or an open binary file.
    track
        Which audio track, from 0.
    filters
        A chain of FFmpeg's filters: ``highpass=f=100,loudnorm``.

    Raises
    ------
    AudioFileError
        It is missing, unreadable, empty or no audio, or has no such track; the message names it.
    """
    origin = origin_of(source)
    if filters is None and track == 0:
        try:
            return SndfileReader(origin)
        except NotForLibsndfileError as error:
            _want_ffmpeg(origin, error)
    return FfmpegReader(origin, track, filters)


def read_header(source: AudioSource, track: int) -> AudioInfo:
    """Say what a recording is: see `listener.audio.probe`."""
    origin = origin_of(source)
    if track == 0:
        try:
            with SndfileReader(origin) as reader:
                return reader.info
        except NotForLibsndfileError as error:
            _want_ffmpeg(origin, error)
    return probe_by_ffmpeg(origin, track)


def _want_ffmpeg(origin: Origin, error: Exception) -> None:
    """Say what is wrong where libsndfile does not know a file, and nothing else is there to try."""
    with origin.opened():  # or it may be the disk
        pass
    if find_spec("av") is not None or origin.suffix in MEDIA_SUFFIXES:  # FFmpeg, or its absence, has the word
        return
    hint = f"(M4A, films and their like want FFmpeg's libraries: {INSTALL})"
    raise AudioFileError(f"{origin.name} is not an audio file that can be read {hint}") from error
