"""Leave when the host dies: a worker without a supervisor must not outlive it."""

import os
import select
import stat
import threading
from collections.abc import Callable, Iterable


def watch(
    fds: Iterable[int], on_closed: Callable[[int], None], on_death: Callable[[], None]
) -> None:
    """Call `on_death` in a thread once the far end of all watched pipes among `fds` is gone.

    The host reads our stdout and stderr. When it dies, however it dies and whoever stands between
    us and it, the kernel reports an error on the writing ends. A host that closes one of the two
    by itself is still alive, so all must be gone; `on_closed` hears of each that is. Without any
    pipe there is nothing to watch: so a host that does not read us may die before us.
    """
    pipes = {fd for fd in fds if _is_pipe(fd)}
    if pipes:
        threading.Thread(
            target=_wait, args=(pipes, on_closed, on_death), name="host-watch", daemon=True
        ).start()


def _wait(pipes: set[int], on_closed: Callable[[int], None], on_death: Callable[[], None]) -> None:
    poll = select.poll()
    for fd in pipes:
        poll.register(fd, 0)  # errors are reported unasked
    while pipes:
        for fd, _ in poll.poll():
            poll.unregister(fd)
            pipes.discard(fd)
            if pipes:
                on_closed(fd)
    on_death()


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
