"""Brings resources into all workers, and keeps them for those that are started later.

One task makes the changes, one after the other, each in all workers or in none. A worker that is
being started loads what the table then has before it takes calls; see worker_life.py.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from aiges_loader.errors import CallError, NoWorkerError
from aiges_loader.pool.resources import Resource, Table, with_loaded, without
from aiges_loader.pool.worker import Worker

log = logging.getLogger(__name__)


class _Change(NamedTuple):
    """A wish to have other resources.

    Attributes:
        what: For the log.
        applied: Returns the table as it shall be; raises `CallError` if that must not be.
        needs_worker: It counts only once a worker has gone along with it.
        done: Resolves with why it was not made; None: it was.
    """

    what: str
    applied: Callable[[Table], Table]
    needs_worker: bool
    done: "asyncio.Future[CallError | None]"


class ResourceKeeper:
    """The resources of one pool.

    Attributes:
        table: What every ready worker has that takes resources at all.
    """

    def __init__(
        self,
        workers: Callable[[], Sequence[Worker]],
        wait_for_worker: Callable[[], Awaitable[None]],
        limit_bytes: Callable[[], int],
    ) -> None:
        """Keep none yet.

        Args:
            workers: Returns those that there are.
            wait_for_worker: Returns when one takes calls; raises `NoWorkerError`.
            limit_bytes: Returns how large all resources may be together.
        """
        self.table: Table = {}
        self._workers = workers
        self._wait_for_worker = wait_for_worker
        self._limit_bytes = limit_bytes
        self._changes: asyncio.Queue[_Change] = asyncio.Queue()
        self._running: _Change | None = None
        self._has_ended = False

    async def takes_resources(self) -> bool:
        """Say whether there are wrappers that do; waits for a worker, as a call would.

        Raises:
            NoWorkerError: There is none to be asked.
        """
        await self._until_one_is_ready()
        return any(worker.takes_resources for worker in self._ready())

    async def load(self, resource: Resource) -> None:
        """Have all workers load a resource, in the place of the one with its id if there is one.

        Cancelling gives up waiting; what has begun is finished.

        Raises:
            CallError: It was not loaded: too large, no worker, or a worker that could not; then no
                worker has it.
        """
        # The limit as it is when the turn has come.
        applied = partial(_loaded, resource=resource, limit_bytes=self._limit_bytes)
        size = f"bytes={resource.size_bytes}"
        await self._ask(f"resource loaded id={resource.id} {size}", applied, needs_worker=True)

    async def unload(self, resource_id: str) -> None:
        """Have all workers unload a resource; nothing if there is none of that id.

        Raises:
            CallError: A worker could not; then all workers have it as before.
        """
        applied = partial(without, resource_id=resource_id)
        await self._ask(f"resource unloaded id={resource_id}", applied, needs_worker=False)

    async def run(self) -> None:
        """Make the changes that are asked for; ends when cancelled."""
        try:
            while True:
                self._running = change = await self._changes.get()
                if change.done.cancelled():  # whoever asked has gone before it began
                    continue
                problem = await self._make(change)
                if problem is None:
                    log.info("%s", change.what)
                _tell(change, problem)
        finally:
            self._has_ended = True
            stopping = NoWorkerError("the service is stopping")
            if self._running is not None:
                _tell(self._running, stopping)
            while not self._changes.empty():
                _tell(self._changes.get_nowait(), stopping)

    async def _ask(
        self, what: str, applied: Callable[[Table], Table], *, needs_worker: bool
    ) -> None:
        if self._has_ended:
            raise NoWorkerError("the service is stopping")
        done: asyncio.Future[CallError | None] = asyncio.get_running_loop().create_future()
        self._changes.put_nowait(_Change(what, applied, needs_worker, done))
        if problem := await done:
            raise problem

    async def _make(self, change: _Change) -> CallError | None:
        """Make one change everywhere; return why it was not, and is nowhere."""
        before = self.table
        try:
            wanted = change.applied(before)
            if change.needs_worker:
                await self._until_one_is_ready()
        except CallError as error:
            return error
        # Workers that have become ready meanwhile have what the table had: they come next.
        while behind := [worker for worker in self._ready() if not worker.holds(wanted)]:
            outcomes = await asyncio.gather(*(worker.hold(wanted) for worker in behind))
            for problem in outcomes:
                if problem is not None:
                    await self._go_back(before)
                    return problem
        if change.needs_worker and not self._ready():
            return NoWorkerError("none is left that could have loaded it")
        self.table = wanted
        return None

    async def _go_back(self, before: Table) -> None:
        """Have every worker hold what it held; one that cannot starts afresh, with just that."""
        behind = [worker for worker in self._ready() if not worker.holds(before)]
        outcomes = await asyncio.gather(*(worker.hold(before) for worker in behind))
        for worker, problem in zip(behind, outcomes, strict=True):
            if problem is not None and worker.takes_calls:
                log.error(
                    "restarting worker=%d reason=its resources cannot be put right: %s",
                    worker.number,
                    problem,
                )
                worker.restart()

    def _ready(self) -> list[Worker]:
        return [worker for worker in self._workers() if worker.takes_calls]

    async def _until_one_is_ready(self) -> None:
        while not self._ready():
            await self._wait_for_worker()


def _loaded(table: Table, resource: Resource, limit_bytes: Callable[[], int]) -> Table:
    return with_loaded(table, resource, limit_bytes=limit_bytes())


def _tell(change: _Change, problem: CallError | None) -> None:
    if not change.done.done():  # whoever asked may have gone
        change.done.set_result(problem)
