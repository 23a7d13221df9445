"""Feed made-up inputs by hand: ``python -m tests.fuzz KIND [--seed S] [--index I | --count N]``.

A single input (``--index``) is written into the folder and replayed with its whole trace.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.feeder import feed_range, keep, random_of
from tests.fuzz.kinds import KINDS


def main() -> None:
    """Feed one input or many."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", type=int, help="replay this input alone")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, help="where failures are kept; a temporary one unless told")
    arguments = parser.parse_args()
    output = (arguments.folder or Path(tempfile.mkdtemp(prefix="listener-fuzz-"))).absolute()
    output.mkdir(parents=True, exist_ok=True)
    if os.environ.get("PYTHONHASHSEED") != "0":  # or a bundle would be another one in each process
        os.execve(sys.executable, [sys.executable, "-m", "tests.fuzz", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})
    with tempfile.TemporaryDirectory() as inputs:
        target = KINDS[arguments.kind](Path(inputs))
        if arguments.index is not None:
            made = target.make(random_of(arguments.kind, arguments.seed, arguments.index))
            keep(made, output, "")
            print(f"input in {output}", file=sys.stderr, flush=True)  # noqa: T201
            print("taken" if target.feed(made) else "refused")  # noqa: T201
            return
        indices = range(arguments.first, arguments.first + arguments.count)
        summary = feed_range(arguments.kind, target, arguments.seed, indices, output)
    print(json.dumps(asdict(summary)))  # noqa: T201
    sys.exit(summary.failed > 0)


if __name__ == "__main__":
    main()
