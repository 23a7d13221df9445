"""What ``listener service`` does, as a list of steps that can be shown before they are taken."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from listener.errors import ServiceError
from listener.files import whole_file
from listener.resources import default_config
from listener.service.manager import ServiceManager
from listener.service.places import UNIT_NAME, Places
from listener.service.unit import Origin, origin


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do."""

    text: str
    """What it is, in words that a dry run can show."""

    take: Callable[[], None]
    """Do it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, in their order."""

    steps: tuple[Step, ...]
    """What to do; taken one after the other, up to the first that fails."""

    left: tuple[str, ...] = ()
    """What is there, and stays."""


def plan_install(text: str, places: Places, manager: ServiceManager, force: bool = False) -> Plan:
    """Plan how the unit comes to be there, enabled and running. Done twice, it changes nothing.

    Parameters
    ----------
    text
        The unit.
    places
        Where it goes, and where its configuration lies.
    manager
        Who runs it.
    force
        Whether a unit that somebody changed or wrote may be replaced.

    Raises
    ------
    ServiceError
        There is such a unit, and no ``force``.
    """
    _refuse_foreign(places.unit, force)
    steps, left = list[Step](), list[str]()
    if places.config.exists():
        left.append(f"{places.config} is there already: it is used as it is")
    else:
        steps.append(
            Step(f"write {places.config} (the shipped configuration)", lambda: _write_config(places.config))
        )
    secrets = places.secrets
    if secrets is not None and not secrets.exists():
        steps.append(Step(f"make {secrets}/ (for root's eyes only)", lambda: _make_folder(secrets, 0o700)))
    changed = not places.unit.exists() or places.unit.read_text(encoding="utf-8", errors="replace") != text
    if changed:
        steps.append(Step(f"write {places.unit}", lambda: _write(places.unit, text)))
        steps.append(_systemctl(manager, "daemon-reload"))
    steps.append(_systemctl(manager, "enable", UNIT_NAME))
    steps.append(_start(manager, "restart" if changed else "start"))
    if places.drop_ins.is_dir():
        left.append(f"{places.drop_ins}/ changes the unit: it is left as it is")
    return Plan(tuple(steps), tuple(left))


def plan_uninstall(places: Places, manager: ServiceManager, force: bool = False) -> Plan:
    """Plan how the unit goes: what the user wrote, or the daemon heard, stays.

    Parameters
    ----------
    places, manager, force
        As for `plan_install`.

    Raises
    ------
    ServiceError
        Somebody changed the unit or wrote it, and no ``force``.
    """
    left = [f"{path} is left" for path in _what_stays(places) if path.exists()]
    if origin(places.unit) is Origin.ABSENT:
        return Plan((), tuple(left))
    _refuse_foreign(places.unit, force)
    steps = (
        _systemctl(manager, "disable", "--now", UNIT_NAME),
        Step(f"remove {places.unit}", places.unit.unlink),
        _systemctl(manager, "daemon-reload"),
    )
    return Plan(steps, tuple(left))


def _what_stays(places: Places) -> tuple[Path, ...]:
    secrets = (places.secrets,) if places.secrets is not None else ()
    return (places.config, *secrets, places.drop_ins)


def _refuse_foreign(unit: Path, force: bool) -> None:
    found = origin(unit)
    if force or found in (Origin.ABSENT, Origin.WRITTEN):
        return
    was = (
        "was changed by hand" if found is Origin.CHANGED else "was not written by `listener service install`"
    )
    raise ServiceError(
        f"{unit} {was}: move the changes to a drop-in (systemctl edit), or give them up with --force"
    )


def _systemctl(manager: ServiceManager, *arguments: str) -> Step:
    return Step(f"run {manager.line(*arguments)}", lambda: manager.call(*arguments))


def _start(manager: ServiceManager, verb: str) -> Step:
    def start() -> None:
        try:
            manager.call(verb, UNIT_NAME)
        except ServiceError as error:
            why = manager.why() or error
            raise ServiceError(f"{UNIT_NAME} does not start: {why}; more: {manager.log_line()}") from error

    return Step(f"run {manager.line(verb, UNIT_NAME)}", start)


def _write_config(path: Path) -> None:
    _write(path, default_config().read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> None:
    _make_folder(path.parent, 0o755)
    try:
        with whole_file(path) as half_written:
            half_written.write_text(text, encoding="utf-8")
            # Whatever the umask: the service is another user.
            half_written.chmod(0o644)
    except OSError as error:
        raise ServiceError(f"{path} cannot be written: {error.strerror or error}") from error


def _make_folder(path: Path, mode: int) -> None:
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir()
            folder.chmod(mode if folder == path else 0o755)
    except OSError as error:
        raise ServiceError(f"{path} cannot be made: {error.strerror or error}") from error
