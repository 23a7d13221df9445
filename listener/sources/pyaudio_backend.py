"""PortAudio through PyAudio.

Only its callback mode is used: the blocking read either swallows overflows or closes
the stream on them.
"""

from contextlib import redirect_stdout
from io import StringIO

from listener.errors import DeviceError
from listener.sources.portaudio import DeviceInfo, OnBlock, opening_error

with redirect_stdout(StringIO()):  # it prints before it raises ImportError
    import pyaudio


class PyAudioBackend:
    """Fills `listener.sources.portaudio.Backend`."""

    def __init__(self) -> None:
        self._library: pyaudio.PyAudio = None

    def initialise(self) -> None:
        """Start PortAudio, or count one user more."""
        try:
            self._library = pyaudio.PyAudio()
        except OSError as error:
            raise DeviceError(f"PortAudio cannot be initialised ({error})") from error

    def terminate(self) -> None:
        """Undo one `initialise`."""
        self._library.terminate()

    def devices(self) -> list[DeviceInfo]:
        """All devices with at least one input channel."""
        default = self._default_index()
        infos = map(self._library.get_device_info_by_index, range(self._library.get_device_count()))
        return [
            DeviceInfo(
                name=str(info["name"]),
                index=int(info["index"]),
                backend="pyaudio",
                channels=int(info["maxInputChannels"]),
                default_rate_hz=round(info["defaultSampleRate"]),
                api=str(self._library.get_host_api_info_by_index(info["hostApi"])["name"]),
                default=info["index"] == default,
            )
            for info in infos
            if info["maxInputChannels"] > 0
        ]

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: OnBlock
    ) -> "_Stream":
        """Open a device and let it run."""

        def callback(data: bytes, _frames: int, _times: object, status: int) -> tuple[None, int]:
            on_block(data, bool(status & pyaudio.paInputOverflow))
            return None, pyaudio.paContinue

        try:
            stream = self._library.open(
                format=pyaudio.paInt16,
                channels=channels,
                rate=rate_hz,
                input=True,
                input_device_index=device.index,
                frames_per_buffer=block_samples,
                stream_callback=callback,
                start=False,
            )
        except (OSError, ValueError) as error:
            raise opening_error(error) from error
        try:
            stream.start_stream()
        except OSError as error:
            stream.close()  # PyAudio itself would leave it open, with a thread of the sound server
            raise opening_error(error) from error
        return _Stream(stream)

    def _default_index(self) -> int | None:
        try:
            return int(self._library.get_default_input_device_info()["index"])
        except OSError:
            return None


class _Stream:
    def __init__(self, stream: pyaudio.PyAudio.Stream) -> None:
        self._stream = stream

    def is_active(self) -> bool:
        try:
            return bool(self._stream.is_active())
        except OSError:
            return False

    def close(self) -> None:
        self._stream.close()
