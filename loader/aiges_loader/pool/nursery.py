"""The parent of the guards: a small process beside the supervisor, which forks one for each worker.

    supervisor - - channel - - guard -- worker -- children
        |                        |
        +------- control ----- nursery

A forked guard costs 3 ms, one with an interpreter of its own took 22. The nursery ends when the
supervisor has gone and the last guard with it. What a guard that was killed by force leaves behind
is handed to the nursery, and killed here.

Run by `COMMAND` with a stream socket as stdin; standard library only, one thread.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import sys

from aiges_loader.pool.guard import REFUSED, Bell, Guard, Order, nothing, tell
from aiges_loader.pool.process_tree import Below, step_aside

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone would cost each guard a megabyte
    from typing import Final, NoReturn

COMMAND: Final = (
    *("-I", "-S", "-c"),
    "import sys; sys.path.append(sys.argv[1]); from aiges_loader.pool.nursery import main; main()",
    os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
)
"""For the interpreter. Imported, because what is run as a script is compiled at each start."""

REQUEST: Final = struct.Struct("!II")
"""Starts a request on the control socket: bytes that follow, how many of their items are arguments.

With it travel three descriptors: the guard's end of its channel, the worker's stdout and stderr.
The bytes are items, each ended by a NUL: the working directory, three items for the placement
(CPUs; what to add to the niceness; numbers and values of limits: decimal numbers, between blanks),
the arguments, then NAME=value.
"""


class Nursery:
    """The parent of the guards."""

    def __init__(self, control: socket.socket) -> None:
        """Serve the supervisor that holds the other end of `control`."""
        self._control = control
        self._below = Below()
        self._bell = Bell()
        self._hung_up = False
        self._strays = False  # a guard was killed, and what it kept may run

    def run(self) -> None:
        """Return when the supervisor is gone and so is all that it started."""
        signal.signal(signal.SIGTERM, nothing)  # the workers' end is the supervisor's business
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._bell.poll.register(self._control, select.POLLIN)
        pause_ms: int | None = None
        while True:
            if self._control.fileno() in self._bell.wait(pause_ms) and not self._take_order():
                self._hung_up = True
                self._bell.poll.unregister(self._control)
            if not self._reap() and self._hung_up:
                return
            pause_ms = self._below.kill() if self._strays else None
            self._strays = pause_ms is not None

    def _take_order(self) -> bool:
        """Fork a guard as asked; say whether the supervisor was there to ask."""
        head, fds, _, _ = socket.recv_fds(self._control, REQUEST.size, 3)
        if not head:
            return False
        for fd in fds:  # recv_fds ignores its flags in Python 3.11
            os.set_inheritable(fd, False)
        size, count = REQUEST.unpack(head)
        body = b""
        while len(body) < size:
            data = self._control.recv(size - len(body))
            if not data:
                return False
            body += data
        channel, *outputs = fds
        with socket.socket(fileno=channel) as to_supervisor:
            try:
                pid = os.fork()
            except OSError as error:  # too many processes
                tell(to_supervisor, REFUSED, error.errno or 0)
            else:
                if pid == 0:
                    self._become_guard(to_supervisor, Order(outputs, count, body))
                self._below.spared.add(pid)
        for fd in outputs:
            os.close(fd)
        return True

    def _reap(self) -> bool:
        """Bury the children that have ended; say whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self._below.spared:
                self._below.spared.remove(pid)
                self._strays = self._strays or status != 0

    def _become_guard(self, channel: socket.socket, order: Order) -> NoReturn:
        status = 1
        try:
            self._control.close()
            step_aside(b"aiges-guard")
            Guard(channel).run(order.start)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def main() -> None:
    """Be the nursery."""
    step_aside(b"aiges-nursery")
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # nothing that the supervisor left open goes on
    control = socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.get_exec_path()  # it imports something, once for all
    Nursery(control).run()
    os._exit(0)
