"""The program in a folder where a hardened unit sees it, as files to lay over a machine's own."""

import shutil
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import listener
from listener.resources import bundled_models, default_config, systemd_units

PROGRAM = "/opt/listener/bin/listener"
PACKAGES = "/opt/packages"
VMIC = "/run/vmic"

_SCRIPT = """\
#!/opt/listener/bin/python
from listener.cli import main
main()
"""


def lay_out_program(layer: Path) -> dict[Path, str]:
    """Install the program into ``/opt/listener`` of a layer, as pip would.

    Returns
    -------
    What has to be bound besides: what the program depends on is lent by the running environment.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path("/usr/bin") / version
    assert python.exists(), f"{python} is missing: what is in {sys.prefix} was built for it"
    home = layer / "opt/listener"
    packages = home / "lib" / version / "site-packages"
    share = packages / "listener/share"
    shutil.copytree(
        Path(listener.__file__).parent,
        packages / "listener",
        ignore=shutil.ignore_patterns("__pycache__", "share"),
    )
    shutil.copytree(bundled_models(), share / "models")
    shutil.copytree(systemd_units(), share / "systemd")
    shutil.copy(default_config(), share)
    _lay_out_metadata(packages)
    # A folder that a .pth names comes after this one, and its own .pth files do not count.
    (packages / "lent.pth").write_text(f"{PACKAGES}\n")
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(python)
    (home / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    (home / "bin/listener").write_text(_SCRIPT)
    (home / "bin/listener").chmod(0o755)
    return {Path(sysconfig.get_path("purelib")): PACKAGES}


def _lay_out_metadata(packages: Path) -> None:
    installed = distribution("listener")
    folder = packages / f"listener-{installed.version}.dist-info"
    folder.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (folder / name).write_text(installed.read_text(name) or "")
