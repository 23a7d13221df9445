"""The program as a systemd service: which unit, from which installation, how it is doing."""

from listener.service.installation import Installation
from listener.service.manager import ServiceManager
from listener.service.places import Places, Scope
from listener.service.plan import Plan, Step, plan_install, plan_uninstall
from listener.service.state import ServiceState, read_state
from listener.service.unit import render

__all__ = [
    "Installation",
    "Places",
    "Plan",
    "Scope",
    "ServiceManager",
    "ServiceState",
    "Step",
    "plan_install",
    "plan_uninstall",
    "read_state",
    "render",
]
