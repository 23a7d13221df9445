"""The broker, for the tests of this folder."""

from tests.broker import broker, certificates

__all__ = ["broker", "certificates"]
