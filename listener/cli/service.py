"""``listener service``: the program under systemd."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener.errors import ServiceError

if TYPE_CHECKING:
    from listener.service import Installation, Places, Plan, Scope, ServiceManager, ServiceState

N_LOG_LINES = 5


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--force", is_flag=True, help="Also where a unit was changed by hand, or cannot work."),
        click.option("--print", "dry_run", is_flag=True, help="Show what would be done, and do nothing."),
        _user_option,
    ):
        command = option(command)
    return command


_user_option = click.option("--user", is_flag=True, help="This user's service, not the machine's.")


@click.group()
def service() -> None:
    """Let systemd run it: from boot on, watched, started again."""


@service.command()
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Configuration; without it /etc/listener/config.yaml, with --user ~/.config/listener/config.yaml.",
)
@_options
def install(config_path: Path | None, user: bool, dry_run: bool, force: bool) -> None:
    """Write the unit for this installation, enable and start it."""
    from listener.service import Installation, plan_install, render

    scope, places, manager = _service(user, config_path)
    installation = Installation.current()
    text = render(scope, installation.program, places.config)
    if dry_run:
        click.echo(text, nl=False)
    problem = _obstacle(manager, installation, places, force)
    if not dry_run:
        _refuse(problem or _not_allowed(scope))
    plan = plan_install(text, places, manager, force)
    _take(plan, dry_run)
    if dry_run:
        _refuse(problem)
        return
    _tell_what_to_know(scope, places, manager)


@service.command()
@_options
def uninstall(user: bool, dry_run: bool, force: bool) -> None:
    """Stop the service and remove its unit; the configuration and what was recorded stay."""
    from listener.service import plan_uninstall

    scope, places, manager = _service(user)
    if not dry_run:
        _refuse(manager.problem() or _not_allowed(scope))
    plan = plan_uninstall(places, manager, force)
    if not plan.steps:
        click.echo(f"{places.unit} is not there: nothing to remove")
    _take(plan, dry_run)


@service.command()
@_user_option
def status(user: bool) -> None:
    """Show how the service is doing; exit code 0 if it is running, 1 if not."""
    from listener.service import read_state

    _, places, manager = _service(user)
    _refuse(manager.problem())
    state = read_state(manager)
    if state.installed:
        _show(state, manager.log(N_LOG_LINES))
        if not state.running:
            _refuse(f"{places.unit.name} is not running: {state.text}; more: {manager.log_line()}")
        return
    _refuse(f"{places.unit.name} is not installed: listener service install{' --user' if user else ''}")


def _service(user: bool, config_path: Path | None = None) -> "tuple[Scope, Places, ServiceManager]":
    from dataclasses import replace

    from listener.service import Places, Scope, ServiceManager

    scope = Scope.USER if user else Scope.SYSTEM
    places = Places.of(scope)
    if config_path is not None:
        places = replace(places, config=Path(os.path.abspath(config_path)))  # noqa: PTH100
    return scope, places, ServiceManager(scope)


def _obstacle(
    manager: "ServiceManager", installation: "Installation", places: "Places", force: bool
) -> str | None:
    """Say why the service could not run; None: it can."""
    from listener.service import Scope

    problem = manager.problem()
    if problem is None and manager.scope is Scope.SYSTEM and not force:
        problem = installation.out_of_sight(places.config)
    return problem


def _not_allowed(scope: "Scope") -> str | None:
    """Say why this user cannot do it, and who can; None: this one can."""
    from listener.service import Installation, Scope

    root = os.geteuid() == 0
    arguments = click.get_current_context().command_path.split()[1:] + _given()
    if scope is Scope.SYSTEM and not root:
        line = shlex.join(["sudo", str(Installation.current().program), *arguments])
        return f"only root may change the system's services: {line} (or --user for your own)"
    if scope is Scope.USER and root and os.environ.get("SUDO_USER"):
        return f"with sudo it would be root's service, not {os.environ['SUDO_USER']}'s: without sudo, please"
    return None


def _given() -> list[str]:
    """Give the options of the running command as they were typed."""
    context = click.get_current_context()
    given = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value is not None and value is not False and parameter.name in context.params:
            given += [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
    return given


def _take(plan: "Plan", dry_run: bool) -> None:
    for step in plan.steps:
        # On standard error in a dry run: standard output is the unit, and nothing else.
        click.echo(f"would {step.text}" if dry_run else step.text, err=dry_run)
        if not dry_run:
            step.take()
    for what in plan.left:
        click.echo(what, err=dry_run)


def _tell_what_to_know(scope: "Scope", places: "Places", manager: "ServiceManager") -> None:
    from listener.service import Scope

    click.echo(f"running: it reads {places.config}; its log: {manager.log_line()}")
    if scope is Scope.SYSTEM:
        click.echo("it sees no home folder, no camera and not the internet: the unit says how to open them")
    elif not manager.lingers():
        click.echo("it ends when you log out; to let it run from boot on: loginctl enable-linger")


def _show(state: "ServiceState", log: list[str]) -> None:
    since = f" since {state.since}" if state.since else ""
    click.echo(f"state     {state.text}{since}")
    if state.status:
        click.echo(f"says      {state.status}")
    click.echo(f"enabled   {'yes' if state.enabled else 'no'}")
    click.echo(f"restarts  {state.restarts}")
    click.echo(f"unit      {state.unit}" + (f", changed by {state.drop_ins}" if state.drop_ins else ""))
    for line in log:
        click.echo(f"  {line}")


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise ServiceError(problem)
