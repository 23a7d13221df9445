"""A microphone made of software: a private PulseAudio server that PortAudio reads like any other.

What is played into its null sink comes out of the sink's monitor bit for bit, paced in
real time. A second source reads a named pipe without any pacing: it hands over at once
whatever is written, and stalls when nobody writes.

The environment has to stand before PortAudio is initialised, which is why the fixtures
set it and every `Microphone` initialises PortAudio anew.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

PATIENCE_S = 30.0
"""Longest wait for anything that a server has to do: the machine may be busy."""

_MODULES = """\
.fail
load-module module-native-protocol-unix auth-anonymous=1 socket={directory}/native
load-module module-null-sink sink_name=vmic rate={rate} channels={channels} format=s16le norewinds=1
load-module module-pipe-source source_name=fifo file={directory}/fifo format=s16le rate={rate} channels=1
set-default-source vmic.monitor
"""

_PCM = """\
pcm.{name} {{ type pulse server "unix:{directory}/native" device "{device}"
              hint {{ show on description "{text}" }} }}
"""

_CLIENT = "autospawn = no\nenable-shm = no\n"


class VirtualMicrophone:
    """A PulseAudio server of its own, started with the ``with`` block and gone after it.

    Parameters
    ----------
    rate
        Sample rate of the sink in Hz. Equal to the rate of the capture, or samples are resampled.
    channels
        Channels of the sink.
    """

    def __init__(self, rate: int = 16_000, channels: int = 1) -> None:
        self.rate = rate
        self.channels = channels
        # A socket's path may have 107 characters at most: pytest's folders are too deep for it.
        self._folder = tempfile.TemporaryDirectory(prefix="vmic-")
        self.directory = Path(self._folder.name)
        self._server: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []
        self._write_configuration()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a process to this server, and to no other device."""
        directory = self.directory
        return {
            "PULSE_SERVER": f"unix:{directory}/native",
            "PULSE_CLIENTCONFIG": f"{directory}/client.conf",
            "PULSE_RUNTIME_PATH": f"{directory}/run",
            "PULSE_STATE_PATH": f"{directory}/state",
            "PULSE_COOKIE": f"{directory}/cookie",
            "ALSA_CONFIG_PATH": f"{directory}/asound.conf",
            "JACK_NO_START_SERVER": "1",
            "JACK_DEFAULT_SERVER": "nowhere",
        }

    @property
    def pid(self) -> int | None:
        """Process of the server, while it runs."""
        return self._server.pid if self._server is not None else None

    def start(self) -> None:
        """Start the server and wait until its sources are there."""
        command = ["pulseaudio", "-n", "-F", f"{self.directory}/pulse.pa", "--daemonize=no", "--system=false"]
        command += ["--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "--realtime=no"]
        command += ["--high-priority=no", "--log-target=stderr"]
        with open(self.directory / "server.log", "ab") as log:
            self._server = subprocess.Popen(command, env=self._full_environment(), stdout=log, stderr=log)
        self._await(lambda: "vmic.monitor" in self._pactl("list", "short", "sources", check=False))

    def kill(self) -> None:
        """End the server as a crash would. It can be started again."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def restart(self, rate: int | None = None) -> None:
        """Kill the server and start it again, at another rate if told."""
        self.kill()
        self.rate = rate or self.rate
        (self.directory / "pulse.pa").write_text(self._modules())
        self.start()

    def freeze(self) -> None:
        """Stop the server where it stands: connections stay, nothing moves."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file into the microphone; ``wait()`` on the result for its end."""
        # Seconds of sound ahead: a player that runs dry on a busy machine would insert silence.
        command = ["paplay", "--device=vmic", "--latency-msec=4000", str(path)]
        player = subprocess.Popen(command, env=self._full_environment())
        self._players.append(player)
        return player

    def play_array(self, samples: NDArray[np.int16]) -> subprocess.Popen[bytes]:
        """Begin to play 16-bit samples, shape (n,) or (n, channels), at the sink's rate."""
        path = self.directory / f"play-{len(self._players)}.wav"
        soundfile.write(path, samples, self.rate, subtype="PCM_16")
        return self.play(path)

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Write 16-bit samples to the unpaced source; returns when they are written.

        The server sets the pipe up; a reader has to be there, or the pipe fills up.
        """
        data = memoryview(samples.astype("<i2").tobytes())
        pipe = os.open(self.directory / "fifo", os.O_WRONLY)
        try:
            while data:
                data = data[os.write(pipe, data) :]
        finally:
            os.close(pipe)

    def is_listened_to(self) -> bool:
        """Whether somebody records from it by now."""
        return bool(self._pactl("list", "short", "source-outputs").strip())

    def is_played_to(self) -> bool:
        """Whether a player has begun by now."""
        return bool(self._pactl("list", "short", "sink-inputs").strip())

    def mute(self, muted: bool = True) -> None:
        """Silence the microphone: it goes on, with zeros."""
        self._pactl("set-source-mute", "vmic.monitor", "1" if muted else "0")

    def unload(self) -> None:
        """Take the microphone away while the server stays: as if it were unplugged."""
        self._pactl("unload-module", "module-null-sink")

    def plug_in(self) -> None:
        """Bring the microphone back after `unload`."""
        line = next(line for line in self._modules().splitlines() if "module-null-sink" in line)
        self._pactl(*line.split())

    def add_device(self, name: str, device: str = "vmic.monitor", *, first: bool = False) -> None:
        """Add a device to those that ALSA knows: as if another microphone were plugged in.

        Parameters
        ----------
        name
            Under which it is listed.
        device
            The server's source behind it.
        first
            Whether it is listed before all others, which all get another index.
        """
        asound = self._asound.read_text()
        added = _PCM.format(name=name, device=device, directory=self.directory, text=name)
        self._write_asound(added + asound if first else asound + added)

    def remove_device(self, name: str) -> None:
        """Take a device from those that ALSA knows."""
        pattern = rf"^pcm\.{re.escape(name)} \{{.*\n.*\}}\n"
        changed, n_removed = re.subn(pattern, "", self._asound.read_text(), flags=re.MULTILINE)
        assert n_removed == 1
        self._write_asound(changed)

    def close(self) -> None:
        """End players and server, and remove their files."""
        for player in self._players:
            player.kill()
            player.wait()
        if self._server is not None:
            self.thaw()  # a stopped process would not see any other signal
            self._server.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(5)
            self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _full_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _modules(self) -> str:
        return _MODULES.format(directory=self.directory, rate=self.rate, channels=self.channels)

    def _write_configuration(self) -> None:
        def pcm(name: str, device: str, text: str) -> str:
            return _PCM.format(name=name, device=device, directory=self.directory, text=text)

        asound = pcm("!default", "vmic.monitor", "virtual microphone")
        asound += pcm("room", "vmic.monitor", "the same once more")
        asound += pcm("fifo", "fifo", "unpaced pipe")
        asound += f'ctl.!default {{ type pulse server "unix:{self.directory}/native" }}\n'
        self._write_asound(asound)
        (self.directory / "pulse.pa").write_text(self._modules())
        (self.directory / "client.conf").write_text(_CLIENT)
        for name in ("run", "state"):
            (self.directory / name).mkdir(mode=0o700)

    @property
    def _asound(self) -> Path:
        return self.directory / "asound.conf"

    def _write_asound(self, text: str) -> None:
        # At once: somebody may be about to read it.
        new = self._asound.with_suffix(".new")
        new.write_text(text)
        new.replace(self._asound)

    def _pactl(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["pactl", *arguments],
            env=self._full_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=check,
        )
        return done.stdout

    def _await(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            assert self._server is not None
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "server.log").read_text())
            time.sleep(0.02)


@pytest.fixture
def virtual_microphone(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMicrophone]:
    """A running virtual microphone (16 kHz, mono): the only one that this process and its children see."""
    with VirtualMicrophone() as microphone:
        for name, value in microphone.environment.items():
            monkeypatch.setenv(name, value)
        yield microphone


@pytest.fixture
def no_audio_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any sound: no card, no server."""
    # PortAudio aborts the process where ALSA knows no "default", be it one that cannot be opened.
    (tmp_path / "asound.conf").write_text("pcm.!default { type hw card 0 }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nowhere")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"nowhere-{os.getpid()}")
