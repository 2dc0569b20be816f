"""A front-end process: accepts HTTP connections, answers plain requests for inference.

Calls and all other connections go to the supervisor, its only peer, whose orders it obeys. It ends
when told to, when the supervisor is gone, and by force; no signal that people send ends it.
"""

import asyncio
import faulthandler
import json
import logging
import signal
import socket
import sys
from typing import Final

import uvloop

from aiges_loader import descriptors
from aiges_loader.frontend.answer_fields import answer_head
from aiges_loader.frontend.inference import HttpAnswer, Inference
from aiges_loader.fronts.front_server import FrontServer, WayOut
from aiges_loader.fronts.messages import Orders, Phase, Report
from aiges_loader.fronts.remote_pool import RemotePool
from aiges_loader.pool.lane import Lane
from aiges_wire.frames import Buffer, Header, Kind

CONNECT_LIMIT_S: Final = 10.0
LAST_ANSWERS_S: Final = 1.0
"""How long answers that are ready may take to leave."""

log = logging.getLogger(__name__)


def main() -> None:
    """Be the process; the only argument is where the supervisor listens for it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR2)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    descriptors.raise_limit()
    with socket.socket(socket.AF_UNIX) as to_supervisor:
        to_supervisor.settimeout(CONNECT_LIMIT_S)
        to_supervisor.connect(sys.argv[1])
        _, (listener, way_out), _, _ = socket.recv_fds(to_supervisor, 1, 2)
        sockets = [socket.socket(fileno=fd) for fd in (listener, way_out)]
        for each in (to_supervisor, *sockets):
            each.setblocking(False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(to_supervisor, *sockets))


class _LineFormatter(logging.Formatter):
    """One record a line, as the supervisor reads it: hclog's JSON."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return json.dumps({"@level": _LEVELS.get(record.levelno, "error"), "@message": text})


_LEVELS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
}


async def _serve(to_supervisor: socket.socket, listener: socket.socket, out: socket.socket) -> None:
    front = _Front(to_supervisor)
    counting = asyncio.create_task(descriptors.watch(), name="descriptors")
    try:
        await front.run(listener, WayOut(out))
    finally:
        counting.cancel()


class _Front:
    """The routes of this process, and its side of the conversation with the supervisor."""

    def __init__(self, to_supervisor: socket.socket) -> None:
        self.draining = False
        self.inference: Inference
        self._routes: frozenset[bytes] = frozenset()
        self._lane = Lane(to_supervisor, self._came, self._left_alone)
        self._pool = RemotePool(self._lane)
        self._orders: asyncio.Queue[Orders | None] = asyncio.Queue()
        self._server: FrontServer | None = None

    def is_inference(self, path: bytes) -> bool:
        """Say whether a POST to `path`, as it stands in a request, is one for inference."""
        return path in self._routes

    def answer_head(self, answer: HttpAnswer) -> bytes:
        """Write the status line and header fields of an answer."""
        return answer_head(answer)

    async def run(self, listener: socket.socket, way_out: WayOut) -> None:
        """Obey until told to leave, or left alone."""
        first = await self._orders.get()
        if first is None:
            return
        self.inference = Inference(self._pool, first.settings)
        server = self._server = FrontServer(listener, self, first.limits, way_out)
        self._live_by(first, server)
        server.start()
        self._tell(0)
        async with asyncio.TaskGroup() as tasks:
            draining: asyncio.Task[None] | None = None
            while orders := await self._orders.get():
                self._live_by(orders, server)
                if orders.phase is Phase.DRAIN and draining is None:
                    draining = tasks.create_task(self._drain(server, orders.drain_s))
                if orders.phase is Phase.END:
                    break
            if draining is not None:
                draining.cancel()
            await server.close(LAST_ANSWERS_S)

    def _live_by(self, orders: Orders, server: FrontServer) -> None:
        self.draining = orders.phase is not Phase.SERVE
        self.inference.settings = orders.settings
        self.inference.inputs = orders.inputs
        self._routes = frozenset(route.encode() for route in orders.routes)
        server.limits = orders.limits

    async def _drain(self, server: FrontServer, limit_s: float) -> None:
        await server.shut()
        self._tell(0)
        await server.finish(limit_s)
        self._tell(0)

    def _tell(self, number: int) -> None:
        """Report; nothing before there is something to say."""
        if self._server is not None:
            server = self._server
            tally = self.inference.tally
            report = Report(server.is_shut, server.is_idle, len(server.register), tally)
            self._lane.send([report.frame(number)])

    def _came(self, header: Header, meta: Buffer, data: Buffer) -> None:
        if header.kind is Kind.ORDERS:
            self._orders.put_nowait(Orders.read(meta))
        elif header.kind is Kind.REPORT:
            self._tell(header.call)
        else:
            self._pool.took(header, meta, data)

    def _left_alone(self, reason: str) -> None:
        log.debug("leaving: %s", reason)
        self._orders.put_nowait(None)
