"""PortAudio through sounddevice.

sounddevice initialises PortAudio when it is imported and would hold it, and the list of
devices, until the process ends. That one use is given back here, so that microphones
alone decide (see `listener.sources.portaudio`). The library's own functions are called
for that, not sounddevice's wrappers: these point file descriptor 2 at nothing for a
moment and would swallow what other threads write. Imported with the lock held.
"""

from typing import Any

import sounddevice

from listener.errors import DeviceError
from listener.sources.portaudio import DeviceInfo, OnBlock, opening_error

_library = sounddevice._lib  # noqa: SLF001 - see above
sounddevice._terminate()  # noqa: SLF001 - see above


class SoundDeviceBackend:
    """Fills `listener.sources.portaudio.Backend`."""

    def initialise(self) -> None:
        """Start PortAudio, or count one user more."""
        code = _library.Pa_Initialize()
        if code != 0:
            raise DeviceError(f"PortAudio cannot be initialised (error {code})")

    def terminate(self) -> None:
        """Undo one `initialise`."""
        _library.Pa_Terminate()

    def devices(self) -> list[DeviceInfo]:
        """All devices with at least one input channel."""
        default = _library.Pa_GetDefaultInputDevice()
        return [
            DeviceInfo(
                name=str(info["name"]),
                index=int(info["index"]),
                backend="sounddevice",
                channels=int(info["max_input_channels"]),
                default_rate_hz=round(info["default_samplerate"]),
                api=str(sounddevice.query_hostapis(info["hostapi"])["name"]),
                default=info["index"] == default,
            )
            for info in sounddevice.query_devices()
            if info["max_input_channels"] > 0
        ]

    def open(
        self, device: DeviceInfo, channels: int, rate_hz: int, block_samples: int, on_block: OnBlock
    ) -> "_Stream":
        """Open a device and let it run."""

        def callback(data: Any, _frames: int, _times: object, status: Any) -> None:
            on_block(bytes(data), status.input_overflow)

        try:
            stream = sounddevice.RawInputStream(
                samplerate=rate_hz,
                blocksize=block_samples,
                device=device.index,
                channels=channels,
                dtype="int16",
                callback=callback,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise opening_error(error) from error
        try:
            stream.start()
        except sounddevice.PortAudioError as error:
            stream.close()
            raise opening_error(error) from error
        return _Stream(stream)


class _Stream:
    def __init__(self, stream: sounddevice.RawInputStream) -> None:
        self._stream = stream

    def is_active(self) -> bool:
        try:
            return bool(self._stream.active)
        except sounddevice.PortAudioError:
            return False

    def close(self) -> None:
        # Not `stop` first: that waits for ever when the device is gone without a word.
        self._stream.close()
