"""The workers of one service, and the door that calls come in by."""

import asyncio
import logging
from collections.abc import Sequence

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import NoLicenceError, NoWorkerError
from aiges_loader.pool.admission import Licences, least_loaded
from aiges_loader.pool.client import NotBegunError
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.turnstile import Turnstile
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Death, WorkerSpec

log = logging.getLogger(__name__)


class Pool:
    """Workers that are kept running, and calls that wait for a place at one.

    Attributes:
        workers: The slots, in the order of their numbers.
        described: Resolves with the wrapper's schema text when the first worker is ready.
        failed: Resolves with the reason when the pool has given up: its first start failed, or
            every worker has failed and the service shall not go on trying.
        readiness_changed: Set whenever workers become ready or cease to be.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings, each one its own
        self,
        spec: WorkerSpec,
        policy: RestartPolicy,
        *,
        size: int,
        licences: int,
        queue: int,
        queue_timeout_s: float | None,
        restart_wait_s: float,
        keep_probing: bool,
    ) -> None:
        """Make `size` stopped workers; `run` starts them.

        Args:
            spec: What each worker is.
            policy: When a dead one is started again.
            size: How many.
            licences: Calls in the house at once, those that wait for a worker included.
            queue: Calls that may wait for a licence.
            queue_timeout_s: How long; None is up to the call's own deadline.
            restart_wait_s: How long a call waits for a worker that is being started.
            keep_probing: Go on starting workers that have failed, and never give up.
        """
        loop = asyncio.get_running_loop()
        self.workers = [
            Worker(number, spec, policy, keep_probing=keep_probing) for number in range(1, size + 1)
        ]
        for worker in self.workers:
            worker.on_change = self._changed
            worker.is_taken = self._is_taken
        self.described: asyncio.Future[str] = loop.create_future()
        self.failed: asyncio.Future[str] = loop.create_future()
        self.readiness_changed = asyncio.Event()
        self._licences = Licences(licences)
        self._for_licence: Turnstile[None] = Turnstile(lambda _: self._give_back_licence())
        self._queue = queue
        self._queue_timeout_s = queue_timeout_s
        self._for_worker: Turnstile[Worker] = Turnstile(lambda worker: worker.release())
        self._restart_wait_s = restart_wait_s
        self._keep_probing = keep_probing
        self._stopping = False
        self._pump_planned = False
        self._were_ready = 0

    @property
    def ready_workers(self) -> int:
        """How many workers take calls."""
        return sum(worker.takes_calls for worker in self.workers)

    @property
    def calls(self) -> int:
        """How many calls hold a licence."""
        return self._licences.taken

    async def run(self) -> None:
        """Own every worker's task; return once all of them have."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self.workers:
                tasks.create_task(worker.run(), name=f"worker-{worker.number}")

    def stop(self) -> None:
        """Ask every worker to drain and leave. Safe to call twice."""
        self._stopping = True
        for worker in self.workers:
            worker.stop()

    def fail(self, reason: str) -> None:
        """Give up; of several reasons the first counts."""
        if not self.failed.done():
            self.failed.set_result(reason)

    async def once(self, call: Call) -> Reply:
        """Run one call at the worker with the most room. The caller sets the deadline.

        Cancelling frees the licence and the place in any queue; a worker that has begun stays
        occupied until it is done, because nothing can stop user code.

        Raises:
            CallError: No licence, no worker, or as the worker failed.
        """
        await self._take_licence()
        try:
            return await self._at_some_worker(call)
        finally:
            self._give_back_licence()

    async def _take_licence(self) -> None:
        if not self._for_licence:
            try:
                self._licences.take()
            except NoLicenceError:
                if not self._queue:
                    raise
            else:
                return
        if len(self._for_licence) >= self._queue:
            raise NoLicenceError
        try:
            await self._for_licence.wait(self._queue_timeout_s)
        except TimeoutError:
            raise NoLicenceError from None

    def _give_back_licence(self) -> None:
        if not self._for_licence.hand(None):  # handed on, it stays taken
            self._licences.give_back()

    async def _at_some_worker(self, call: Call) -> Reply:
        while True:
            worker = await self._place()
            if not worker.takes_calls:  # it went between giving us the place and our turn
                worker.release()
                continue
            try:
                return await worker.once(call)
            except NotBegunError as error:
                log.info("call goes to another worker sid=%s reason=%s", call.sid, error)

    async def _place(self) -> Worker:
        """Reserve a place at a worker, waiting for one if need be."""
        if not self._for_worker and (worker := self._pick()):
            return worker
        if reason := self._hopeless():
            raise NoWorkerError(reason)
        limit_s = None if self.ready_workers else self._restart_wait_s
        try:
            return await self._for_worker.wait(limit_s)
        except TimeoutError:
            raise NoWorkerError(f"none within {limit_s:g} s (restartWait)") from None

    def _pick(self) -> Worker | None:
        ready = [worker for worker in self.workers if worker.takes_calls]
        number = least_loaded(worker.load() for worker in ready)
        if number is None:
            return None
        worker = self.workers[number - 1]
        worker.reserve()
        return worker

    def _hopeless(self) -> str:
        """Say why waiting for a worker is in vain; "" if it is not."""
        if any(worker.takes_calls or worker.is_coming for worker in self.workers):
            return ""
        return ", ".join(sorted({worker.state.value for worker in self.workers}))

    def _is_taken(self, address: str) -> bool:
        """Say whether a worker listens at `address`: with SO_REUSEPORT a second one can."""
        return any(worker.address == address for worker in self.workers)

    def _changed(self) -> None:
        """A worker's state or load has changed. Several changes in a row are looked at once."""
        if not self._pump_planned:
            self._pump_planned = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._pump_planned = False
        if not self.described.done():
            ready = next((worker for worker in self.workers if worker.takes_calls), None)
            if ready:
                self.described.set_result(ready.schema)
        if self._were_ready != self.ready_workers:
            self._were_ready = self.ready_workers
            self.readiness_changed.set()
        self._judge(self.workers)
        while self._for_worker and (worker := self._pick()):
            if not self._for_worker.hand(worker):
                worker.release()
        if self._for_worker and (reason := self._hopeless()):
            self._for_worker.refuse_all(NoWorkerError(reason))

    def _judge(self, workers: Sequence[Worker]) -> None:
        """Give up where going on is in vain."""
        if self._stopping or self.failed.done():
            return
        if not self.described.done():
            # A first start fails for a reason that the next would meet again, unless somebody
            # killed it; whoever started us should hear at once.
            for worker in workers:
                if death := _final_death(worker):
                    self.fail(f"the worker did not start: {death.reason}")
                    self.stop()
                    return
        if not self._keep_probing and all(worker.state is State.FAILED for worker in workers):
            reasons = "; ".join(sorted({w.death.reason for w in workers if w.death}))
            self.fail(f"every worker has died too often; the last time: {reasons}")


def _final_death(worker: Worker) -> Death | None:
    """Return the death of a worker that never was ready, if trying again is in vain."""
    if worker.state is State.FAILED:
        return worker.death
    if worker.state is State.BACKOFF and worker.death and not worker.death.by_signal:
        return worker.death
    return None
