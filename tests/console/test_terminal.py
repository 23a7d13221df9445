"""The program in a real terminal, looked at as a person would."""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import loudness_bundle
from tests.program import PATIENCE_S, command

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A terminal of tmux, with a server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def start(self, line: str, environment: dict[str, str]) -> None:
        told = shlex.quote(f"trap : INT; {line}; echo exit $?; cat")  # a Ctrl-C ends the program only
        put = shlex.join(["env", *(f"{name}={value}" for name, value in environment.items())])
        self._tmux("new-session", "-d", "-x", "80", "-y", "24", f"{put} sh -c {told}")

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def picture(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options)

    def ask(self, variable: str) -> str:
        return self._tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def wait_for(self, *words: str) -> str:
        """Wait until all of this can be read at once."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            picture = self.picture()
            missing = [word for word in words if word not in picture]
            if not missing:
                return picture
            assert time.monotonic() < deadline, f"{missing} cannot be read:\n{picture}"
            time.sleep(0.1)

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *arguments: str) -> str:
        line = ["tmux", "-u", "-f", "/dev/null", "-S", str(self._socket), *arguments]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "tmux")
    yield terminal
    terminal.close()


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The command line that listens to the demo scene."""
    loudness_bundle(tmp_path / "loudness.pt")
    config = tmp_path / "config.yaml"
    config.write_text(f"model: {{path: {tmp_path}/loudness.pt}}\nactions: [{{use: log}}]\n")
    return shlex.join(command("run", "-c", config, "--source", "demo", "--speed", "2"))


def test_live_picture(terminal: Terminal, program: str) -> None:
    terminal.start(program, {"LC_ALL": "C.UTF-8"})
    picture = terminal.wait_for("● loud", "now", "1 fired")
    for words in (
        "loudness/1.0.0",
        "hop 0.5 s",
        "demo",
        "live",
        "dBFS",
        "── events",
        "latency p50",
        "CPU",
    ):
        assert words in picture
    assert "INFO" not in picture or "began at" in picture  # what the log says stands above, in whole lines
    assert terminal.ask("cursor_flag") == "0"
    assert re.search(r"\x1b\[[\d;]*[349][0-8][;m]", terminal.picture("-e"))

    terminal.resize(40, 10)
    picture = terminal.wait_for("demo", "latency p50", "loud")
    assert picture.count("latency p50") == 1, "the old picture is still there"
    terminal.resize(80, 24)
    terminal.wait_for("── events", "hop 0.5 s")

    terminal.press("C-c")
    picture = terminal.wait_for("exit 130")
    assert "latency p50" in terminal.picture("-S-")  # the last picture stays
    assert "Traceback" not in terminal.picture("-S-")
    assert terminal.ask("cursor_flag") == "1"
    assert terminal.ask("alternate_on") == "0"


@pytest.mark.parametrize("options", ["", "--no-console"])
def test_a_terminal_that_is_closed_ends_the_program(
    terminal: Terminal, program: str, tmp_path: Path, options: str
) -> None:
    """It is told by SIGHUP, which otherwise asks for another configuration."""
    terminal.start(f"echo $$ > {tmp_path}/pid; exec {program} {options}", {"LC_ALL": "C.UTF-8"})
    terminal.wait_for("demo", "loud")
    process = int((tmp_path / "pid").read_text())
    terminal.close()
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_color(terminal: Terminal, program: str) -> None:
    terminal.start(program, {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"})
    terminal.wait_for("demo", "live", "dBFS", "latency p50")
    assert not re.search(r"\x1b\[[\d;]*[349][0-8][;m]", terminal.picture("-e"))  # x9: back to the default


def test_a_terminal_that_cannot_draw_gets_lines(terminal: Terminal, program: str) -> None:
    terminal.start(program, {"TERM": "dumb"})
    picture = terminal.wait_for("demo is live", "loud began at")
    assert "dBFS" not in picture
