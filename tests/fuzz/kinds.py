"""Everything that is fed."""

from tests.fuzz.bundles import Bundles
from tests.fuzz.configs import Configs
from tests.fuzz.target import Target

KINDS: dict[str, type[Target]] = {"config": Configs, "bundle": Bundles}
