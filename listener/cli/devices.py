"""``listener devices``: which microphones there are."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from listener.sources.portaudio import DeviceInfo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def devices(as_json: bool) -> None:
    """Show the microphones as each back end sees them, and whether they open."""
    from listener.errors import DeviceError
    from listener.sources.devices import NO_MICROPHONE, list_devices
    from listener.sources.portaudio import BACKENDS

    found: list[DeviceInfo] = []
    problems: dict[str, None] = {}
    for backend in BACKENDS:
        try:
            found += list_devices([backend], probe=True)
        except DeviceError as error:
            problems[str(error)] = None
    if as_json:
        click.echo(json.dumps([asdict(device) for device in found], indent=2, ensure_ascii=False))
    elif found:
        _print_table(found)
    if not found:
        raise DeviceError(next(iter(problems), NO_MICROPHONE))
    for problem in problems:
        click.echo(f"listener: {problem}", err=True)


def _print_table(found: "Sequence[DeviceInfo]") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("back end", "index", "name", "channels", "rate (Hz)", "opens", box=None)
    for column in ("index", "channels", "rate (Hz)"):
        next(each for each in table.columns if each.header == column).justify = "right"
    for device in found:
        table.add_row(
            device.backend,
            str(device.index),
            escape(device.name) + (" [bold](default)[/]" if device.default else ""),
            str(device.channels),
            str(device.default_rate_hz),
            "yes" if device.opens else f"no: {escape(device.problem or '')}",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 1_000  # a name that is cut or wrapped is of no use to another program
    console.print(table)
