"""The processes between the supervisor and its workers, which let nothing outlive it.

Run by `COMMAND` with a stream socket as stdin; standard library only, one thread.
This process, the nursery, forks one guard for each request. The guard forks and executes the
worker, adopts all that the worker's descendants leave behind (it is a subreaper), tells the
supervisor how the worker ended, and kills everything below it as soon as the worker ends or the
supervisor closes its end of the guard's channel, however it came to close it. A guard ends when
the kernel says that it has no child left and not before, so its end means that nothing of the
worker's tree runs. What a guard killed by force leaves is adopted and killed by the nursery.

Forking is why there are two: a guard costs under a millisecond, an interpreter of its own twenty.

    supervisor - - channel - - guard -- worker -- children
        |                        |
        +------- control ----- nursery
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone would cost each guard a megabyte
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final, NoReturn

COMMAND: Final = (
    *("-I", "-S", "-c", "import sys; sys.path.append(sys.argv[1]); import guard; guard.main()"),
    os.path.dirname(__file__),
)
"""For the interpreter. Imported, because what is run as a script is compiled at each start."""

REQUEST: Final = struct.Struct("!II")
"""Starts a request on the control socket: bytes that follow, how many of their items are arguments.

With it travel three descriptors: the guard's end of its channel, the worker's stdout and stderr.
The bytes are items, each ended by a NUL: the working directory, the arguments, then NAME=value.
"""

MESSAGE: Final = struct.Struct("!cii")
"""What a guard writes to its channel, a socket of sequenced packets: a kind and two numbers."""

STARTED: Final = b"S"  # the worker's pid, the guard's pid
REFUSED: Final = b"R"  # an errno: the worker could not be executed
EXITED: Final = b"E"  # an exit status, or the negative number of the signal that ended the worker

FIRST_PAUSE_MS: Final = 1
LONGEST_PAUSE_MS: Final = 50
IDLE_PAUSE_MS: Final = 1000
"""Between two rounds of killing; the end of a child starts the next at once.

The last is for children that have ended or may not be killed.
"""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36

_IGNORED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
"""Nobody has a reason to send these to a guard; they must not end one."""

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Below:
    """Everything that descends from this process, except what is below `spared` children."""

    def __init__(self) -> None:
        """Become the one to whom descendants are handed when their parents end."""
        self.spared: set[int] = set()
        self._own = os.getpid()
        self._pause_ms = FIRST_PAUSE_MS
        if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "cannot become a child subreaper")

    def kill(self) -> int | None:
        """Kill all that runs now; return the milliseconds to the next round, None if none did.

        Whole process groups are killed at once, so that a process that forks in a loop cannot
        get away. None of the groups is ours, since a worker begins a session of its own.
        """
        found = self._find()
        for group in {group for _, group, _ in found} - {os.getpgrp()}:
            _send(os.killpg, group, signal.SIGKILL)
        killed = False
        for pid, _, runs in found:  # also one that has only lost its first thread
            killed = (_send(os.kill, pid, signal.SIGKILL) and runs) or killed
        self._pause_ms = min(2 * self._pause_ms, LONGEST_PAUSE_MS) if killed else FIRST_PAUSE_MS
        return self._pause_ms if killed else None

    def _find(self) -> list[tuple[int, int, bool]]:
        """Return (pid, process group, whether it runs) of each descendant."""
        children: dict[int, list[tuple[int, int, bool]]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (read := _stat(name)) is not None:
                parent, group, runs = read
                children.setdefault(parent, []).append((int(name), group, runs))
        found = []
        parents = [self._own]
        while parents:
            for child in children.get(parents.pop(), ()):
                if child[0] not in self.spared:
                    parents.append(child[0])
                    found.append(child)
        return found


def _stat(pid: str) -> tuple[int, int, bool] | None:
    """Return a process's parent, its group, and whether it runs; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name is in parentheses and may hold any byte.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[2]), fields[0] not in b"ZXx"


def _send(how: Callable[[int, int], None], target: int, number: int) -> bool:
    """Send a signal; say whether it could be sent."""
    try:
        how(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Bell:
    """Rings when a signal comes, for `select.poll`."""

    def __init__(self) -> None:
        self._reads, writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in _IGNORED:
            signal.signal(number, _nothing)
        self.poll = select.poll()
        self.poll.register(self._reads, select.POLLIN)

    def wait(self, pause_ms: int | None) -> set[int]:
        """Wait for a signal, a registered descriptor or the time; return what is ready."""
        ready = {fd for fd, _ in self.poll.poll(pause_ms)}
        if self._reads in ready:
            os.read(self._reads, 4096)
        return ready


def _nothing(number: int, frame: object) -> None:
    """Handle a signal; unlike an ignored one, it is not handed down to the worker."""


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
        except OSError as error:
            _tell(self._channel, REFUSED, error.errno or 0)
            return
        _tell(self._channel, STARTED, self._worker, os.getpid())
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
                _tell(self._channel, EXITED, ended.si_status if by_itself else -ended.si_status)
            if ended.si_pid == self._worker and not self._hung_up:
                return True
            os.waitpid(ended.si_pid, 0)

    def _forward(self, number: int, frame: object) -> None:
        if not self._worker_ended:
            _send(os.killpg, self._worker, number)


def _tell(channel: socket.socket, kind: bytes, first: int, second: int = 0) -> None:
    try:
        channel.send(MESSAGE.pack(kind, first, second))
    except OSError:
        return  # the supervisor is gone; the end of the channel says so too


class Order:
    """A worker to be started."""

    def __init__(self, outputs: Sequence[int], count: int, body: bytes) -> None:
        """Take a request apart, as REQUEST describes it.

        Args:
            outputs: Descriptors to become the worker's stdout and stderr.
            count: How many of the items are arguments.
            body: The items.
        """
        folder, *items = body.split(b"\0")[:-1]
        self._outputs = outputs
        self._folder = folder
        self._arguments = items[:count]
        self._environ = {name: value for name, _, value in _pairs(items[count:])}

    def start(self) -> int:
        """Fork and execute; return the pid, or raise OSError as the child met it."""
        us = os.getpid()
        reads, writes = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            try:
                self._become_worker(us)
            except OSError as error:
                os.write(writes, struct.pack("!i", error.errno or 0))
            finally:
                os._exit(127)
        for fd in (writes, *self._outputs):
            os.close(fd)
        failure = os.read(reads, 4)
        os.close(reads)
        if failure:
            os.waitpid(pid, 0)
            (number,) = struct.unpack("!i", failure)
            raise OSError(number, os.strerror(number))
        return pid

    def _become_worker(self, parent: int) -> None:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        for fd, output in zip((1, 2), self._outputs, strict=True):
            os.dup2(output, fd)
        os.chdir(self._folder)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by every Python
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(self._arguments[0], self._arguments, self._environ)  # noqa: S606 - the command


def _pairs(items: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (item.partition(b"=") for item in items)


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
        signal.signal(signal.SIGTERM, _nothing)  # the workers' end is the supervisor's business
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
                _tell(to_supervisor, REFUSED, error.errno or 0)
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
            _name(b"aiges-guard")
            Guard(channel).run(order.start)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


def _name(name: bytes) -> None:
    """Set what `ps` shows and leave the session that we were started in."""
    os.setsid()
    _prctl(_PR_SET_NAME, name, 0, 0, 0)


def main() -> None:
    """Be the nursery."""
    _name(b"aiges-nursery")
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # nothing that the supervisor left open goes on
    control = socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.get_exec_path()  # it imports something, once for all
    Nursery(control).run()


if __name__ == "__main__":
    main()
