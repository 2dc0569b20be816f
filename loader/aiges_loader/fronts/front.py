"""The life of one front-end process, again and again: start, serve, be watched, end."""

import asyncio
import logging
import os
import random
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from aiges_loader.frontend.inference import Backend
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.fronts.link import Adopt, FrontLink
from aiges_loader.fronts.messages import Orders
from aiges_loader.fronts.share import Share
from aiges_loader.pool.process import Stream, WorkerProcess
from aiges_loader.pool.restart import RestartPolicy, Retry
from aiges_loader.pool.waiting import first_of
from aiges_loader.pool.worker_log import LogReader

COMMAND: Final = (sys.executable, "-P", "-m", "aiges_loader.fronts")
"""-P: no module in the current folder is taken for one of ours."""

START_LIMIT_S: Final = 20.0
"""How long a process may take until it serves: usually 0.3 s."""

BEAT_S: Final = 1.0
"""How often it is asked how it is."""

BEATS_MISSED: Final = 10
"""After so many without an answer it is hung; counted, as we may have stood still ourselves."""

STACKS_S: Final = 0.5
"""What a hung process gets to write its stacks."""

END_LIMIT_S: Final = 3.0
"""How long it may take to leave: a second for answers that run, one for those on their way."""

RESTARTS: Final = RestartPolicy(max_restarts=sys.maxsize, backoff_max_s=10.0)

_CREDENTIALS: Final = struct.Struct("iII")  # pid, uid, gid

log = logging.getLogger(__name__)


class Front:
    """One front end.

    Attributes:
        number: From 1.
        pid: Of its process, None while there is none.
        link: To a process that serves, None while there is none.
        restarts: How often its process was replaced.
        past: What happened to requests in its earlier processes, as far as they have told.
    """

    def __init__(  # noqa: PLR0913 - what one is made of
        self,
        number: int,
        *,
        folder: Path,
        listener: socket.socket,
        memory: int,
        backend: Backend,
        adopt: Adopt,
        orders: Callable[[], Orders],
        on_change: Callable[[], None],
    ) -> None:
        """Make it; `run` starts it.

        Args:
            number: Names it.
            folder: Private, for sockets.
            listener: What it accepts on; listens already when it is started.
            memory: Where front ends count connections; see share.py.
            backend: Runs its calls.
            adopt: Serves the connections that it does not.
            orders: What it is to live by at this moment.
            on_change: Called when its link comes, goes, or has a new report.
        """
        self.number = number
        self.pid: int | None = None
        self.link: FrontLink | None = None
        self.restarts = 0
        self.past = RequestTally()
        self._path = folder / f"front-{number}.sock"
        self._listener = listener
        self._memory = memory
        self._share = Share(memory, number)
        self._backend = backend
        self._adopt = adopt
        self._orders = orders
        self._on_change = on_change
        self._leaving = asyncio.Event()
        self._ending = asyncio.Event()

    @property
    def serves(self) -> bool:
        """Say whether it accepts connections, or has."""
        return self.link is not None and self.link.report is not None

    def leave(self) -> None:
        """Start no process from now on; one that serves goes on until its `end`."""
        self._leaving.set()

    def end(self) -> None:
        """Wait no longer than it takes for a process that was told to end."""
        self._leaving.set()
        self._ending.set()

    async def run(self) -> None:
        """Keep a process serving until told to leave."""
        exits: tuple[float, ...] = ()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason = await self._live()
            if reason:
                log.error("front end died front=%d reason=%s", self.number, reason)
            if self._leaving.is_set():
                return
            now = loop.time()
            verdict = RESTARTS.decide(
                exits,
                now,
                ready_for_s=now - began,
                dice=random.random(),  # noqa: S311 - no secret
            )
            assert isinstance(verdict, Retry)  # there is always a next time
            exits = verdict.exits
            await first_of(self._leaving.wait(), limit_s=verdict.delay_s)
            if self._leaving.is_set():
                return
            self.restarts += 1

    async def _live(self) -> str:
        """Run one process; return why it has ended, "" if it was told to."""
        try:
            door, process = self._spawn()
        except OSError as error:  # too many processes, or descriptors
            return f"it cannot be started: {error.strerror}"
        with door:
            self.pid = process.pid
            try:
                reached = await self._reach(door, process)
                if isinstance(reached, str):
                    return reached
                return await self._serve(reached, process)
            finally:
                await process.end(grace_s=0.0)
                self.pid = None

    def _spawn(self) -> tuple[socket.socket, WorkerProcess]:
        """Start a process; return where it is going to connect, and the process."""
        path = str(self._path)
        self._path.unlink(missing_ok=True)  # of one that never came to use it
        with ExitStack() as undo:
            door = undo.enter_context(socket.socket(socket.AF_UNIX))
            door.bind(path)
            door.listen(1)
            door.setblocking(False)
            command = (*COMMAND, path, str(self.number))
            process = WorkerProcess.spawn(command, os.environ, self._log_lines())
            undo.pop_all()
        return door, process

    async def _reach(self, door: socket.socket, process: WorkerProcess) -> FrontLink | str:
        """Wait for the process to connect, and give it its sockets; or say why it has none."""
        connecting = asyncio.ensure_future(self._accept(door, process.pid))
        try:
            await first_of(connecting, process.exited, self._leaving.wait(), limit_s=START_LIMIT_S)
            if connecting.done():
                try:
                    return self._link_to(connecting.result())
                except OSError as error:
                    return f"it left as soon as it had come: {error.strerror}"
        finally:
            connecting.cancel()
        if process.exited.done():
            return f"{process.exited.result()} before it served"
        return "" if self._leaving.is_set() else f"not up in {START_LIMIT_S:g} s"

    def _link_to(self, stream: socket.socket) -> FrontLink:
        """Give the process that has connected what it works with."""
        self._path.unlink()
        with ExitStack() as undo:
            undo.callback(stream.close)
            connections, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(connections.close)
            with theirs:
                fds = [self._listener.fileno(), theirs.fileno(), self._memory]
                socket.send_fds(stream, [b"!"], fds)  # one byte into an empty socket
            undo.pop_all()
        connections.setblocking(False)
        return FrontLink(
            stream,
            connections,
            backend=self._backend,
            adopt=self._adopt,
            on_report=self._on_change,
        )

    async def _accept(self, door: socket.socket, pid: int) -> socket.socket:
        """Return the connection of our own child."""
        loop = asyncio.get_running_loop()
        while True:
            stream, _ = await loop.sock_accept(door)
            found = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(found)[0] == pid:
                return stream
            log.error("a stranger connected in the place of front end %d; hung up", self.number)
            stream.close()

    async def _serve(self, link: FrontLink, process: WorkerProcess) -> str:
        """Let it serve; return why it does no more, "" if it was told to leave."""
        self.link = link
        link.obey(self._orders())
        watching = asyncio.ensure_future(self._watch(link, process.pid))
        try:
            await first_of(process.exited, link.ended, watching, self._ending.wait())
            if self._ending.is_set():
                await first_of(process.exited, limit_s=END_LIMIT_S)
                return "" if process.exited.done() else f"it did not leave in {END_LIMIT_S:g} s"
            if watching.done():
                process.signal(signal.SIGUSR2)
                await first_of(process.exited, limit_s=STACKS_S)
                return watching.result()
            # Its end closes its sockets a moment before it is seen.
            await first_of(process.exited, limit_s=STACKS_S)
            return str(process.exited.result() if process.exited.done() else link.ended.result())
        finally:
            watching.cancel()
            self.link = None
            self._share.leave()
            if link.report is not None:
                self.past.add(link.report.tally)
                self.past.lose()
            await link.close()
            self._on_change()

    async def _watch(self, link: FrontLink, pid: int) -> str:
        """Say when it serves; return, with the reason, when it does not any more, or never did."""
        await first_of(link.served, limit_s=START_LIMIT_S)
        if not link.served.done():
            return f"not up in {START_LIMIT_S:g} s"
        log.info("front end ready front=%d pid=%d", self.number, pid)
        missed = 0
        while missed < BEATS_MISSED:
            if await link.ask(BEAT_S):
                missed = 0
                await asyncio.sleep(BEAT_S)
            else:
                missed += 1
        return f"it hangs: no sign of life for {BEATS_MISSED * BEAT_S:g} s"

    def _log_lines(self) -> Callable[[Stream, bytes], None]:
        readers = {stream: LogReader() for stream in Stream}

        def on_line(stream: Stream, line: bytes) -> None:
            read = readers[stream].read(line)
            log.log(read.level, "front=%d %s", self.number, read.message)

        return on_line
