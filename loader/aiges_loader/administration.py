"""What operators can ask of the running service: joins the admin API to the parts it acts on."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from aiges_loader.frontend.admin_api import LeavingError, UnknownWorkerError
from aiges_loader.frontend.http_api import HttpApi
from aiges_loader.frontend.request_tally import BOUNDS_S, RequestTally
from aiges_loader.frontend.schema import SchemaError
from aiges_loader.fronts.fronts import Fronts
from aiges_loader.pool.batching import BatchTally
from aiges_loader.pool.pool import Pool
from aiges_loader.pool.status import CrashReport, RequestCounts, Sample, ServiceStatus, sample_of
from aiges_loader.pool.status_reader import StatusReader
from aiges_loader.pool.waiting import first_of
from aiges_loader.recent_logs import LogPage, RecentLogs
from aiges_loader.reloading import Reloaded, Reloads

SAMPLE_S: Final = 10.0
SAMPLES: Final = 60
"""How often a moment is kept for charts, and how many."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Administration:
    """The `AdminActions` of one service."""

    def __init__(  # noqa: PLR0913 - what it joins
        self,
        pool: Pool,
        api: HttpApi,
        fronts: Fronts,
        *,
        stop: asyncio.Event,
        reloads: Reloads,
        recent: RecentLogs,
        addresses: Mapping[str, str],
    ) -> None:
        """Make it when the service starts.

        Args:
            pool: The workers.
            api: The public front end.
            fronts: The processes that serve it.
            stop: To be set for the service to end.
            reloads: Where to ask for another configuration.
            recent: The newest log records.
            addresses: Where clients' requests are taken, by protocol.
        """
        self._pool = pool
        self._api = api
        self._fronts = fronts
        self._stop = stop
        self._reloads = reloads
        self._recent = recent
        self._addresses = addresses
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
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
        return await self._read()

    async def watch(self) -> None:
        """Keep what charts of the last minutes need. Owned by a task; ends by being cancelled."""
        while True:
            self._samples.append(sample_of(await self._read()))
            await asyncio.sleep(SAMPLE_S)

    def history(self) -> Sequence[Sample]:
        """Return moments of the last minutes, the oldest first."""
        return tuple(self._samples)

    async def _read(self) -> ServiceStatus:
        draining = self._api.draining or self._stop.is_set()
        status = await self._reader.read(is_ready=self.is_ready, draining=draining)
        return replace(
            status,
            fronts=self._fronts.status(),
            addresses=self._addresses,
            requests=_counts(self.tally),
        )

    def crashes(self) -> Sequence[CrashReport]:
        """Return the last deaths of all workers, newest first."""
        return self._reader.crashes()

    def logs(self, after: int, limit: int) -> LogPage:
        """Return the newest log records, at most `limit`, of those that follow record `after`."""
        return self._recent.after(after, limit)

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


def _counts(tally: RequestTally) -> RequestCounts:
    return RequestCounts(
        in_flight=tally.in_flight,
        by_code={str(code): count for code, count in tally.by_code.items()},
        duration_bounds=BOUNDS_S,
        by_duration=tuple(tally.by_duration),
        seconds=round(tally.seconds, 6),
    )
