"""Files that travel with the program: the shipped configuration, the bundles, the systemd units.

An installed wheel carries them in ``listener/share``. In a checkout they lie at the
root of the repository, where people look for them, and `pyproject.toml` maps the one
to the other.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def default_config() -> Path:
    """The shipped ``config.yaml``: every key with its default."""
    return _resource("config.yaml")


def bundled_models() -> Path:
    """The folder of the bundles that come with the program."""
    return _resource("models")


def systemd_units() -> Path:
    """The folder of the systemd units."""
    return _resource("systemd")


def _resource(name: str) -> Path:
    installed = _PACKAGE / "share" / name
    return installed if installed.exists() else _PACKAGE.parent / name
