"""A machine of its own under a real systemd: a container that boots an overlay of this machine's root.

All of it lives in namespaces of its own, for mounts and for processes, whose first process dies with the
thread that started it: whatever becomes of the test, nothing is left behind.
"""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from tests.program import PATIENCE_S

POLL_S = 0.1
POWERED_OFF_WITHIN_S = 30.0

# $1: an empty folder to mount on; $2: files to lay over those of this machine; the rest: for nspawn.
# What the machine would start besides what is tested is taken out; logind stays, or it cannot power off.
_BOOT = """
set -e
here=$1 layer=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" "$here/root"
cd "$here/root"
: > etc/machine-id
rm -rf etc/systemd/system/*.wants etc/systemd/system/listener.service* etc/listener var/log/journal
rm -rf opt/listener var/lib/listener var/lib/private/listener
ln -sf /lib/systemd/system/multi-user.target etc/systemd/system/default.target
for unit in docker.service containerd.service postgresql.service getty.target systemd-networkd.service \\
            systemd-resolved.service systemd-timesyncd.service systemd-binfmt.service; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
cp -a "$layer/." .
cd /
exec systemd-nspawn --quiet --register=no --keep-unit --private-network "$@" -D "$here/root" -b
"""


class Machine:
    """A booted machine; powered off with the ``with`` block, whatever happens.

    Parameters
    ----------
    folder
        An empty folder of this machine for what the container needs.
    layer
        Files that lie over those of this machine: ``layer/etc/x`` is ``/etc/x`` there.
    binds
        Folders of this machine, and where they are to be seen there; nobody can write to them.
    """

    def __init__(self, folder: Path, layer: Path, binds: Mapping[Path, str]) -> None:
        self._folder = folder
        self._layer = layer
        self._binds = binds
        self._container: subprocess.Popen[bytes] | None = None
        self._init = ""

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root in there."""
        done = subprocess.run(
            self._entered(*command), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, text: str) -> None:
        """Write a file in there, as a whole."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1.new" && mv "$1.new" "$1"'
        entered = self._entered("sh", "-c", script, "sh", path)
        subprocess.run(entered, input=text.encode(), timeout=PATIENCE_S, check=True)

    def property(self, unit: str, name: str) -> str:
        """Read a property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def wait_until(self, unit: str, name: str, wanted: Callable[[str], bool]) -> str:
        """Wait until a property of a unit is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while not wanted(value := self.property(unit, name)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} of {unit} stays {value!r}\n{self.told()}")
            time.sleep(POLL_S)
        return value

    def wait_for_file(self, path: str) -> None:
        """Wait until a file is there."""
        deadline = time.monotonic() + PATIENCE_S
        while self.run("test", "-e", path, check=False).returncode:
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} is never written\n{self.told()}")
            time.sleep(POLL_S)

    def journal(self, *matches: str) -> "Journal":
        """Follow the entries that match all that is given, as `journalctl` understands it."""
        follow = ("journalctl", "--follow", "--lines=all", "--output=json", "--all", *matches)
        return Journal(self._followed(*follow))

    def told(self) -> str:
        """What the whole machine said, for those who have to find out what went wrong."""
        return self.run("journalctl", "--no-pager", "--lines=300", check=False).stdout

    def __enter__(self) -> Self:
        mount = self._folder / "mount"
        mount.mkdir()
        binds = [f"--bind-ro={here}:{there}" for here, there in self._binds.items()]
        machine = f"--machine=listener-{os.getpid()}"
        # This thread's end kills `unshare`, whose end kills process 1 of the namespace, and with it all.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        command += ["--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        command += ["sh", "-c", _BOOT, "sh", str(mount), str(self._layer), machine, *binds]
        with open(self._folder / "console.log", "wb") as console:
            self._container = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # or nspawn would take pytest's terminal
            )
        try:
            self._await_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._container is not None
        try:
            if self._init and self._container.poll() is None:
                self.run("systemctl", "poweroff", check=False)
                self._container.wait(POWERED_OFF_WITHIN_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._container.kill()
            self._container.wait()

    def _await_boot(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        state = ""
        while state not in ("running", "degraded"):
            assert self._container is not None
            if self._container.poll() is not None or time.monotonic() > deadline:
                console = (self._folder / "console.log").read_text(errors="replace")
                raise AssertionError(f"the machine does not boot ({state or 'no systemd'}):\n{console}")
            time.sleep(POLL_S)
            self._init = self._init or self._find_init()
            if self._init:
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()

    def _find_init(self) -> str:
        """Give the container's process 1, once it is systemd: a child of nspawn, a child of `unshare`."""
        assert self._container is not None
        for nspawn in _children(str(self._container.pid)):
            for child in _children(nspawn):
                if _name(child) == "systemd":
                    return child
        return ""

    def _entered(self, *command: str) -> list[str]:
        return ["nsenter", "-t", self._init, "-m", "-u", "-i", "-n", "-p", "-C", "--", *command]

    def _followed(self, *command: str) -> subprocess.Popen[str]:
        # `nsenter -p` waits for the command: who kills the one shall kill the other.
        entered = self._entered("setpriv", "--pdeathsig", "KILL", *command)
        return subprocess.Popen(entered, stdout=subprocess.PIPE, text=True)


class Journal:
    """What a unit says, line by line; closed with the ``with`` block."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._entries: queue.Queue[dict[str, Any]] = queue.Queue()
        self._told: list[str] = []
        assert process.stdout is not None
        self._reader = threading.Thread(target=self._collect, args=(process.stdout,), name="journal")
        self._reader.start()

    def wait_for(self, text: str = "", **fields: str) -> dict[str, Any]:
        """Wait for an entry, after the one that was last waited for.

        Parameters
        ----------
        text
            Part of its message.
        fields
            Fields of it, and their values.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                entry = self._entries.get(timeout=remaining)
            except queue.Empty:
                break
            if text in _message(entry) and all(entry.get(name) == value for name, value in fields.items()):
                return entry
        raise AssertionError(f"{text!r} {fields} was never said:\n" + "\n".join(self._told))

    @property
    def told(self) -> list[str]:
        """All messages so far."""
        return list(self._told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _collect(self, pipe: IO[str]) -> None:
        for line in pipe:
            # The last line is half a one where the follower was killed while it wrote.
            if not line.endswith("\n"):
                break
            entry = json.loads(line)
            self._told.append(_message(entry))
            self._entries.put(entry)


def _message(entry: dict[str, Any]) -> str:
    message = entry.get("MESSAGE") or ""
    # What is no text is a list of bytes.
    return bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)


def _children(pid: str) -> Iterator[str]:
    try:
        yield from Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
