"""The real unit under a real systemd, from its installation to its end."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.ears import Ears
from tests.systemd.layer import PROGRAM
from tests.systemd.machine import Journal, Machine

UNIT = "listener.service"
CONFIG = "/etc/listener/config.yaml"
STATE = "/var/lib/private/listener"
ROOSTER, SIREN = 1, 42
"""Their numbers in the names of ESC-50's files."""

BOTH_ENDS = "actions: [{use: log, when: both}]\n"

# A stop that takes longer than all stops may is killed, and then no success.
FOR_TESTS = "WatchdogSec=5\nTimeoutStopSec=15\nRestartSec=100ms\n"


@pytest.fixture(scope="module")
def installed(machine: Machine, ears: Ears) -> Machine:
    """The machine with the service that the program made of itself."""
    drop_in = f"/etc/systemd/system/{UNIT}.d/test.conf"
    machine.write(drop_in, f"[Service]\n{FOR_TESTS}{ears.environment_lines}")
    machine.run(PROGRAM, "service", "install")
    return machine


@pytest.fixture
def config() -> str:
    """The configuration of a freshly started service; a test may bring another."""
    return BOTH_ENDS


@pytest.fixture
def running(installed: Machine, config: str, ears: Ears) -> Iterator[Machine]:
    """The machine with the service freshly started."""
    ears.give_back()
    installed.write(CONFIG, config)
    installed.run("systemctl", "restart", UNIT)
    yield installed
    ears.hush()
    installed.run("systemctl", "stop", UNIT)
    installed.run("systemctl", "reset-failed", UNIT, check=False)


@pytest.fixture
def journal(running: Machine) -> Iterator[Journal]:
    """What the running service says, from its start on."""
    with running.journal(*this_run(running)) as followed:
        yield followed


def this_run(machine: Machine) -> tuple[str, ...]:
    """What the service says since it was last started, and what systemd says about it."""
    run = machine.property(UNIT, "InvocationID")
    return f"_SYSTEMD_INVOCATION_ID={run}", "+", f"INVOCATION_ID={run}"


def status(machine: Machine) -> tuple[int, str]:
    """What `listener service status` says, and its exit code."""
    done = machine.run(PROGRAM, "service", "status", check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_played_sound_is_in_the_journal(
    running: Machine, journal: Journal, ears: Ears, recording: Callable[..., Path]
) -> None:
    assert running.property(UNIT, "ActiveState") == "active"
    ears.play(recording(ROOSTER))
    entry = journal.wait_for(LISTENER_LABEL="rooster", LISTENER_PHASE="onset")
    assert entry["LISTENER_SOURCE"] == "mic"
    assert entry["SYSLOG_IDENTIFIER"] == "listener"
    assert entry["PRIORITY"] == "6"
    assert float(entry["LISTENER_SCORE"]) > 0.5
    assert not re.match(r"\d+:\d+", entry["MESSAGE"]), "the journal has a clock of its own"
    code, told = status(running)
    assert code == 0
    assert "state     running since" in told
    assert "enabled   yes" in told
    assert "listening: mic" in told
    assert "rooster began" in told


def test_a_stop_closes_what_is_open(
    running: Machine, journal: Journal, ears: Ears, recording: Callable[..., Path]
) -> None:
    ears.play(recording(SIREN, repeats=6))
    onset = journal.wait_for(LISTENER_LABEL="siren", LISTENER_PHASE="onset")
    running.run("systemctl", "stop", UNIT)
    assert running.property(UNIT, "Result") == "success"
    assert running.property(UNIT, "ActiveState") == "inactive"
    offset = journal.wait_for(LISTENER_LABEL="siren", LISTENER_PHASE="offset")
    assert offset["LISTENER_EVENT_ID"] == onset["LISTENER_EVENT_ID"]
    code, told = status(running)
    assert code == 1
    assert "listener: listener.service is not running: stopped" in told


@pytest.mark.parametrize("config", [BOTH_ENDS + "events: {only: [siren]}\n"], ids=["siren-only"])
def test_a_reload_takes_a_good_configuration_and_no_other(
    running: Machine, journal: Journal, ears: Ears, recording: Callable[..., Path]
) -> None:
    main = running.property(UNIT, "MainPID")
    running.write(CONFIG, BOTH_ENDS + "windows: {hop_s: never}\n")
    running.run("systemctl", "reload", UNIT)
    assert journal.wait_for(f"{CONFIG}:2: windows.hop_s")["PRIORITY"] == "3"
    journal.wait_for("the one before goes on")
    running.wait_until(UNIT, "StatusText", lambda text: text.startswith("configuration not taken"))
    assert "configuration not taken" in status(running)[1]
    ears.play(recording(SIREN, repeats=6))
    onset = journal.wait_for(LISTENER_LABEL="siren", LISTENER_PHASE="onset")
    running.write(CONFIG, BOTH_ENDS)
    running.run("systemctl", "reload", UNIT)
    journal.wait_for("the new configuration is in force")
    ears.hush()
    # What was open goes on, and ends as it would have.
    journal.wait_for(LISTENER_EVENT_ID=onset["LISTENER_EVENT_ID"], LISTENER_PHASE="offset")
    ears.play(recording(ROOSTER))
    journal.wait_for(LISTENER_LABEL="rooster", LISTENER_PHASE="onset")
    assert running.property(UNIT, "MainPID") == main
    assert running.property(UNIT, "NRestarts") == "0"
    assert status(running)[0] == 0


def test_a_hanging_program_is_started_again(
    running: Machine, journal: Journal, ears: Ears, recording: Callable[..., Path]
) -> None:
    ears.play(recording(SIREN, repeats=6))
    onset = journal.wait_for(LISTENER_LABEL="siren", LISTENER_PHASE="onset")
    running.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", UNIT)
    journal.wait_for("Watchdog timeout")
    journal.wait_for("(most recent call first)")  # where each thread stood
    running.wait_until(UNIT, "NRestarts", lambda value: value == "1")
    running.wait_until(UNIT, "ActiveState", lambda value: value == "active")
    with running.journal(f"--unit={UNIT}") as everything:
        everything.wait_for(LISTENER_EVENT_ID=onset["LISTENER_EVENT_ID"], LISTENER_PHASE="offset")
    code, told = status(running)
    assert (code, "restarts  1" in told) == (0, True)


def test_a_microphone_that_comes_later(
    installed: Machine, ears: Ears, recording: Callable[..., Path]
) -> None:
    """It is ready without one, says what it waits for, and hears as soon as it is there."""
    ears.take_away()
    installed.run("rm", "-r", "/etc/listener/secrets")  # which is no reason not to listen, either
    installed.run("systemctl", "restart", UNIT)
    assert installed.property(UNIT, "ActiveState") == "active"
    code, told = status(installed)
    assert code == 0
    assert "says      waiting for 'mic', not seen yet" in told
    ears.give_back()
    installed.wait_until(UNIT, "StatusText", lambda text: text.startswith("listening"))
    with installed.journal(*this_run(installed)) as journal:
        ears.play(recording(ROOSTER))
        journal.wait_for(LISTENER_LABEL="rooster", LISTENER_PHASE="onset")
    installed.run("systemctl", "stop", UNIT)


PROBE = """\
#!/bin/sh
# What may an action do?
try() { name=$1; shift; "$@" >/dev/null 2>&1 && echo "$name: yes" || echo "$name: no"; }
{
    try home ls /home/somebody
    try root ls /root
    try etc sh -c "echo x >>/etc/probe"
    try opt sh -c "echo x >>/opt/listener/probe"
    try secrets cat /etc/listener/secrets/token
    try null sh -c "echo x >/dev/null"
    try memory head -c 1 /dev/mem
    try disk mknod disk b 8 0
    try setuid sh -c "cp /bin/true t && chmod u+s t"
    try others ls /proc/1/status
    try namespace unshare --user true
    try own sh -c "echo x >probe"
    try tmp sh -c "echo x >/tmp/probe"
    try shared ls /tmp/shared
    try clips sh -c "echo x >/srv/clips/probe"
    echo "token: $1"
    echo "user: $(id -u)"
} >probed.new
mv probed.new probed
"""
WITH_PROBE = """\
actions:
  - {use: log}
  - use: command
    labels: [rooster]
    run: [/opt/probe, !file '${CREDENTIALS_DIRECTORY}/secrets_token']
"""
# As the unit's comments have it.
OPENED = """\
[Service]
ProtectHome=read-only
ProtectProc=default
BindPaths=/tmp/shared
ReadWritePaths=/srv/clips
"""


@pytest.fixture
def probe(installed: Machine) -> None:
    """The probe, what it tries to reach, and a secret for it that only root can read."""
    installed.write("/opt/probe", PROBE)
    installed.run("chmod", "755", "/opt/probe")
    installed.write("/etc/listener/secrets/token", "open-sesame\n")
    installed.run("chmod", "600", "/etc/listener/secrets/token")
    installed.run("mkdir", "-p", "/home/somebody", "/tmp/shared", "/srv/clips")
    installed.run("chgrp", "audio", "/srv/clips")
    installed.run("chmod", "775", "/srv/clips")
    installed.run("rm", "-f", f"{STATE}/probed")


@pytest.fixture
def opened(installed: Machine) -> Iterator[None]:
    """A user's drop-in that takes back some of the hardening."""
    path = f"/etc/systemd/system/{UNIT}.d/user.conf"
    installed.write(path, OPENED)
    installed.run("systemctl", "daemon-reload")
    yield
    installed.run("rm", path)
    installed.run("systemctl", "daemon-reload")


@pytest.mark.usefixtures("probe")  # before the service starts
@pytest.mark.parametrize("config", [WITH_PROBE], ids=["probe"])
def test_what_an_action_may_do(
    running: Machine, journal: Journal, ears: Ears, recording: Callable[..., Path]
) -> None:
    """It reads its secret and writes to its own folder; what the unit says that it forbids, it forbids."""
    ears.play(recording(ROOSTER))
    probed = answers_of_probe(running)
    assert probed.pop("token") == "open-sesame"
    assert int(probed.pop("user")) > 0
    assert {name for name, answer in probed.items() if answer == "yes"} == {"null", "own", "tmp"}
    assert "open-sesame" not in "\n".join(journal.told)


@pytest.mark.usefixtures("probe", "opened")  # before the service starts
@pytest.mark.parametrize("config", [WITH_PROBE], ids=["probe"])
def test_what_a_drop_in_opens_again(running: Machine, ears: Ears, recording: Callable[..., Path]) -> None:
    ears.play(recording(ROOSTER))
    can = {name for name, answer in answers_of_probe(running).items() if answer == "yes"}
    assert can == {"null", "own", "tmp", "home", "others", "shared", "clips"}


def answers_of_probe(machine: Machine) -> dict[str, str]:
    """Wait for the probe's answers."""
    machine.wait_for_file(f"{STATE}/probed")
    lines = machine.run("cat", f"{STATE}/probed").stdout.splitlines()
    return dict(line.split(": ") for line in lines)


def test_uninstall_leaves_the_users_files(installed: Machine) -> None:
    installed.run(PROGRAM, "service", "uninstall")
    assert installed.property(UNIT, "LoadState") == "not-found"
    installed.run("test", "-e", CONFIG)
    code, told = status(installed)
    assert (code, told) == (1, "listener: listener.service is not installed: listener service install\n")
    installed.run(PROGRAM, "service", "uninstall")
    installed.run(PROGRAM, "service", "install")
    assert installed.property(UNIT, "ActiveState") == "active"
    assert installed.property(UNIT, "UnitFileState") == "enabled"
