"""The work in a loop, without any server: `bare.py WORK SECONDS`. Prints one JSON object.

What the CPU-bound cases are measured against: no service can be faster than this.
"""

import json
import resource
import sys
import time

from work import WORKS


def main() -> None:
    """Work for SECONDS; say what came of it."""
    work, seconds = WORKS[sys.argv[1]], float(sys.argv[2])
    durations_s = []
    began = now = time.monotonic()
    while now < began + seconds:
        work(b"hello")
        durations_s.append(time.monotonic() - now)
        now = time.monotonic()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "seconds": now - began,
        "durations_s": durations_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "max_rss_kib": usage.ru_maxrss,
    }
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main()
