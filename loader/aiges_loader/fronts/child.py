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
from collections.abc import Mapping
from typing import Final

import uvloop

from aiges_loader import descriptors
from aiges_loader.frontend.answer_fields import answer_head
from aiges_loader.frontend.codec import Check
from aiges_loader.frontend.inference import HttpAnswer, Inference
from aiges_loader.frontend.json_reader import Json
from aiges_loader.fronts.front_server import FrontServer, WayOut
from aiges_loader.fronts.messages import Orders, Phase, Report
from aiges_loader.fronts.remote_pool import RemotePool
from aiges_loader.fronts.share import Share
from aiges_loader.pool.lane import Lane
from aiges_wire.frames import Buffer, Header, Kind

CONNECT_LIMIT_S: Final = 10.0
LAST_ANSWERS_S: Final = 1.0
"""How long answers that are ready may take to leave."""

log = logging.getLogger(__name__)


def main() -> None:
    """Be the process; the arguments are where the supervisor listens for it, and its number."""
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
        _, (listener, way_out, memory), _, _ = socket.recv_fds(to_supervisor, 1, 3)
        share = Share(memory, int(sys.argv[2]))
        sockets = [socket.socket(fileno=fd) for fd in (listener, way_out)]
        for each in (to_supervisor, *sockets):
            each.setblocking(False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(share, to_supervisor, *sockets))


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


async def _serve(
    share: Share, to_supervisor: socket.socket, listener: socket.socket, out: socket.socket
) -> None:
    counting = asyncio.create_task(descriptors.watch(), name="descriptors")
    try:
        await _Front(share, to_supervisor, listener, WayOut(out)).run()
    finally:
        counting.cancel()


class _Front:
    """The routes of this process, and its side of the conversation with the supervisor.

    Orders are obeyed as they come, so that what is asked behind them is answered by them.
    """

    def __init__(
        self,
        share: Share,
        to_supervisor: socket.socket,
        listener: socket.socket,
        way_out: WayOut,
    ) -> None:
        self.draining = False
        self.inference: Inference
        self._routes: frozenset[bytes] = frozenset()
        self._request_schema: Mapping[str, Json] | None = None
        self._lane = Lane(to_supervisor, self._came, self._left_alone)
        self._pool = RemotePool(self._lane)
        self._listener = listener
        self._way_out = way_out
        self._share = share
        self._server: FrontServer | None = None  # until the first orders
        self._drain_s = 0.0
        self._told_to_drain = asyncio.Event()
        self._told_to_leave = asyncio.Event()

    def is_inference(self, path: bytes) -> bool:
        """Say whether a POST to `path`, as it stands in a request, is one for inference."""
        return path in self._routes

    def answer_head(self, answer: HttpAnswer) -> bytes:
        """Write the status line and header fields of an answer."""
        return answer_head(answer)

    async def run(self) -> None:
        """Return when told to leave, or left alone."""
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(self._drain(), name="drain")
            await self._told_to_leave.wait()
            draining.cancel()
        if self._server is not None:
            await self._server.close(LAST_ANSWERS_S)

    async def _drain(self) -> None:
        await self._told_to_drain.wait()
        assert self._server is not None  # it is there from the first orders on
        await self._server.shut()
        self._tell(0)
        await self._server.finish(self._drain_s)
        self._tell(0)

    def _came(self, header: Header, meta: Buffer, data: Buffer) -> None:
        if header.kind is Kind.ORDERS:
            self._obey(Orders.read(meta))
        elif header.kind is Kind.REPORT:
            self._tell(header.call)
        else:
            self._pool.took(header, meta, data)

    def _obey(self, orders: Orders) -> None:
        if self._server is None:
            self.inference = Inference(self._pool, orders.settings)
            self._server = FrontServer(
                self._listener, self, orders.limits, self._way_out, self._share
            )
            self._server.start()
            self._tell(0)
        self.draining = orders.phase is not Phase.SERVE
        self.inference.settings = orders.settings
        self.inference.inputs = orders.inputs
        self._check_by(orders.request_schema)
        self._routes = frozenset(route.encode() for route in orders.routes)
        self._server.limits = orders.limits
        self._drain_s = orders.drain_s
        if orders.phase is Phase.DRAIN:
            self._told_to_drain.set()
        elif orders.phase is Phase.END:
            self._told_to_leave.set()

    def _check_by(self, schema: Mapping[str, Json] | None) -> None:
        if schema != self._request_schema:
            self._request_schema = schema
            self.inference.check = None if schema is None else _check_of(schema)

    def _tell(self, number: int) -> None:
        """Report; before the first orders there is nothing to say."""
        if self._server is not None:
            server = self._server
            tally = self.inference.tally
            report = Report(server.is_shut, server.is_idle, len(server.register), tally)
            self._lane.send([report.frame(number)])

    def _left_alone(self, reason: str) -> None:
        log.debug("leaving: %s", reason)
        self._told_to_leave.set()


def _check_of(schema: Mapping[str, Json]) -> Check:
    from aiges_loader.frontend.request_check import RequestCheck  # noqa: PLC0415 - needs an extra

    return RequestCheck(schema)
