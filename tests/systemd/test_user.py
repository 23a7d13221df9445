"""The unit of one user, who is not logged in but lingers."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.systemd.ears import Ears
from tests.systemd.layer import PROGRAM
from tests.systemd.machine import Machine

USER = "somebody"


@pytest.fixture(scope="module")
def user_id(machine: Machine, ears: Ears) -> str:
    """A user of the machine, who has a service manager of their own."""
    machine.run("useradd", "--create-home", USER)
    user_id = machine.run("id", "-u", USER).stdout.strip()
    machine.write(
        f"/home/{USER}/.config/systemd/user/listener.service.d/test.conf",
        f"[Service]\n{ears.environment_lines}",
    )
    machine.run("chown", "-R", USER, f"/home/{USER}")
    machine.run("loginctl", "enable-linger", USER)
    machine.wait_until(f"user@{user_id}.service", "ActiveState", lambda value: value == "active")
    return user_id


def test_from_installation_to_end(
    machine: Machine, user_id: str, ears: Ears, recording: Callable[..., Path]
) -> None:
    def service(*arguments: str) -> CompletedProcess[str]:
        become = ("setpriv", f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups")
        environment = ("env", f"HOME=/home/{USER}", f"XDG_RUNTIME_DIR=/run/user/{user_id}")
        return machine.run(*become, *environment, PROGRAM, "service", *arguments, "--user", check=False)

    assert service("status").returncode == 1
    installed = service("install")
    assert (installed.returncode, installed.stderr) == (0, "")
    assert "enable-linger" not in installed.stdout
    told = service("status")
    assert (told.returncode, told.stderr) == (0, "")
    assert "listening: mic" in told.stdout
    with machine.journal("_SYSTEMD_USER_UNIT=listener.service") as journal:
        ears.play(recording(1))
        entry = journal.wait_for(LISTENER_LABEL="rooster", LISTENER_PHASE="onset")
    assert entry["_UID"] == user_id
    assert "rooster began" in service("status").stdout
    machine.run("test", "-d", f"/home/{USER}/.local/state/listener")
    assert service("uninstall").returncode == 0
    assert service("status").stderr.startswith("listener: listener.service is not installed")
    machine.run("test", "-e", f"/home/{USER}/.config/listener/config.yaml")
