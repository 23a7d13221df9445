"""M4A, films, WMA, AMR and whatever else FFmpeg knows, by its libraries and in this process.

Only containers of sound and films are opened: among FFmpeg's formats are play lists, which
would have it read other files and addresses.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from listener.audio.info import AudioInfo
from listener.audio.mixing import Frames
from listener.audio.origin import Origin
from listener.audio.reader import MOST_VALUES, Reader
from listener.errors import AudioFileError, one_line

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer


INSTALL = "pip install 'listener[media]'"

FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,m4a,matroska,mov,mp3,mp4,"
    "mpc,mpc8,mpeg,mpegts,nut,ogg,oma,rm,tak,tta,voc,w64,wav,webm,wv"
)
"""What is opened, by FFmpeg's names."""

_SAYS_ITS_LENGTH = frozenset({"asf", "avi", "matroska", "mov"})
"""Containers whose header says how long they are; of others FFmpeg estimates it."""

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}

_MP4, _MP4_AT = b"ftyp", 4
"""What an MP4 file says of itself, and where."""

_BUFFER_BYTES = 1 << 17


class FfmpegReader(Reader):
    """A recording that FFmpeg reads.

    Parameters
    ----------
    origin
        Where it lies.
    track
        Which audio track, from 0.
    filters
        An FFmpeg filter chain that the sound is sent through: ``highpass=f=100,loudnorm``.

    Raises
    ------
    AudioFileError
        It cannot be read, there is no sound in it, the filters cannot be used, or FFmpeg's libraries are
        not installed.
    """

    def __init__(self, origin: Origin, track: int = 0, filters: str | None = None) -> None:
        self._tracks = _Tracks(origin, track)
        self.name, self.info = origin.name, self._tracks.info
        self._broken = False
        self._ended: dict[int, int] = {}
        self._planes: list[NDArray[Any]] = []
        self._buffer: Frames = np.empty((0, 0))
        try:
            self._frames = self._filtered(filters) if filters else self._decoded()
            first = next(self._frames, None)
            if first is None:
                raise AudioFileError(f"{self.name} holds no sound")
            self._settle(first)
        except self._tracks.errors as error:
            self.close()
            raise AudioFileError(f"{self.name} is damaged: its sound cannot be decoded") from error
        except AudioFileError:
            self.close()
            raise

    def read(self, n_samples: int) -> Frames:
        """See `Reader.read`."""
        n_samples = max(1, min(n_samples, MOST_VALUES // self.channels))
        if self._buffer.shape[1] < n_samples:
            self._buffer = np.empty((self.channels, n_samples), self._buffer.dtype)
        n_read = 0
        while n_read < n_samples and self._next_planes():
            n = min(n_samples - n_read, len(self._planes[0]))
            for channel, plane in enumerate(self._planes):
                self._buffer[channel, n_read : n_read + n] = plane[:n]
            self._planes = [plane[n:] for plane in self._planes]
            n_read += n
        self.taken += n_read
        if n_read == 0:
            self._check_end()
        return self._buffer[:, :n_read]

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._tracks.close()

    def _settle(self, frame: "AudioFrame") -> None:
        """Take the first frame's word for what all will be like: headers of AAC tell half of the rate."""
        self._kind = _kind(frame)
        self.sample_rate, self.channels = frame.rate, frame.layout.nb_channels
        self.check_rate(self.sample_rate)
        self._planes = _planes(frame)
        self._buffer = np.empty((self.channels, 0), self._planes[0].dtype)

    def _next_planes(self) -> bool:
        """See to it that there is something to take from; tell whether there is."""
        while not len(self._planes[0]):
            try:
                frame = next(self._frames, None)
            except self._tracks.errors:
                self._broken = True
                return False
            if frame is None:
                return False
            if _kind(frame) != self._kind:
                at = f"{self.taken / self.sample_rate:.1f}"
                raise AudioFileError(f"{self.name} changes its rate or channels after {at} s: convert it")
            self._planes = _planes(frame)
        return True

    def _decoded(self) -> Iterator["AudioFrame"]:
        """Every frame; what comes before the first one that can be decoded is passed over."""
        started = False
        # How far the others go matters only where the container tells how far they should.
        wanted = [] if self._tracks.promised_s is not None else [self._tracks.stream]
        for packet in self._tracks.container.demux(*wanted):
            if packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                self._ended[packet.stream_index] = max(end, self._ended.get(packet.stream_index, end))
            if packet.stream_index != self._tracks.stream.index or not packet.size:
                continue
            try:
                frames = self._tracks.stream.decode(packet)
            except self._tracks.errors:
                if started:
                    raise
                continue
            for frame in frames:
                started = True
                yield frame
        yield from self._tracks.stream.decode(None)  # what the decoder has held back

    def _filtered(self, filters: str) -> Iterator["AudioFrame"]:
        from listener.audio.filters import FilterChain

        chain: FilterChain | None = None
        for frame in self._decoded():
            chain = chain or FilterChain(filters, frame)
            yield from chain.push(frame)
        if chain is not None:
            yield from chain.push(None)

    def _check_end(self) -> None:
        """Refuse to end before the container's own end."""
        promised_s = self._tracks.promised_s
        if error := self._tracks.file.error:
            raise AudioFileError(f"{self.name} cannot be read: {error.strerror or one_line(error)}")
        if self._broken:
            raise self.cut(promised_s)
        if promised_s is None:
            return
        streams = self._tracks.container.streams
        ended_s = max(
            (float(end * (streams[i].time_base or 0)) for i, end in self._ended.items()), default=0.0
        )
        allowed_s = min(1.0, max(0.1, promised_s / 20))  # headers are not exact, encoders pad
        if ended_s - self._tracks.start_s < promised_s - allowed_s:
            raise self.cut(promised_s)


class _File:
    """What FFmpeg reads: a file that raises nothing, as PyAV prints what is raised while FFmpeg goes on."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def read(self, n_bytes: int) -> bytes:
        try:
            return self._file.read(n_bytes)
        except OSError as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there; a damaged file sends FFmpeg to places before its beginning."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1

    def tell(self) -> int:
        return self._file.tell()


class _Tracks:
    """An open container and one of its audio tracks."""

    def __init__(self, origin: Origin, track: int) -> None:
        if find_spec("av") is None:
            raise AudioFileError(f"{origin.name} can only be read by FFmpeg's libraries: {INSTALL}")
        import av

        self.errors = (av.FFmpegError, EOFError, IndexError)  # the last: PyAV, of a track that shows up late
        self._opened = ExitStack()
        self.file = file = _File(self._opened.enter_context(origin.opened()))
        try:
            self.container = av.open(
                file,
                mode="r",
                buffer_size=_BUFFER_BYTES,
                metadata_errors="replace",
                container_options={"format_whitelist": FORMATS, "protocol_whitelist": "none"},
            )
        except (*self.errors, ValueError) as error:
            raise self._refused(origin, file) from error
        try:
            self.stream, self.info = self._choose(origin, track)
        except AudioFileError:
            self.close()
            raise
        self._form = self.container.format.name.split(",")[0]
        self.start_s = (self.container.start_time or 0) / av.time_base
        self._duration = self.container.duration and self.container.duration / av.time_base

    @property
    def promised_s(self) -> float | None:
        """Seconds that it should last by its header; None where that is a guess."""
        return self._duration if self._form in _SAYS_ITS_LENGTH and self._duration else None

    def close(self) -> None:
        """Close the container, and the file if it was opened here."""
        self.container.close()
        self._opened.close()

    def _refused(self, origin: Origin, file: _File) -> AudioFileError:
        file.seek(_MP4_AT)
        is_mp4 = file.read(len(_MP4)) == _MP4
        self._opened.close()
        if is_mp4:  # the index comes last, unless the file was made to be streamed
            return AudioFileError(f"{origin.name} is truncated or damaged: it has no index")
        return AudioFileError(f"{origin.name} is not an audio file that can be read")

    def _choose(self, origin: Origin, track: int) -> tuple["AudioStream", AudioInfo]:
        tracks = self.container.streams.audio
        if not tracks:
            raise AudioFileError(f"{origin.name} has no audio track")
        if not 0 <= track < len(tracks):
            last = f"the last of its {len(tracks)} audio tracks is {len(tracks) - 1}"
            raise AudioFileError(f"{origin.name} has no track {track}: {last}")
        stream = tracks[track]
        if stream.codec_context is None or not stream.rate:
            raise AudioFileError(f"{origin.name} is not an audio file that can be read: its codec is unknown")
        return stream, _info(self.container, stream, origin.suffix[1:])


def probe_by_ffmpeg(origin: Origin, track: int = 0) -> AudioInfo:
    """Read the header, and what FFmpeg looks at to understand it: see `listener.audio.probe`."""
    tracks = _Tracks(origin, track)
    tracks.close()
    return tracks.info


def _info(container: "InputContainer", stream: "AudioStream", suffix: str) -> AudioInfo:
    import av

    names = container.format.name.split(",")
    duration_s = None
    if stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / av.time_base
    return AudioInfo(
        sample_rate=stream.rate,
        channels=stream.channels,
        n_samples=None,
        duration_s=duration_s,
        container=suffix if suffix in names else names[0],
        codec=stream.codec_context.codec.canonical_name,
        n_tracks=len(container.streams.audio),
    )


def _kind(frame: "AudioFrame") -> tuple[str, int, int]:
    return frame.format.name, frame.rate, frame.layout.nb_channels


def _planes(frame: "AudioFrame") -> list[NDArray[Any]]:
    """View a frame's samples, one array for each channel."""
    dtype = np.dtype(_DTYPES[frame.format.packed.name])
    channels = frame.layout.nb_channels
    if frame.format.is_planar:  # of eight planes PyAV 18 lists nine
        return [np.frombuffer(memoryview(plane), dtype, frame.samples) for plane in frame.planes[:channels]]
    packed = np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples * channels)
    return list(packed.reshape(-1, channels).T)
