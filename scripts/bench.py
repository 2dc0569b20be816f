"""Measure aiges-loader beside other servers: `python scripts/bench.py {run,start,idle,list,show}`.

docs/performance.md says what is measured and how to read it.
"""

import sys

from benchmarks.command_line import main

if __name__ == "__main__":
    sys.exit(main())
