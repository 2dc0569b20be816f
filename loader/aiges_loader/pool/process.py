"""One operating-system process: spawned, listened to, ended. Knows nothing of restarts."""

import asyncio
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import psutil

from aiges_loader.pool import guard, guarded
from aiges_loader.pool.placement import Placement
from aiges_loader.pool.worker_log import LineSplitter, printable
from aiges_wire.handshake import MAX_LINE_BYTES

TAIL_LINES: Final = 64
"""How much of what a worker wrote last is kept for the report of its death."""

KILL_LIMIT_S: Final = 10.0
"""How long a process may take to go after SIGKILL; longer means that the kernel holds it."""

GUARD_LIMIT_S: Final = 3.0
"""How long a guard may take to kill a tree: usually 10 ms."""

_CHUNK_BYTES: Final = 64 << 10
_READS_AT_ONCE: Final = 16  # a flooding worker must not keep the loop to itself


log = logging.getLogger(__name__)


class Stream(Enum):
    """Which of its outputs a worker wrote to."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: `status` as Popen has it, negative for a signal."""

    status: int

    @property
    def by_signal(self) -> bool:
        """Say whether a signal ended it."""
        return self.status < 0

    def __str__(self) -> str:
        if not self.by_signal:
            return f"exited with status {self.status}"
        try:
            return f"killed by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"killed by signal {-self.status}"


class WorkerProcess:
    """A process in a session of its own, under a guard: nothing of its tree outlives it, or us.

    Its output is read as it comes, so it never blocks.

    Attributes:
        pid: Of the process that was started (with `bash -c` it may be bash).
        first_line: The first line of stdout, with its newline if it had one; b"" once there will
            be none.
        exited: Resolves when the process has ended, however much its children keep open.
    """

    def __init__(
        self, child: guarded.GuardedChild, on_line: Callable[[Stream, bytes], None]
    ) -> None:
        """Take over a process just started by `spawn`."""
        self._loop = asyncio.get_running_loop()
        self._on_line = on_line
        self.pid = child.pid
        self.first_line: asyncio.Future[bytes] = self._loop.create_future()
        self.exited: asyncio.Future[Exit] = self._loop.create_future()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._pipes: dict[Stream, tuple[int, LineSplitter]] = {}
        self._head = b""
        for stream, fd in ((Stream.STDOUT, child.stdout), (Stream.STDERR, child.stderr)):
            self._pipes[stream] = (fd, LineSplitter())
            self._loop.add_reader(fd, self._readable, stream)
        self._guard_pid = child.guard_pid
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._pidfd = os.pidfd_open(self.pid)  # for the case that the guard is killed
        self._channel = child.channel
        self._loop.add_reader(self._channel.fileno(), self._guard_speaks)

    @classmethod
    def spawn(
        cls,
        command: Sequence[str],
        environ: Mapping[str, str],
        on_line: Callable[[Stream, bytes], None],
        placement: Placement = Placement(),  # noqa: B008 - frozen
    ) -> "WorkerProcess":
        """Start `command`.

        Args:
            command: Program and arguments; the program is looked up on the PATH of `environ`.
            environ: The whole environment of the child.
            on_line: Gets each line of output but the first of stdout, without its end.
            placement: What it gets of the machine.

        Raises:
            OSError: It cannot be executed.
            guarded.PlacementError: It cannot be placed so.
        """
        return cls(guarded.start(command, environ, placement), on_line)

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to the process and to whatever else is in its group, until it ends."""
        if not self.exited.done():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def is_stopped(self) -> bool:
        """Say whether the process stands still by SIGSTOP, or for a debugger."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace")
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] in ("T", "t")

    async def end(self, *, grace_s: float) -> Exit | None:
        """Leave nothing of the tree running: SIGTERM, `grace_s` seconds, then SIGKILL.

        Returns:
            How the process ended; None if the kernel would not let it go within `KILL_LIMIT_S`.
        """
        if grace_s > 0 and not self.exited.done():
            self.signal(signal.SIGTERM)
            await asyncio.wait([self.exited], timeout=grace_s)
        self._hang_up()  # also for children that outlived a worker gone by itself
        await asyncio.wait([self._gone], timeout=GUARD_LIMIT_S)
        if not self._gone.done():  # a stopped guard does nothing; killed, it is dealt with
            os.kill(self._guard_pid, signal.SIGKILL)
            await asyncio.wait([self._gone], timeout=KILL_LIMIT_S)
        self._close()
        return self.exited.result() if self.exited.done() else None

    def _hang_up(self) -> None:
        """Tell the guard to kill what is left and to end."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def _guard_speaks(self) -> None:
        """Hear how the worker ended, or that nothing is left of it."""
        try:
            message = self._channel.recv(guard.MESSAGE.size)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message:
            _, status, _ = guard.MESSAGE.unpack(message)
            self._ended(Exit(status))
            self._hang_up()
            return
        self._loop.remove_reader(self._channel.fileno())
        if self.exited.done():
            self._gone.set_result(None)
        else:
            self._guard_killed()

    def _guard_killed(self) -> None:
        """Kill the worker ourselves; the nursery does it for whatever else there was."""
        log.error("guard killed pid=%d worker_pid=%d", self._guard_pid, self.pid)
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)
        self._loop.add_reader(self._pidfd, self._ended_unguarded)

    def _ended_unguarded(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._ended(Exit(-signal.SIGKILL))
        self._gone.set_result(None)

    def _ended(self, how: Exit) -> None:
        """Take what the process wrote last, and say so."""
        for stream in list(self._pipes):
            self._readable(stream)
        if not self.first_line.done():
            self._first_line_is(self._head)  # stdout may still be open in a child of the worker
        self.exited.set_result(how)

    def _readable(self, stream: Stream) -> None:
        fd, splitter = self._pipes[stream]
        for _ in range(_READS_AT_ONCE):
            try:
                data = os.read(fd, _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._lines(stream, splitter.finish())
                self._close_pipe(stream)
                return
            if stream is Stream.STDOUT and not self.first_line.done():
                data = self._take_first_line(data)
            self._lines(stream, splitter.feed(data))

    def _take_first_line(self, data: bytes) -> bytes:
        """Keep what belongs to the handshake; return the rest."""
        line, newline, rest = (self._head + data).partition(b"\n")
        if newline or len(line) >= MAX_LINE_BYTES:
            self._first_line_is(line + newline)
            return rest
        self._head = line
        return b""

    def _first_line_is(self, line: bytes) -> None:
        self._head = b""
        self.first_line.set_result(line)

    def _lines(self, stream: Stream, lines: list[bytes]) -> None:
        for line in lines:
            self.tail.append(printable(line[:1024]))
            self._on_line(stream, line)

    def _close_pipe(self, stream: Stream) -> None:
        fd, _ = self._pipes.pop(stream)
        self._loop.remove_reader(fd)
        os.close(fd)
        if stream is Stream.STDOUT and not self.first_line.done():
            self._first_line_is(self._head)

    def _close(self) -> None:
        if self._channel.fileno() < 0:
            return
        for fd in (self._pidfd, self._channel.fileno()):
            self._loop.remove_reader(fd)
        self._channel.close()
        os.close(self._pidfd)
        for stream in list(self._pipes):
            _, splitter = self._pipes[stream]
            self._lines(stream, splitter.finish())
            self._close_pipe(stream)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and of all that descend from it; 0 if it has gone."""
    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):  # one of them may end this moment
                total += member.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return total
