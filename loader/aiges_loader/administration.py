"""What operators can ask of the running service: joins the admin API to the parts it acts on."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from aiges_loader.frontend.admin_api import LeavingError, UnknownWorkerError
from aiges_loader.frontend.http_api import HttpApi
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.frontend.schema import SchemaError
from aiges_loader.fronts.fronts import Fronts
from aiges_loader.pool.batching import BatchTally
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.status import ServiceStatus
from aiges_loader.pool.status_reader import StatusReader
from aiges_loader.pool.waiting import first_of
from aiges_loader.reloading import Reloaded, Reloads

T = TypeVar("T")

log = logging.getLogger(__name__)


class Administration:
    """The `AdminActions` of one service."""

    def __init__(
        self, pool: Pool, api: HttpApi, fronts: Fronts, *, stop: asyncio.Event, reloads: Reloads
    ) -> None:
        """Make it when the service starts.

        Args:
            pool: The workers.
            api: The public front end.
            fronts: The processes that serve it.
            stop: To be set for the service to end.
            reloads: Where to ask for another configuration.
        """
        self._pool = pool
        self._api = api
        self._fronts = fronts
        self._stop = stop
        self._reloads = reloads
        self._reader = StatusReader(pool)

    @property
    def is_ready(self) -> bool:
        """Whether calls are taken."""
        return self._api.is_ready

    @property
    def tally(self) -> RequestTally:
        """What happened to requests so far; of other processes, until the last `status`."""
        return self._fronts.tally

    @property
    def batches(self) -> BatchTally:
        """The batches so far."""
        return self._pool.batches

    @property
    def sessions_ended(self) -> Mapping[int, int]:
        """Sessions that have ended, by code."""
        return self._api.sessions.sessions.ended

    async def status(self) -> ServiceStatus:
        """Return the status at this moment."""
        await self._fronts.refresh()
        draining = self._api.draining or self._stop.is_set()
        status = await self._reader.read(is_ready=self.is_ready, draining=draining)
        return replace(status, fronts=self._fronts.status())

    def drain(self) -> None:
        """Do what SIGTERM does, except that a second time hurries nothing."""
        if not self._stop.is_set():
            log.info("drain: finishing what has begun")
            self._stop.set()

    async def reload(self) -> Reloaded:
        """Live by the configuration as it now is; raise `LeavingError`."""
        return await self._unless_leaving(self._reloads.ask())

    async def restart_worker(self, number: int, *, stop_first: bool) -> str:
        """Replace a worker, or say why not; raise `UnknownWorkerError` or `LeavingError`."""
        if number not in {w.number for w in self._pool.workers if not w.is_leaving}:
            raise UnknownWorkerError
        restart = asyncio.ensure_future(self._pool.restart(number, stop_first=stop_first))
        try:
            problem = await self._unless_leaving(restart)
        finally:
            restart.cancel()
        return problem or await self._describe_again()

    async def _describe_again(self) -> str:
        """Take over what the wrapper now says of itself; return why that cannot be done, or ""."""
        schema = self._pool.schema
        if not schema:  # it has gone again
            return ""
        try:
            routes = self._api.describe(schema)
        except SchemaError as error:
            return f"the wrapper's schema is unusable, the old routes stay: {error}"
        await self._fronts.inform(routes)
        return ""

    async def _unless_leaving(self, outcome: "asyncio.Future[T]") -> T:
        await first_of(outcome, self._stop.wait())
        if not outcome.done():
            raise LeavingError
        return outcome.result()
