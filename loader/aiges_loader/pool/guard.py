"""The parent of a worker, which lets nothing of it outlive the supervisor.

A guard forks and executes the worker, adopts all that the worker's descendants leave behind (it is
a subreaper), tells the supervisor how the worker ended, and kills everything below it as soon as
the worker ends or the supervisor closes its end of the guard's channel, however it came to close
it. A guard ends when the kernel says that it has no child left and not before, so its end means
that nothing of the worker's tree runs.

Standard library only, one thread; see nursery.py for where guards come from.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct

from aiges_loader.pool.process_tree import IDLE_PAUSE_MS, Below, die_with_parent, send

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone would cost each guard a megabyte
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final

MESSAGE: Final = struct.Struct("!cii")
"""What a guard writes to its channel, a socket of sequenced packets: a kind and two numbers."""

STARTED: Final = b"S"  # the worker's pid, the guard's pid
REFUSED: Final = b"R"  # an errno, the step that failed: `PLACE_CPUS` ..., 0 if none of these
EXITED: Final = b"E"  # an exit status, or the negative number of the signal that ended the worker

PLACE_CPUS: Final = 1
PLACE_NICE: Final = 2
PLACE_LIMIT: Final = 3
"""Steps of placing a worker; the number of the limit at fault is added to the last."""

_IGNORED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
"""Nobody has a reason to send these to a guard; they must not end one."""


class Bell:
    """Rings when a signal comes, for `select.poll`."""

    def __init__(self) -> None:
        self._reads, writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, nothing)
        for number in _IGNORED:
            signal.signal(number, nothing)
        self.poll = select.poll()
        self.poll.register(self._reads, select.POLLIN)

    def wait(self, pause_ms: int | None) -> set[int]:
        """Wait for a signal, a registered descriptor or the time; return what is ready."""
        ready = {fd for fd, _ in self.poll.poll(pause_ms)}
        if self._reads in ready:
            os.read(self._reads, 4096)
        return ready


_REFUSAL: Final = struct.Struct("!ii")  # an errno, a step: from a child that could not execute


def nothing(number: int, frame: object) -> None:
    """Handle a signal; unlike an ignored one, it is not handed down to the worker."""


class RefusedError(Exception):
    """The worker was not executed: an errno, and the step that failed."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.number = number
        self.step = step


class Guard:
    """The parent of one worker."""

    def __init__(self, channel: socket.socket) -> None:
        """Get ready for a worker; `channel` leads to the supervisor."""
        self._channel = channel
        self._below = Below()
        self._bell = Bell()
        self._worker = 0
        self._worker_ended = False
        self._hung_up = False

    def run(self, start: Callable[[], int]) -> None:
        """Start the worker with `start`; return when nothing of it is left."""
        try:
            self._worker = start()
        except RefusedError as refusal:
            tell(self._channel, REFUSED, refusal.number, refusal.step)
            return
        tell(self._channel, STARTED, self._worker, os.getpid())
        signal.signal(signal.SIGTERM, self._forward)
        self._bell.poll.register(self._channel, select.POLLIN)
        pause_ms: int | None = 0
        while True:
            if self._channel.fileno() in self._bell.wait(pause_ms):
                self._hung_up = True  # nothing is ever sent to us: it is the end
                self._bell.poll.unregister(self._channel)
            if not self._reap():
                return
            pause_ms = None
            if self._hung_up or self._worker_ended:
                pause_ms = self._below.kill() or IDLE_PAUSE_MS

    def _reap(self) -> bool:
        """Bury the children that have ended; say whether any is left.

        The worker stays a zombie until the supervisor has hung up: so long its pid, which is
        also its group's, means nobody else.
        """
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if ended is None:
                return True
            if ended.si_pid == self._worker and not self._worker_ended:
                self._worker_ended = True
                by_itself = ended.si_code == os.CLD_EXITED
                tell(self._channel, EXITED, ended.si_status if by_itself else -ended.si_status)
            if ended.si_pid == self._worker and not self._hung_up:
                return True
            os.waitpid(ended.si_pid, 0)

    def _forward(self, number: int, frame: object) -> None:
        if not self._worker_ended:
            send(os.killpg, self._worker, number)


def tell(channel: socket.socket, kind: bytes, first: int, second: int = 0) -> None:
    """Write one message to the supervisor, if it is there."""
    try:
        channel.send(MESSAGE.pack(kind, first, second))
    except OSError:
        return  # the supervisor is gone; the end of the channel says so too


class Order:
    """A worker to be started."""

    def __init__(self, outputs: Sequence[int], count: int, body: bytes) -> None:
        """Take a request apart, as nursery.REQUEST describes it.

        Args:
            outputs: Descriptors to become the worker's stdout and stderr.
            count: How many of the items are arguments.
            body: The items.
        """
        folder, cpus, nice, limits, *items = body.split(b"\0")[:-1]
        self._outputs = outputs
        self._folder = folder
        self._cpus = [int(cpu) for cpu in cpus.split()]
        self._nice = int(nice)
        self._limits = [int(number) for number in limits.split()]
        self._arguments = items[:count]
        self._step = 0
        self._environ = {name: value for name, _, value in _pairs(items[count:])}

    def start(self) -> int:
        """Fork and execute; return the pid, or raise RefusedError as the child met it."""
        us = os.getpid()
        reads, writes = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            try:
                self._become_worker(us)
            except OSError as error:
                os.write(writes, _REFUSAL.pack(error.errno or 0, self._step))
            finally:
                os._exit(127)
        for fd in (writes, *self._outputs):
            os.close(fd)
        failure = os.read(reads, _REFUSAL.size)
        os.close(reads)
        if failure:
            os.waitpid(pid, 0)
            raise RefusedError(*_REFUSAL.unpack(failure))
        return pid

    def _become_worker(self, parent: int) -> None:
        os.setsid()
        die_with_parent()
        if os.getppid() != parent:
            os._exit(127)
        for fd, output in zip((1, 2), self._outputs, strict=True):
            os.dup2(output, fd)
        os.chdir(self._folder)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by every Python
            signal.signal(number, signal.SIG_DFL)
        self._place()
        os.execvpe(self._arguments[0], self._arguments, self._environ)  # noqa: S606 - the command

    def _place(self) -> None:
        """Take our share of the machine; `_step` says meanwhile what is being tried."""
        if self._cpus:
            self._step = PLACE_CPUS
            os.sched_setaffinity(0, self._cpus)
        if self._nice:
            self._step = PLACE_NICE
            os.nice(self._nice)
        if self._limits:
            import resource  # noqa: PLC0415 - few workers have limits

            for number, value in zip(self._limits[::2], self._limits[1::2], strict=True):
                self._step = PLACE_LIMIT + number
                try:
                    resource.setrlimit(number, (value, value))
                except ValueError:  # how Python says that it is more than we may ask for
                    raise PermissionError(errno.EPERM, "") from None
        self._step = 0


def _pairs(items: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (item.partition(b"=") for item in items)
