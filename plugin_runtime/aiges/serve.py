"""`python -m aiges.serve`: be a worker. Started by a supervisor, not by hand."""

import os
import sys

from aiges_wire.handshake import COOKIE_KEY, COOKIE_VALUE

_BY_HAND = """\
This is a worker of aiges-loader; it is started by the supervisor and is of no use by itself.
To serve the wrapper in this folder run:  aiges-loader -m 0
To try the wrapper without a server run:  python wrapper.py
"""


def main() -> int:
    """Serve until told to stop; return the exit status. Without the host's cookie, say why not."""
    if os.environ.get(COOKIE_KEY) != COOKIE_VALUE:
        sys.stderr.write(_BY_HAND)
        return 1
    # Only now: the runtime imports grpc, and an answer to a wrong start should not wait for it.
    from aiges._runtime.main import run  # noqa: PLC0415

    return run(sys.argv[1:])


if __name__ == "__main__":
    # Threads that user code left running must not keep the process, so no ordinary exit.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
