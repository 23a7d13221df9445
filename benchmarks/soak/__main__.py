"""``python -m benchmarks.soak``: let the engine live through days of trouble, and see what is left.

One microphone gives its sound as fast as the model takes it, another one beside it as time
goes by; both go wrong in every way, again and again. All of it follows from the seed.
"""

import argparse
import faulthandler
import logging
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from listener.cli import TORCH_SETTINGS

# Before torch is imported: what the program sets.
os.environ |= {"OMP_NUM_THREADS": "1", **TORCH_SETTINGS}

import torch

from benchmarks.soak.findings import findings
from benchmarks.soak.meter import Sample, look
from benchmarks.soak.report import save, table
from benchmarks.soak.rig import RELOAD_EVERY_S, Rig
from listener.resources import bundled_models

N_SAMPLES = 200
"""How often the process is looked at."""

LOOK_EVERY_S = 0.25
HANGS_S = 300.0
"""If sound has not moved for so long, it never will."""

PACED_S = 120.0


def main() -> None:
    """Run the soak of the command line; exit with 1 if a criterion is not met."""
    arguments = _arguments()
    logging.basicConfig(
        filename=arguments.log, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
    before = set(threading.enumerate())
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="listener-soak-") as folder:
        rig = Rig(bundled_models() / "household.pt", arguments.hours, arguments.seed, Path(folder))
        samples = run(rig, arguments.paced_s)
    elapsed_s = time.monotonic() - began_at
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    found = findings(rig, samples, left)
    print(*table(found), sep="\n")
    if arguments.save:
        print(f"saved as {save(found, samples, arguments.hours, arguments.seed, elapsed_s)}")
    failed = [finding.what for finding in found if not finding.met]
    if failed:
        print(f"not met: {', '.join(failed)}; again with --hours {arguments.hours:g} --seed {arguments.seed}")
    sys.exit(1 if failed else 0)


def run(rig: Rig, paced_s: float) -> list[Sample]:
    """Run to the end of the sound that is not paced, and ``paced_s`` seconds at the least."""
    samples: list[Sample] = []
    began_at = moved_at = time.monotonic()
    position_s = 0.0
    reload_at_s = every_s = min(RELOAD_EVERY_S, rig.duration_s / 4)
    rig.pipeline.start(wait_for_sources=True)
    try:
        while not (rig.is_through and time.monotonic() - began_at >= paced_s):
            if rig.pipeline.done.wait(LOOK_EVERY_S):
                rig.pipeline.raise_failure()
            if rig.simulated_s > position_s or rig.is_through:
                position_s, moved_at = rig.simulated_s, time.monotonic()
            elif time.monotonic() - moved_at > HANGS_S:
                faulthandler.dump_traceback(all_threads=True)
                raise TimeoutError(f"nothing has moved for {HANGS_S:g} s at {position_s:.1f} s")
            progress = rig.simulated_s / rig.duration_s
            if progress >= len(samples) / N_SAMPLES and len(samples) <= N_SAMPLES:
                samples.append(look(progress))
                _tell(samples[-1], rig, time.monotonic() - began_at)
            if rig.simulated_s >= reload_at_s and not rig.is_through:
                reload_at_s += every_s
                rig.reload()
    finally:
        rig.stop()
    return samples


def _tell(sample: Sample, rig: Rig, elapsed_s: float) -> None:
    print(
        f"{elapsed_s:7.1f} s  {rig.simulated_s / 3600:7.3f} h  {sample.rss_mib:7.1f} MiB  "
        f"{sample.n_files} files  {sample.n_threads} threads  "
        f"{rig.told.counts.total()} events  {rig.reloads} reloads",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of sound for the unpaced microphone")
    parser.add_argument("--seed", type=int, default=1, help="of all that happens")
    parser.add_argument("--paced-s", type=float, default=PACED_S, help="least duration of the paced part")
    parser.add_argument("--log", default=os.devnull, help="file for the program's own log")
    parser.add_argument(
        "--save", action="store_true", help="keep the result, and put it into docs/reliability.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
