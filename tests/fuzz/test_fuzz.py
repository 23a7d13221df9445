"""At least 100,000 made-up inputs: nothing but answers and refusals in words, no hang, no crash.

``LISTENER_FUZZ_SEED`` makes other inputs, ``LISTENER_FUZZ_FACTOR`` more of them.
"""

import os
from pathlib import Path

import pytest

from tests.fuzz import campaign

SEED = int(os.environ.get("LISTENER_FUZZ_SEED", "1"))
FACTOR = float(os.environ.get("LISTENER_FUZZ_FACTOR", "1"))

PARTS = {
    "config": (4, 6_500),
    "recording": (4, 10_000),
    "pcm": (2, 16_000),
    "bundle": (2, 1_250),
    "onnx": (1, 2_500),
}
"""Of each kind: how many parts, which are tests of their own as each test has its time, and their inputs."""

LEAST_SHARE = 0.05
"""Were less taken, or less refused, then the inputs would be no test."""


def test_there_are_enough() -> None:
    assert sum(n_parts * n_inputs for n_parts, n_inputs in PARTS.values()) >= 100_000


@pytest.mark.parametrize(
    ("kind", "part"),
    [(kind, part) for kind, (n_parts, _) in PARTS.items() for part in range(max(1, round(n_parts * FACTOR)))],
)
@pytest.mark.timeout(230)
def test_made_up_inputs(kind: str, part: int, tmp_path: Path) -> None:
    n_inputs = PARTS[kind][1]
    outcome = campaign.run(kind, SEED, range(part * n_inputs, (part + 1) * n_inputs), tmp_path)
    assert not outcome.defects, "\n".join(["", *outcome.defects])
    assert outcome.taken + outcome.refused == n_inputs
    assert outcome.taken > LEAST_SHARE * n_inputs
    assert outcome.refused > LEAST_SHARE * n_inputs
