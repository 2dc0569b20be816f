"""Put load on sessions and say what came of it: `python scripts/session_load.py --help`."""

import sys

from benchmarks.session_load import main

if __name__ == "__main__":
    sys.exit(main())
