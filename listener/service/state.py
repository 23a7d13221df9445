"""How an installed service is doing."""

import time
from dataclasses import dataclass

from listener.service.manager import ServiceManager

PROPERTIES = (
    "LoadState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "ActiveState",
    "SubState",
    "Result",
    "StatusText",
    "ActiveEnterTimestamp",
    "ActiveEnterTimestampMonotonic",
    "StateChangeTimestamp",
    "StateChangeTimestampMonotonic",
    "NRestarts",
)

_RUNNING = ("active", "reloading")
_ALIVE = ("start", "running", "reload", "reload-signal", "reload-notify", "stop", "stop-sigterm")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What systemd says about the unit."""

    unit: str
    """Path of the unit; empty: there is none."""

    drop_ins: str
    """Paths of the drop-ins, separated by blanks."""

    enabled: bool
    """Whether it starts with the machine, or with the user's session."""

    active: str
    """``ActiveState``: active, reloading, inactive, failed, activating, deactivating."""

    sub: str
    """``SubState``: running, auto-restart, ..."""

    result: str
    """How the last run ended: success, exit-code, watchdog, ..."""

    status: str
    """What the daemon says of itself."""

    since: str
    """When the state began, as systemd writes it; empty: unknown."""

    for_s: float | None
    """For how long it has been so, in seconds; None: unknown."""

    restarts: int
    """How often systemd started it again since it was last started by hand."""

    @property
    def installed(self) -> bool:
        """Whether there is a unit."""
        return bool(self.unit)

    @property
    def running(self) -> bool:
        """Whether it is up: it said that it is ready, and has not ended."""
        return self.active in _RUNNING

    @property
    def text(self) -> str:
        """The state in plain words."""
        if not self.installed:
            return "not installed"
        if self.running:
            return "reloading" if self.active == "reloading" else "running"
        if self.sub == "auto-restart":
            return f"ended ({self.result}), about to be started again"
        if self.active == "failed":
            return f"failed ({self.result})"
        return {"activating": "starting", "deactivating": "stopping"}.get(self.active, "stopped")


def read_state(manager: ServiceManager) -> ServiceState:
    """Ask systemd.

    Raises
    ------
    ServiceError
        It does not answer.
    """
    found = manager.properties(PROPERTIES)
    is_there = found.get("LoadState", "not-found") != "not-found"
    active = found.get("ActiveState", "inactive")
    # A reload changes the state twice; it has been running since before.
    began = "ActiveEnterTimestamp" if active in _RUNNING else "StateChangeTimestamp"
    began_us = found.get(f"{began}Monotonic", "0")
    return ServiceState(
        unit=found.get("FragmentPath", "") if is_there else "",
        drop_ins=found.get("DropInPaths", ""),
        enabled=found.get("UnitFileState", "").startswith("enabled"),
        active=active,
        sub=found.get("SubState", ""),
        result=found.get("Result", ""),
        # What an ended program said last is no news.
        status=found.get("StatusText", "") if found.get("SubState") in _ALIVE else "",
        since=found.get(began, ""),
        for_s=_for_s(int(began_us)) if began_us.isdigit() else None,
        restarts=int(found["NRestarts"]) if found.get("NRestarts", "").isdigit() else 0,
    )


def _for_s(began_us: int) -> float | None:
    return max(0.0, time.monotonic() - began_us / 1e6) if began_us else None
