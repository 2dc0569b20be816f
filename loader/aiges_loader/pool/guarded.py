"""Our side of nursery.py: one nursery for this process, asked to start workers under guards."""

import asyncio
import atexit
import errno
import logging
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, NoReturn

from aiges_loader.descriptors import limit_as_found
from aiges_loader.pool import guard, nursery
from aiges_loader.pool.placement import Placement

ANSWER_LIMIT_S: Final = 5.0
"""How long a start may take until the command is executed: usually 4 ms."""

CLOSE_LIMIT_S: Final = 1.0
"""How long a nursery without workers may take to end: usually 1 ms."""

END_NOTICE_S: Final = 0.1
"""What dies closes its sockets a moment before its end is seen; so long we wait for that."""

REPLACE_PAUSE_S: Final = 1.0
"""How long one that ended unasked is not replaced, unless a worker needs another before."""

log = logging.getLogger(__name__)


class PlacementError(Exception):
    """The process cannot get what its placement says; the message names the key at fault."""


class GuardEndedError(OSError):
    """A guard has ended before it said whether it has started its worker: nothing of it is left."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "its guard ended before it was started")


@dataclass(frozen=True, slots=True)
class GuardedChild:
    """A process just started, and the guard that is its parent.

    Attributes:
        pid: Of the process. It means nobody else until `channel` is shut down for writing.
        guard_pid: Of its guard.
        channel: To the guard, of sequenced packets: brings one `guard.EXITED`, then the end, when
            nothing of the tree is left. Shutting it down for writing, or our death, kills the tree.
        stdout: What to read from, not blocking.
        stderr: The same.
    """

    pid: int
    guard_pid: int
    channel: socket.socket
    stdout: int
    stderr: int


class RunningNursery:
    """A running nursery.py. It ends with this process, however this ends.

    Attributes:
        pid: Of a child of this process, until `close`.
    """

    def __init__(self) -> None:
        """Start it, which takes it 25 ms, and do not wait for it."""
        with ExitStack() as undo:
            self._control, theirs = socket.socketpair()
            undo.callback(self._control.close)
            self._control.settimeout(ANSWER_LIMIT_S)
            with theirs, limit_as_found():
                self.pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, *nursery.COMMAND],
                    os.environ,
                    file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
                    setsigmask=signal.valid_signals(),  # until it has handlers for them
                )
            undo.pop_all()
        self._pidfd = os.pidfd_open(self.pid)

    def order(self, count: int, items: Sequence[str], fds: Sequence[int]) -> None:
        """Send one order, as `nursery.REQUEST` describes it.

        Raises:
            ConnectionError: The nursery is gone.
            TimeoutError: It does not listen.
        """
        body = b"".join(os.fsencode(item) + b"\0" for item in items)
        socket.send_fds(self._control, [nursery.REQUEST.pack(len(body), count)], fds)
        self._control.sendall(body)

    async def ended(self) -> None:
        """Return when it has ended, whoever reaps it."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        pidfd = os.dup(self._pidfd)  # ours may be closed meanwhile
        loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    def has_ended(self, limit_s: float) -> bool:
        """Say whether it has ended, or does so within `limit_s` seconds."""
        poll = select.poll()  # select() watches none above 1023
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(1000 * limit_s))

    def close(self) -> int | None:
        """End it, and wait until it has ended.

        Returns:
            Its exit status, negative for a signal; None if something else has reaped it.
        """
        self._control.close()
        with os.fdopen(self._pidfd):
            if not self.has_ended(CLOSE_LIMIT_S):
                # Its guards go on without it until the kernel lets their workers go.
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            try:
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:  # SIGCHLD is ignored, or a debugger is in the way
                return None


class _Current:
    """The nursery of this process."""

    nursery: RunningNursery | None = None


def prepare() -> None:
    """Start the nursery now, so that the first worker does not wait for it."""
    if _Current.nursery is None:
        _Current.nursery = RunningNursery()


@atexit.register
def close() -> None:
    """End the nursery, if there is one; the next start of a process makes another."""
    if _Current.nursery is not None:
        _Current.nursery.close()
        _Current.nursery = None


async def keep() -> NoReturn:
    """See to it that there is a nursery, and that one that ends is noticed, until cancelled.

    The workers that it has started live on under their guards.
    """
    while True:
        try:
            prepare()
        except OSError as error:  # too many processes
            log.error("cannot start a nursery: %s", error)  # noqa: TRY400 - it says all
        else:
            assert _Current.nursery is not None
            watched = _Current.nursery
            await watched.ended()
            if _Current.nursery is watched:
                _bury()
        await asyncio.sleep(REPLACE_PAUSE_S)


def _bury() -> None:
    """Reap a nursery that has ended though nobody asked it to."""
    assert _Current.nursery is not None
    dead, _Current.nursery = _Current.nursery, None
    status = dead.close()
    log.error("nursery ended pid=%d status=%s; it is replaced", dead.pid, status)


def is_nursery(pid: int) -> bool:
    """Say whether `pid` is a child that is reaped here: there is no other."""
    return _Current.nursery is not None and pid == _Current.nursery.pid


def start(command: Sequence[str], environ: Mapping[str, str], placement: Placement) -> GuardedChild:
    """Execute `command` under a guard, in a session of its own.

    Args:
        command: Program and arguments; the program is looked up on the PATH of `environ`.
        environ: The whole environment of the child.
        placement: What it gets of the machine.

    Raises:
        OSError: It cannot be executed; `GuardEndedError`: or nobody knows.
        PlacementError: It cannot be placed so.
    """
    variables = [f"{name}={value}" for name, value in environ.items()]
    items = [os.getcwd(), *_encoded(placement), *command, *variables]
    if any("\0" in item for item in items):
        raise OSError(errno.EINVAL, "NUL in the command or its environment")
    try:
        return _start(len(command), items)
    except GuardEndedError as error:
        assert _Current.nursery is not None
        if _Current.nursery.has_ended(END_NOTICE_S):  # before it came to make a guard
            _bury()
        else:
            log.error("%s; another one is tried", error.strerror)  # noqa: TRY400 - it says all
    except ConnectionError:
        _bury()  # its guards do not need it
    except TimeoutError:
        close()
        raise
    return _start(len(command), items)


def _start(count: int, items: Sequence[str]) -> GuardedChild:
    prepare()
    assert _Current.nursery is not None
    with ExitStack() as undo, ExitStack() as lent:
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.callback(channel.close)
        lent.callback(theirs.close)
        outputs, lent_outputs = [], []
        for _ in ("stdout", "stderr"):
            reads, writes = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, reads)
            lent.callback(os.close, writes)
            outputs.append(reads)
            lent_outputs.append(writes)
        _Current.nursery.order(count, items, [theirs.fileno(), *lent_outputs])
        lent.close()  # so that we notice if the guard ends
        channel.settimeout(ANSWER_LIMIT_S)
        answer = channel.recv(guard.MESSAGE.size)
        if not answer:
            raise GuardEndedError
        kind, first, guard_pid = guard.MESSAGE.unpack(answer)
        if kind == guard.REFUSED:
            raise _refusal(first, step=guard_pid)
        channel.setblocking(False)
        for fd in outputs:
            os.set_blocking(fd, False)
        undo.pop_all()
    return GuardedChild(first, guard_pid, channel, *outputs)


def _encoded(placement: Placement) -> tuple[str, str, str]:
    """Write a placement as `nursery.REQUEST` describes it."""
    numbers = (number for limit in placement.limits.items() for number in limit)
    return (
        " ".join(map(str, sorted(placement.cpus))),
        str(placement.nice),
        " ".join(map(str, numbers)),
    )


def _refusal(number: int, *, step: int) -> OSError | PlacementError:
    """Say what a guard's `REFUSED` means."""
    reason = os.strerror(number)
    if step == 0:
        return OSError(number, reason)
    if step == guard.PLACE_CPUS:
        return PlacementError(f"[pool] cpus: {reason}")
    if step == guard.PLACE_NICE:
        return PlacementError(f"[pool] nice: {reason}")
    limit = step - guard.PLACE_LIMIT
    names = (n for n in dir(resource) if n.startswith("RLIMIT_") and getattr(resource, n) == limit)
    name = next(names).removeprefix("RLIMIT_").lower()
    return PlacementError(f"[pool] rlimits, {name}: {reason}")
