"""Run a command and print what it took, as JSON: ``python -m benchmarks.rusage COMMAND...``.

A process of its own, because the peak memory of a command counts from that of the process which
started it.
"""

import json
import os
import subprocess
import sys

KIB_PER_MIB = 1024


def main() -> None:
    """Run the command of the command line."""
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{sys.argv[1:]} failed: {complaint}")
    print(json.dumps({"cpu_s": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / KIB_PER_MIB}))


if __name__ == "__main__":
    main()
