"""What a call may ask the process that runs user code to do; the same for every server.

Imported by programs that run in the servers' own environments: standard library only.
"""

import ctypes
import os
import time


def do(what: str) -> int:
    """Do it, or die of it; return the pid of this process."""
    if what.startswith("sleep "):
        time.sleep(float(what.removeprefix("sleep ")))
    elif what == "exit":
        os._exit(3)
    elif what == "segfault":
        ctypes.string_at(0)
    return os.getpid()
