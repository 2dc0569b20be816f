"""The workers of one service, and the door that calls come in by."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import (
    CallError,
    NoLicenceError,
    NoWorkerError,
    NoWorkerYetError,
    WorkerDiedError,
)
from aiges_loader.pool.admission import Licences, least_loaded
from aiges_loader.pool.batcher import Batcher
from aiges_loader.pool.batching import BatchTally
from aiges_loader.pool.history import History
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.pending import NotBatchedError, NotBegunError, Outcome
from aiges_loader.pool.plan import PoolPlan
from aiges_loader.pool.reported import Reported
from aiges_loader.pool.resource_keeper import ResourceKeeper
from aiges_loader.pool.roster import Roster
from aiges_loader.pool.session_channel import SessionEvents, SessionPort
from aiges_loader.pool.turnstile import Turnstile
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Death

log = logging.getLogger(__name__)


class Pool:
    """Workers that are kept running, and calls that wait for a place at one.

    Attributes:
        described: Resolves with the wrapper's schema text when the first worker is ready.
        failed: Resolves with the reason when the pool has given up: its first start failed, or
            every worker has failed and the service shall not go on trying.
        readiness_changed: Set whenever workers become ready or cease to be.
        reported: What user code has reported of itself.
        resources: What every worker loads.
    """

    def __init__(self, plan: PoolPlan) -> None:
        """Make stopped workers as planned; `run` starts them."""
        loop = asyncio.get_running_loop()
        self.reported = Reported()
        self.resources = ResourceKeeper(
            lambda: self.workers, self.wait_for_worker, lambda: self.plan.max_resources_bytes
        )
        self.described: asyncio.Future[str] = loop.create_future()
        self.failed: asyncio.Future[str] = loop.create_future()
        self.readiness_changed = asyncio.Event()
        self._licences = Licences(plan.licences)
        self._for_licence: Turnstile[None] = Turnstile(lambda _: self.give_back_licence())
        self._for_worker: Turnstile[Worker] = Turnstile(lambda worker: worker.release())
        self._batcher = Batcher(plan.batch, self._pick_next, self._place)
        self._batching = False  # as far as the ready workers take batches
        self._helpers: asyncio.TaskGroup | None = None
        self._patiences: set[asyncio.Timeout] = set()  # of calls that wait for a place
        self._pump_planned = False
        self._were_ready = 0
        self._roster = Roster(plan, self._prepare)

    @property
    def plan(self) -> PoolPlan:
        """What the pool is to be."""
        return self._roster.plan

    @property
    def workers(self) -> Sequence[Worker]:
        """The slots; for a moment two have the same number, when one replaces the other."""
        return self._roster.workers

    @property
    def history(self) -> History:
        """What workers have done that are no more."""
        return self._roster.history

    @property
    def batches(self) -> BatchTally:
        """The batches so far."""
        return self._batcher.tally

    @property
    def ready_workers(self) -> int:
        """How many workers take calls."""
        return sum(worker.takes_calls for worker in self.workers)

    @property
    def schema(self) -> str:
        """What the newest ready worker says of its wrapper; "" if none is ready."""
        return next((w.schema for w in reversed(self.workers) if w.takes_calls), "")

    @property
    def is_ready(self) -> bool:
        """Say whether enough workers take calls."""
        return self.ready_workers >= self.plan.min_ready

    @property
    def outage(self) -> str:
        """Why no worker will come before a restart is asked for, with its traceback; "" if not so.

        Only of a pool that waits for that: its users are those who write the wrapper.
        """
        if not self.plan.waits_for_restart or not self._hopeless():
            return ""
        death = self._last_death()
        if death is None:
            return ""
        return f"{death.reason}\n{death.error}".rstrip("\n")

    @property
    def calls(self) -> int:
        """How many calls hold a licence."""
        return self._licences.taken

    @property
    def waiting_for_licence(self) -> int:
        """How many calls are in the queue."""
        return len(self._for_licence)

    @property
    def waiting_for_worker(self) -> int:
        """How many calls have a licence and wait for a place at a worker."""
        return len(self._for_worker)

    async def run(self) -> None:
        """Own every worker's task; return once all of them have."""
        async with asyncio.TaskGroup() as tasks:
            self._helpers = tasks
            helpers = [
                tasks.create_task(self._batcher.run(), name="batcher"),
                tasks.create_task(self.resources.run(), name="resources"),
            ]
            await self._roster.run()
            for helper in helpers:
                helper.cancel()

    def _prepare(self, worker: Worker) -> None:
        worker.on_change = self._changed
        worker.on_room = self._seat
        worker.on_reported = self.reported.add
        worker.on_death = partial(self._report, worker)
        worker.resources_wanted = lambda: self.resources.table

    async def restart(self, number: int, *, stop_first: bool = False) -> str:
        """See `Roster.restart`."""
        return await self._roster.restart(number, stop_first=stop_first)

    async def reload(self, plan: PoolPlan) -> str:
        """See `Roster.reload`."""
        problem = await self._roster.reload(plan)
        if not problem:
            self.licence_limit = plan.licences
            self._batcher.plan = plan.batch
        return problem

    def stop(self, *, drain_s: float | None = None) -> None:
        """See `Roster.stop`."""
        self._roster.stop(drain_s=drain_s)

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
        await self.take_licence()
        try:
            return await self._run_somewhere(call)
        finally:
            self.give_back_licence()

    def begin(
        self, call: Call, resolve: Callable[[Reply | CallError], None]
    ) -> Callable[[], None] | None:
        """Begin one call without a task, if it has to wait for no more than a place at a worker.

        Args:
            call: The call.
            resolve: Gets the outcome, never before this returns; must not raise.

        Returns:
            What is to be called when nobody waits for the outcome any more. None if the call has to
            wait for something else, or to be refused: that is for `once`.
        """
        if self._batching or self._for_licence or self._licences.left <= 0:
            return None
        worker = self._pick_next()
        if worker is None and not any(worker.takes_calls for worker in self.workers):
            return None
        self._licences.take()
        begun = _Begun(self, call, resolve)
        if worker is not None:
            begun.seat(worker)
        else:
            begun.line_up(self._for_worker)
        return begun.abandon

    async def open_session(
        self, tag: str, params: Mapping[str, str], events: SessionEvents
    ) -> SessionPort:
        """Begin a session at the worker that has the fewest. The caller holds a licence.

        Args:
            tag: Names the session among all.
            params: What the wrapper gets.
            events: Hears what becomes of it.

        Raises:
            CallError: There is no worker, or its wrapper takes no sessions.
        """
        while True:
            ready = [worker for worker in self.workers if worker.takes_calls]
            if ready:
                worker = min(ready, key=lambda worker: (worker.sessions, worker.running))
                return worker.open_session(tag, params, events)
            await self.wait_for_worker()

    async def wait_for_worker(self) -> None:
        """Return when there is a worker that takes calls; raise `NoWorkerError` as a call would."""
        place = await self._place()
        place.release()  # nothing is to be run there

    @property
    def licence_limit(self) -> int:
        """How many licences there are."""
        return self._licences.limit

    @licence_limit.setter
    def licence_limit(self, limit: int) -> None:
        self._licences.limit = limit
        while self._licences.left > 0 and self._for_licence:
            self._licences.take()
            if not self._for_licence.hand(None):
                self._licences.give_back()

    async def take_licence(self) -> None:
        """Take a licence, waiting for one as planned; raise `NoLicenceError`."""
        if not self._for_licence:
            try:
                self._licences.take()
            except NoLicenceError:
                if not self.plan.queue:
                    raise
            else:
                return
        if len(self._for_licence) >= self.plan.queue:
            raise NoLicenceError
        try:
            await self._for_licence.wait(self.plan.queue_timeout_s)
        except TimeoutError:
            raise NoLicenceError from None

    def _go_on(self, work: Coroutine[None, None, None]) -> Callable[[], object]:
        """Have a task of ours do `work`; return what ends it."""
        assert self._helpers is not None
        return self._helpers.create_task(work, name="second-try").cancel

    def give_back_licence(self) -> None:
        """Return a licence that was taken: to whoever waits for one."""
        if not self._for_licence.hand(None):  # handed on, it stays taken
            self._licences.give_back()

    async def _run_somewhere(self, call: Call, *, has_crashed: bool = False) -> Reply:
        tries_left = 2 if self.plan.retry_on_crash and not has_crashed else 1
        together = self._batching
        alone = has_crashed
        while True:
            try:
                if together:
                    return await self._batcher.once(call, alone=alone)
                return await self._at_some_worker(call)
            except NotBatchedError:
                together = False
            except NotBegunError as error:
                log.info("call goes to another worker sid=%s reason=%s", call.sid, error)
            except WorkerDiedError as error:
                tries_left -= 1
                if not tries_left:
                    raise
                alone = True  # one of its batch may have killed the worker
                log.info("call is tried once more sid=%s reason=%s", call.sid, error)

    async def _at_some_worker(self, call: Call) -> Reply:
        while True:
            worker = await self._place()
            if worker.takes_calls:
                return await worker.once(call)
            worker.release()  # it went between giving us the place and our turn

    async def _place(self) -> Worker:
        """Reserve a place at a worker, waiting for one if need be."""
        if worker := self._pick_next():
            return worker
        if reason := self._hopeless():
            raise NoWorkerError(reason)
        limit_s = self.plan.restart_wait_s
        patience = asyncio.timeout(None if self.ready_workers else limit_s)
        try:
            async with patience:
                self._patiences.add(patience)
                return await self._for_worker.wait(None)
        except TimeoutError:
            raise NoWorkerYetError(f"none within {limit_s:g} s (restartWait)") from None
        finally:
            self._patiences.discard(patience)

    def _pick_next(self) -> Worker | None:
        """Reserve a place that is free, unless others have waited for one for longer."""
        return None if self._for_worker else self._pick()

    def _pick(self) -> Worker | None:
        ready = [worker for worker in self.workers if worker.takes_calls]
        index = least_loaded(worker.load() for worker in ready)
        if index is None:
            return None
        ready[index].reserve()
        return ready[index]

    def _hopeless(self) -> str:
        """Say why waiting for a worker is in vain; "" if it is not."""
        if any(worker.takes_calls or worker.is_coming for worker in self.workers):
            return ""
        states = ", ".join(sorted({worker.state.value for worker in self.workers}))
        death = self._last_death()
        if self.plan.waits_for_restart and death is not None:
            return f"{states}: {death.summary}"
        return states

    def _last_death(self) -> Death | None:
        """Return the last death among the workers that there are."""
        deaths = [worker.death for worker in self.workers if worker.death is not None]
        return max(deaths, key=lambda death: death.at, default=None)

    def _report(self, worker: Worker, death: Death) -> None:
        """Say that a worker has died; a reason that is told otherwise is not told twice."""
        self.history.remember(worker.number, death)
        if self._roster.is_successor(worker):
            return  # the roster says what becomes of it
        self._learn()
        told = f"the worker did not start: {death.reason}"
        gives_up = not self.plan.waits_for_restart
        if gives_up and not (self.described.done() or death.by_signal or self._roster.is_stopping):
            # A first start fails for a reason that the next would meet again, unless somebody
            # killed it; whoever started us should hear at once.
            self.fail(told)
            self.stop()
        elif not self.failed.done() or self.failed.result() != told:
            log.warning("worker died worker=%d reason=%s", worker.number, death.reason)

    def _changed(self) -> None:
        """A worker's state has changed. Several changes in a row are looked at once."""
        if not self._pump_planned:
            self._pump_planned = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._pump_planned = False
        self._learn()
        if self.ready_workers:
            self._batching = self.plan.batch.is_on and any(w.batches for w in self.workers)
        if self._were_ready != self.ready_workers:
            if not (self._were_ready and self.ready_workers):
                self._limit_waiting()
            self._were_ready = self.ready_workers
            self.readiness_changed.set()
        self._judge(self.workers)
        self._seat()
        if self._for_worker and (reason := self._hopeless()):
            self._for_worker.refuse_all(NoWorkerError(reason))

    def _limit_waiting(self) -> None:
        """Bound how long calls wait for a place while no worker is there, and only then."""
        until = None
        if not self.ready_workers:
            until = asyncio.get_running_loop().time() + self.plan.restart_wait_s
        for patience in self._patiences:
            if not patience.expired():
                patience.reschedule(until)

    def _learn(self) -> None:
        """Hand on what the first worker says of itself, once it is ready."""
        if not self.described.done():
            ready = next((worker for worker in self.workers if worker.takes_calls), None)
            if ready:
                self.described.set_result(ready.schema)

    def _seat(self) -> None:
        """Give the places that are free to those who wait."""
        while self._for_worker and (worker := self._pick()):
            if not self._for_worker.hand(worker):
                worker.release()

    def _judge(self, workers: Sequence[Worker]) -> None:
        """Give up where going on is in vain."""
        if self._roster.is_stopping or self.failed.done() or self.plan.waits_for_restart:
            return
        if not self.described.done():
            # Killed too often, each time before it was ready.
            for worker in workers:
                if worker.state is State.FAILED and worker.death:
                    self.fail(f"the worker did not start: {worker.death.reason}")
                    self.stop()
                    return
        if not self.plan.keep_probing and workers and all(w.state is State.FAILED for w in workers):
            reasons = "; ".join(sorted({w.death.reason for w in workers if w.death}))
            self.fail(f"every worker has died too often; the last time: {reasons}")


class _Begun:
    """A call that was begun at once, from its licence to its outcome."""

    __slots__ = ("_abandon", "_call", "_pool", "_resolve")

    def __init__(
        self, pool: Pool, call: Call, resolve: Callable[[Reply | CallError], None]
    ) -> None:
        self._pool = pool
        self._call = call
        self._resolve = resolve
        self._abandon: Callable[[], object] = _nothing

    def seat(self, worker: Worker) -> bool:
        self._abandon = worker.begin(self._call, self._ended)
        return True

    def line_up(self, queue: Turnstile[Worker]) -> None:
        self._abandon = queue.line_up(self.seat, self._refused).leave

    def _refused(self, error: Exception) -> None:
        assert isinstance(error, CallError)
        self._ended(error)

    def abandon(self) -> None:
        self._abandon()
        self._pool.give_back_licence()

    def _ended(self, outcome: Outcome) -> None:
        pool = self._pool
        if isinstance(outcome, NotBegunError):
            log.info("call goes to another worker sid=%s reason=%s", self._call.sid, outcome)
            self._abandon = pool._go_on(self._again(has_crashed=False))
        elif isinstance(outcome, WorkerDiedError) and pool.plan.retry_on_crash:
            log.info("call is tried once more sid=%s reason=%s", self._call.sid, outcome)
            self._abandon = pool._go_on(self._again(has_crashed=True))
        else:
            self._abandon = _nothing  # the circle with our caller is broken
            pool.give_back_licence()
            self._resolve(outcome)

    async def _again(self, *, has_crashed: bool) -> None:
        """Try elsewhere; cancelled by `abandon`, which gives the licence back."""
        outcome: Reply | CallError
        try:
            outcome = await self._pool._run_somewhere(self._call, has_crashed=has_crashed)
        except CallError as error:
            outcome = error
        self._pool.give_back_licence()
        self._resolve(outcome)


def _nothing() -> None:
    """Stand for giving up what has ended by itself."""
