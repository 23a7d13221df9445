"""The virtual microphone as a booted machine has it."""

import subprocess
from pathlib import Path

from tests.virtual_microphone import VirtualMicrophone

FOLDER = "/run/vmic"
"""Where its folder lies in there."""


class Ears:
    """A virtual microphone outside, and what leads a service inside to it.

    Parameters
    ----------
    microphone
        Started; it is seen in there under another path.
    """

    def __init__(self, microphone: VirtualMicrophone) -> None:
        self._microphone = microphone
        self._players: list[subprocess.Popen[bytes]] = []
        here = microphone.directory
        here.chmod(0o755)  # the service is another user
        devices = (here / "asound.conf").read_text().replace(str(here), FOLDER)
        (here / "asound-inside.conf").write_text(devices)

    @property
    def binds(self) -> dict[Path, str]:
        """What has to be bound into the machine."""
        return {self._microphone.directory: FOLDER}

    @property
    def environment_lines(self) -> str:
        """Lines of a unit's ``[Service]`` section."""
        inside = {
            name: value.replace(str(self._microphone.directory), FOLDER)
            for name, value in self._microphone.environment.items()
        }
        inside["ALSA_CONFIG_PATH"] = f"{FOLDER}/asound-inside.conf"
        return "".join(f"Environment={name}={value}\n" for name, value in inside.items())

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file; ``wait()`` on the result for its end."""
        player = self._microphone.play(path)
        self._players.append(player)
        return player

    def hush(self) -> None:
        """End what is played."""
        for player in self._players:
            player.kill()
            player.wait()
        self._players.clear()

    def take_away(self) -> None:
        """End the sound server."""
        self._microphone.kill()

    def give_back(self) -> None:
        """Start the sound server, unless it runs."""
        if self._microphone.pid is None:
            self._microphone.start()
