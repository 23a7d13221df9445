"""``python -m benchmarks``: measure everything, side by side, and print what was found."""

import argparse
import os
import tempfile
import warnings
from pathlib import Path

from listener.cli import TORCH_SETTINGS

# Before torch is imported: one thread for both sides, and for the engine what the program sets.
os.environ |= {"OMP_NUM_THREADS": "1", **TORCH_SETTINGS}

import torch

from benchmarks import (
    actions,
    camera,
    cost,
    decode,
    export,
    features,
    features_in_training,
    model,
    reaction,
    report,
    startup,
)
from benchmarks.findings import FULL, QUICK, Finding
from benchmarks.timing import pin
from listener.resources import bundled_models

BENCHMARKS = {
    module.GROUP: module.measure
    for module in (
        decode,
        features,
        features_in_training,
        model,
        export,
        cost,
        reaction,
        actions,
        camera,
        startup,
    )
}


def main() -> None:
    """Run the benchmarks of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see whether everything runs")
    parser.add_argument("--only", choices=BENCHMARKS, help="run one of them")
    parser.add_argument("--save", action="store_true", help=f"keep the result under {report.RESULTS}")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL

    load_before = os.getloadavg()
    print(f"{report.cpu_name()}, core {pin()}, load average {load_before[0]:.1f}", flush=True)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="listener-bench-") as folder:
        for group, measure in BENCHMARKS.items():
            if arguments.only in (None, group):
                found = measure(effort, Path(folder), bundled_models() / "household.pt")
                print(*report.lines(found), "", sep="\n", flush=True)
                findings += found
    if arguments.save:
        print(f"saved as {report.save(findings, effort, load_before)}")


if __name__ == "__main__":
    main()
