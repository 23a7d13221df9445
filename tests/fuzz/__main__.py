"""Feed made-up inputs by hand: ``python -m tests.fuzz KIND [--seed S] [--index I | --count N]``.

A single input (``--index``) is kept in the folder and shows its whole trace.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.feeder import INPUTS, feed_range, keep, random_of
from tests.fuzz.kinds import KINDS, target_of


def main() -> None:
    """Feed one input or many."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", type=int, help="feed this input alone")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, help="where inputs are kept; a temporary one unless told")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # torch writes a bundle in the order of a set
        again = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})
    output = (arguments.folder or Path(tempfile.mkdtemp(prefix="listener-fuzz-"))).absolute()
    (output / INPUTS).mkdir(parents=True)
    target = target_of(arguments.kind, output / INPUTS)
    if arguments.index is not None:
        made = target.make(random_of(arguments.kind, arguments.seed, arguments.index))
        keep(made, output, "")
        sys.stderr.write(f"input {arguments.index} is in {output}\n")
        sys.stdout.write("taken\n" if target.feed(made) else "refused\n")
        return
    indices = range(arguments.first, arguments.first + arguments.count)
    summary = feed_range(arguments.kind, target, arguments.seed, indices, output)
    sys.stdout.write(json.dumps(asdict(summary)))
    sys.exit(summary.failed > 0)


if __name__ == "__main__":
    main()
