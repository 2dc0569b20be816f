"""Reaps children that we never started: processes whose parents ended, and that came to us.

They come to process 1 of a container, and to whoever was started by `exec` in a script that had
started something before.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

RETRY_S: Final = 0.5
"""After so long we look again, if a child of our own was in the way."""


@contextmanager
def reaping(is_ours: Callable[[int], bool]) -> Iterator[None]:
    """Reap strangers as they end, on the running loop, which must be the main thread's.

    A child that is started and awaited without giving the loop a turn, as by `subprocess.run`, is
    never taken for one. Whoever awaits a child in any other way must be known to `is_ours`.

    Args:
        is_ours: Says whether somebody in this program waits for the child of that pid.
    """
    loop = asyncio.get_running_loop()

    def reap() -> None:
        if not reap_strangers(is_ours):
            loop.call_later(RETRY_S, reap)

    # Not by the loop, which keeps SIGCHLD for itself; and not in the handler, which may run
    # while `subprocess.run` waits.
    signal.signal(signal.SIGCHLD, lambda *_: loop.call_soon_threadsafe(reap))
    reap()  # some may have ended before
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def reap_strangers(is_ours: Callable[[int], bool]) -> bool:
    """Reap every stranger that has ended; return False if one of ours hid those behind it."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        if ended is None:
            return True
        if is_ours(ended.si_pid):
            return False
        os.waitpid(ended.si_pid, 0)
