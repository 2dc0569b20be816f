"""What our supervisor tells our worker that version 1 has no field for: variables, and a signal.

A worker started by anybody else finds none of them and uses its defaults.
"""

import signal
from typing import Final

CONCURRENCY: Final = "AIGES_WORKER_CONCURRENCY"
"""How many calls run in user code at once: a decimal number, at least 1."""

STOP_GRACE: Final = "AIGES_WORKER_STOP_GRACE"
"""Seconds, as decimal text, that `wrapperFini` may take after Shutdown."""

DRAINED_STDOUT: Final = "AIGES_WORKER_DRAINED_STDOUT"
"""`1`: the host reads stdout to its end, so user output may go there after the handshake line."""

DUMP_SIGNAL: Final = signal.SIGUSR2
"""What makes our worker write the stacks of all its threads to stderr, even one that hangs in C."""
