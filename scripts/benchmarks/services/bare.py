"""The work in a loop, without any server: `bare.py WORK SECONDS`. Prints one JSON object.

What the CPU-bound cases are measured against: no service can be faster than this.
"""

import json
import re
import sys
import time
from pathlib import Path

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
    # Not getrusage's maximum: that goes back to before this program was executed.
    (rss_kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    measured = {
        "seconds": now - began,
        "durations_s": durations_s,
        "cpu_s": time.process_time(),
        "max_rss_kib": int(rss_kib),
    }
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main()
