"""What our supervisor tells our worker that version 1 has no field for: variables, and a signal.

A worker started by anybody else finds none of them and uses its defaults.
"""

import signal
from typing import Final

NUMBER: Final = "AIGES_WORKER_NUMBER"
"""Which of the service's workers it is, from 1; wrappers may pick a port or a device by it."""

GPUS: Final = "CUDA_VISIBLE_DEVICES"
"""The GPUs that a worker gets, where the supervisor deals them out; CUDA's own name."""

CONCURRENCY: Final = "AIGES_WORKER_CONCURRENCY"
"""How many calls run in user code at once: a decimal number, at least 1."""

STOP_GRACE: Final = "AIGES_WORKER_STOP_GRACE"
"""Seconds, as decimal text, that `wrapperFini` may take after Shutdown."""

DRAINED_STDOUT: Final = "AIGES_WORKER_DRAINED_STDOUT"
"""`1`: the host reads stdout to its end, so user output may go there after the handshake line."""

DUMP_SIGNAL: Final = signal.SIGUSR2
"""What makes our worker write the stacks of all its threads to stderr, even one that hangs in C."""
