"""The one that feeds: it sees every kind of defect, and feeds the same input again."""

from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.broken import WAYS
from tests.fuzz.feeder import random_of
from tests.fuzz.kinds import target_of

SEED = 1
N_INPUTS = 16


def test_no_defect_goes_unseen(tmp_path: Path) -> None:
    target = target_of("broken", tmp_path)
    ways = [target.make(random_of("broken", SEED, i)).files["way"].decode() for i in range(N_INPUTS)]
    assert set(ways) == set(WAYS), "another seed or more inputs would show them all"
    outcome = campaign.run("broken", SEED, range(N_INPUTS), tmp_path)
    ended = {
        "crash": "the process ended with -11",
        "hang": "Timeout (0:00:01)!",
        "raise": "ZeroDivisionError",
    }
    for way, sign in {**ended, "devour": "MemoryError"}.items():
        index = ways.index(way)
        (told,) = [defect for defect in outcome.defects if defect.startswith(f"input {index} ")]
        assert sign in told
        (kept,) = tmp_path.glob(f"*/broken-{SEED}-{index}/way")
        assert kept.read_text() == way


def test_an_input_is_the_same_each_time(tmp_path: Path) -> None:
    again = []
    for run in ("first", "second"):
        outcome = campaign.run("bundle", SEED, range(3, 4), tmp_path / run)
        assert not outcome.defects
        (inputs,) = (tmp_path / run).glob("*/inputs")
        again.append({path.name: path.read_bytes() for path in inputs.iterdir()})
    assert again[0] == again[1]
