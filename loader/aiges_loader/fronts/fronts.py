"""All front ends of a service, and the supervisor's own: the HTTP port served by one or many."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from aiges_loader.frontend.http_api import HttpApi
from aiges_loader.frontend.http_server import HttpServer
from aiges_loader.frontend.inference import Backend
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.fronts.front import Front
from aiges_loader.fronts.messages import Orders, Phase, Report
from aiges_loader.fronts.share import new_memory
from aiges_loader.pool.status import FrontStatus

SHUT_LIMIT_S: Final = 2.0
"""How long front ends may take to accept what waits and close the door: usually 1 ms."""

REPORT_LIMIT_S: Final = 1.0
"""How long one may take to say how it is; then what it said last counts."""

RETRY_S: Final = 0.5
"""After so long we try again to accept."""

log = logging.getLogger(__name__)


class Fronts:
    """Serves HTTP with as many processes as there shall be; with none beside this one, by itself.

    The front ends accept on the socket of our own server. That accepts as long as none of them
    serves; it also goes on with the connections that they hand over.
    """

    def __init__(
        self, count: int, *, server: HttpServer, api: HttpApi, backend: Backend, folder: Path
    ) -> None:
        """Make it; `start`, `run`, then `drain` and `close`.

        Args:
            count: Processes; 1: this one alone.
            server: Our own.
            api: Its routes; what they live by holds for front ends, too.
            backend: Runs calls.
            folder: Private, for sockets.
        """
        self._server = server
        self._api = api
        self._routes: tuple[str, ...] = ()
        self._phase = Phase.SERVE
        self._drain_s = 0.0
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._fronts: list[Front] = []
        if count == 1:
            return
        self._memory = new_memory(count)
        self._fronts = [
            Front(
                number,
                folder=folder,
                listener=server.listener,
                memory=self._memory,
                backend=backend,
                adopt=server.adopt,
                orders=self._orders,
                on_change=self._changed.set,
            )
            for number in range(1, count + 1)
        ]

    @property
    def tally(self) -> RequestTally:
        """What happened to requests for inference in all processes, by their last reports."""
        if not self._fronts:
            return self._api.tally
        total = RequestTally()
        total.add(self._api.tally)
        for front in self._fronts:
            total.add(front.past)
            if front.link is not None and front.link.report is not None:
                total.add(front.link.report.tally)
        return total

    async def start(self) -> None:
        """Accept; front ends take over when they serve."""
        await self._server.start()

    async def run(self) -> None:
        """Own the front ends; return when the last has ended."""
        if not self._fronts:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                self._keeping = tasks.create_task(self._keep_door(), name="door")
                for front in self._fronts:
                    tasks.create_task(front.run(), name=f"front-{front.number}")
        finally:
            os.close(self._memory)

    async def inform(self, routes: Sequence[str] | None = None) -> None:
        """Have front ends live by what holds now: settings, limits, the routes if given."""
        if routes is not None:
            self._routes = tuple(routes)
        self._order()
        await self.refresh()  # they answer that behind the orders

    def _order(self) -> None:
        orders = self._orders()
        for front in self._fronts:
            if front.link is not None:
                front.link.obey(orders)

    async def refresh(self) -> None:
        """Have front ends report, so that `tally` and `status` are of this moment."""
        links = [front.link for front in self._fronts if front.link is not None]
        await asyncio.gather(*(link.ask(REPORT_LIMIT_S) for link in links))

    def status(self) -> list[FrontStatus]:
        """Say how each front end is, by its last report."""
        return [_status_of(front) for front in self._fronts]

    async def drain(self, limit_s: float) -> None:
        """Accept what the kernel has taken in, close the door everywhere, finish what has begun.

        Args:
            limit_s: How long requests may take; those that take longer go on until `close`.
        """
        if not self._fronts:
            await self._server.drain(limit_s)
            return
        until = asyncio.get_running_loop().time() + limit_s
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        for front in self._fronts:
            front.leave()
        self._phase, self._drain_s = Phase.DRAIN, limit_s
        self._order()
        # Ours closes last: what comes while the others close is not lost.
        await self._until(lambda report: report.shut, SHUT_LIMIT_S)
        await self._server.shut()
        now = asyncio.get_running_loop().time()
        await asyncio.gather(
            self._until(lambda report: report.idle, until - now), self._server.finish(until)
        )
        for front in self._fronts:
            if front.link is not None:
                await front.link.adopted()
        await self._server.finish(until)  # with what they have handed over meanwhile

    async def close(self) -> None:
        """Let the last answers out, everywhere, and end the front ends."""
        self._phase = Phase.END
        self._order()
        for front in self._fronts:
            front.end()
        await self._server.close()

    def _orders(self) -> Orders:
        api = self._api
        return Orders(
            phase=self._phase,
            drain_s=self._drain_s,
            routes=self._routes,
            inputs=api.inference.inputs,
            request_schema=api.request_schema,
            settings=api.settings,
            limits=self._server.limits,
        )

    async def _keep_door(self) -> None:
        """Accept ourselves whenever no front end does."""
        while True:
            self._changed.clear()
            if any(front.serves for front in self._fronts):
                self._server.pause()
            elif not self._server.is_accepting:
                log.warning("no front end serves: the supervisor accepts connections itself")
                try:
                    await self._server.start()
                except OSError as error:  # no descriptor for it
                    log.error("cannot accept: %s", error.strerror)  # noqa: TRY400 - it says all
                    await asyncio.sleep(RETRY_S)
                    continue
            await self._changed.wait()

    async def _until(self, holds: Callable[[Report], bool], limit_s: float) -> None:
        """Wait until all front ends that are there report so."""

        def is_so() -> bool:
            links = (front.link for front in self._fronts if front.link is not None)
            return all(link.report is not None and holds(link.report) for link in links)

        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limit_s)):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()


def _status_of(front: Front) -> FrontStatus:
    report = front.link.report if front.link is not None else None
    return FrontStatus(
        number=front.number,
        pid=front.pid,
        serves=front.serves,
        connections=report.connections if report else 0,
        in_flight=report.tally.in_flight if report else 0,
        restarts=front.restarts,
        rss_bytes=_resident_bytes(front.pid),
    )


def _resident_bytes(pid: int | None) -> int:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss) if pid is not None else 0
    return 0
