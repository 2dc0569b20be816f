"""The workers of one service, and the door that calls come in by."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

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
from aiges_loader.pool.batching import BatchPlan, BatchTally
from aiges_loader.pool.history import History, Past
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.pending import NotBatchedError, NotBegunError, Outcome
from aiges_loader.pool.reported import Reported
from aiges_loader.pool.resource_keeper import ResourceKeeper
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.session_channel import SessionEvents, SessionPort
from aiges_loader.pool.turnstile import Turnstile
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Cause, Death, WorkerSpec

log = logging.getLogger(__name__)


WEAR_PERIOD_S: Final = 1.0
"""How often workers are looked at for wear."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a pool is to be.

    Attributes:
        spec: What each worker is.
        policy: When a dead one is started again.
        size: How many workers.
        licences: Calls in the house at once, those that wait for a worker included.
        queue: Calls that may wait for a licence.
        queue_timeout_s: How long; None is up to the call's own deadline.
        restart_wait_s: How long a call waits for a worker that is being started.
        keep_probing: Go on starting workers that have failed, and never give up.
        waits_for_restart: Never give up either, but leave a worker that has failed, or did not
            start, until a restart is asked for.
        min_ready: So many workers must be ready for the service to be.
        retry_on_crash: Try a call whose worker died once more, though it may have done its work.
        batch: Which calls go to a worker together.
        max_resources_bytes: How large all resources may be together.
    """

    spec: WorkerSpec
    policy: RestartPolicy
    size: int
    licences: int
    queue: int
    queue_timeout_s: float | None
    restart_wait_s: float
    keep_probing: bool
    min_ready: int
    retry_on_crash: bool
    batch: BatchPlan = field(default_factory=BatchPlan)
    waits_for_restart: bool = False
    max_resources_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A wish to have a worker replaced.

    Attributes:
        done: Resolves with why it was not, and what is there instead; "" if it was.
        otherwise: By which plan to start a worker if the old one is gone and the new one does not
            start; None: the new one goes on trying.
    """

    worker: Worker
    cause: Cause
    reason: str
    done: asyncio.Future[str]
    otherwise: PoolPlan | None


class Pool:
    """Workers that are kept running, and calls that wait for a place at one.

    Attributes:
        plan: What the pool is to be.
        workers: The slots; for a moment two have the same number, when one replaces the other.
        described: Resolves with the wrapper's schema text when the first worker is ready.
        failed: Resolves with the reason when the pool has given up: its first start failed, or
            every worker has failed and the service shall not go on trying.
        readiness_changed: Set whenever workers become ready or cease to be.
        history: What workers have done that are no more.
        reported: What user code has reported of itself.
        resources: What every worker loads.
    """

    def __init__(self, plan: PoolPlan) -> None:
        """Make stopped workers as planned; `run` starts them."""
        loop = asyncio.get_running_loop()
        self.plan = plan
        self.history = History()
        self.reported = Reported()
        self.resources = ResourceKeeper(
            lambda: self.workers, self.wait_for_worker, lambda: self.plan.max_resources_bytes
        )
        self.workers = [self._make(number, plan) for number in range(1, plan.size + 1)]
        self.described: asyncio.Future[str] = loop.create_future()
        self.failed: asyncio.Future[str] = loop.create_future()
        self.readiness_changed = asyncio.Event()
        self._licences = Licences(plan.licences)
        self._for_licence: Turnstile[None] = Turnstile(lambda _: self.give_back_licence())
        self._for_worker: Turnstile[Worker] = Turnstile(lambda worker: worker.release())
        self._batcher = Batcher(plan.batch, self._pick_next, self._place)
        self._batching = False  # as far as the ready workers take batches
        self._renewals: asyncio.Queue[_Renewal] = asyncio.Queue()
        self._slots: asyncio.TaskGroup | None = None
        self._helpers: asyncio.TaskGroup | None = None
        self._lives: dict[Worker, asyncio.Task[None]] = {}
        self._fixed_port: tuple[str, ...] = ()  # command whose workers all listen at one address
        self._successor: Worker | None = None  # whose first start `_renew` waits for
        self._stopping = False
        self._pump_planned = False
        self._were_ready = 0

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
                tasks.create_task(self._renew(), name="renewals"),
                tasks.create_task(self._watch_wear(), name="wear"),
                tasks.create_task(self._batcher.run(), name="batcher"),
                tasks.create_task(self.resources.run(), name="resources"),
            ]
            async with asyncio.TaskGroup() as self._slots:
                for worker in self.workers:
                    self._start(worker)
            for helper in helpers:
                helper.cancel()

    def _make(self, number: int, plan: PoolPlan) -> Worker:
        worker = Worker(number, plan.spec, plan.policy, keep_probing=plan.keep_probing)
        worker.on_change = self._changed
        worker.on_room = self._seat
        worker.on_restart = self.history.count
        worker.on_reported = self.reported.add
        worker.on_death = partial(self._report, worker)
        worker.listener_at = self._listener_at
        worker.resources_wanted = lambda: self.resources.table
        return worker

    def _start(self, worker: Worker, *, after: Worker | None = None) -> None:
        """Let a worker live from now on, or from when another one has gone."""
        assert self._slots is not None
        before = self._lives.get(after) if after is not None else None
        self._lives[worker] = self._slots.create_task(
            self._live(worker, before), name=f"worker-{worker.number}"
        )

    async def _live(self, worker: Worker, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            await worker.run()
        finally:
            del self._lives[worker]
        if not self._stopping:  # replaced, or one too many
            self.workers.remove(worker)
            # One that only found its predecessor at its address did nothing wrong.
            death = None if worker.address_taken_by == worker.number else worker.death
            past = Past(served=worker.served, restarts=worker.restarts, death=death)
            self.history.add(worker.number, past)

    # Replacing workers, one after the other, the new one first where that is possible:

    async def restart(self, number: int, *, stop_first: bool = False) -> str:
        """Replace a worker; no call is lost, and none waits if old and new can run side by side.

        Args:
            number: Of the worker.
            stop_first: The old process finishes its calls and goes before the new one is started;
                calls wait meanwhile. Asked for again, it begins anew.

        Returns:
            Why it was not replaced, and what is there instead; "" if it was.
        """
        worker = next((w for w in self.workers if w.number == number and not w.is_leaving), None)
        if worker is None:
            return f"there is no worker {number}"
        if stop_first:
            log.info("restarting worker=%d reason=restart asked for", number)
            problem = await worker.restart()
            return problem and f"worker {number} did not start again: {problem}"
        return await self._ask_renewal(worker, Cause.REQUEST, "restart asked for")

    async def reload(self, plan: PoolPlan) -> str:
        """Live by another plan: replace every worker, have more of them, or fewer.

        Returns:
            Why not, and what is there instead, if a new worker did not start; "" if all is done.
        """
        before, self.plan = self.plan, plan
        staying = [worker for worker in self.workers if not worker.is_leaving]
        for worker in staying[plan.size :]:
            worker.stop()
        for worker in staying[: plan.size]:
            problem = await self._ask_renewal(worker, Cause.RELOAD, "reload", otherwise=before)
            if problem:
                self.plan = before
                return problem
        for number in range(len(staying) + 1, plan.size + 1):
            self._start(self._add(number, plan))
        self.licence_limit = plan.licences
        self._batcher.plan = plan.batch
        return ""

    async def _ask_renewal(
        self, worker: Worker, cause: Cause, reason: str, *, otherwise: PoolPlan | None = None
    ) -> str:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._renewals.put(_Renewal(worker, cause, reason, done, otherwise))
        return await done

    async def _renew(self) -> None:
        while True:
            renewal = await self._renewals.get()
            problem = await self._replace(renewal)
            if not problem:
                self.history.count(renewal.cause)
            elif renewal.cause is not Cause.RELOAD and not self._stopping:
                # Whoever reloads says it in one line with what becomes of the configuration.
                log.error("not replaced: %s", problem)
            if not renewal.done.done():  # whoever asked may have gone
                renewal.done.set_result(problem)

    async def _replace(self, renewal: _Renewal) -> str:
        """Put a new worker in the place of an old one; return why not, "" if it is done."""
        old = renewal.worker
        if old.is_leaving or self._stopping:
            return f"worker {old.number} is leaving already"
        log.info("replacing worker=%d reason=%s", old.number, renewal.reason)
        if self._fixed_port == self.plan.spec.command:
            return await self._replace_afterwards(renewal)
        new = self._add(old.number, self.plan)
        self._start(new)
        reason = await self._start_of(new)
        if not reason:
            old.stop()
            return ""
        new.stop()
        if new.address_taken_by == old.number and not self._stopping:
            log.info("the old one goes first worker=%d: both listen at one address", old.number)
            self._fixed_port = self.plan.spec.command
            return await self._replace_afterwards(renewal)
        return f"the successor of worker {old.number} did not start, the old one stays: {reason}"

    async def _replace_afterwards(self, renewal: _Renewal) -> str:
        """Let the old worker finish and go, then start the new one; calls wait meanwhile."""
        old = renewal.worker
        new = self._add(old.number, self.plan)  # calls wait, because it is there and will come
        self._start(new, after=old)
        old.stop()
        reason = await self._start_of(new)
        if not reason:
            return ""
        what_now = "it is tried again"
        if renewal.otherwise is not None and not self._stopping:
            self._start(self._add(old.number, renewal.otherwise))
            new.stop()
            what_now = "one as before is started"
        return (
            f"worker {old.number} had to go first, and its successor did not start,"
            f" {what_now}: {reason}"
        )

    async def _start_of(self, new: Worker) -> str:
        """Wait for a successor's first start; return why it failed, "" if it is ready."""
        self._successor = new
        try:
            if await new.first_outcome:
                return ""
        finally:
            self._successor = None
        return new.death.reason if new.death else "it was stopped"

    def _add(self, number: int, plan: PoolPlan) -> Worker:
        worker = self._make(number, plan)
        self.workers.append(worker)
        return worker

    async def _watch_wear(self) -> None:
        """Have worn-out workers replaced."""
        while True:
            await asyncio.sleep(WEAR_PERIOD_S)
            if self.plan.spec.wear.is_unlimited:
                continue
            for worker in list(self.workers):
                if reason := worker.wear():
                    await self._ask_renewal(worker, Cause.RECYCLE, reason)

    def stop(self, *, drain_s: float | None = None) -> None:
        """Ask every worker to drain and leave. Safe to call twice.

        Args:
            drain_s: How long calls may take to finish; None is what the plan says.
        """
        self._stopping = True
        for worker in self.workers:
            worker.stop(drain_s=drain_s)

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
        limit_s = None if self.ready_workers else self.plan.restart_wait_s
        try:
            return await self._for_worker.wait(limit_s)
        except TimeoutError:
            raise NoWorkerYetError(f"none within {limit_s:g} s (restartWait)") from None

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

    def _listener_at(self, address: str) -> int:
        """Return which worker listens at `address`, 0 for none: with SO_REUSEPORT two can."""
        return next((worker.number for worker in self.workers if worker.address == address), 0)

    def _report(self, worker: Worker, death: Death) -> None:
        """Say that a worker has died; a reason that is told otherwise is not told twice."""
        self.history.remember(worker.number, death)
        if worker is self._successor:
            return  # `_replace` says what becomes of it
        self._learn()
        told = f"the worker did not start: {death.reason}"
        gives_up = not self.plan.waits_for_restart
        if gives_up and not (self.described.done() or death.by_signal or self._stopping):
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
            self._were_ready = self.ready_workers
            self.readiness_changed.set()
        self._judge(self.workers)
        self._seat()
        if self._for_worker and (reason := self._hopeless()):
            self._for_worker.refuse_all(NoWorkerError(reason))

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
        if self._stopping or self.failed.done() or self.plan.waits_for_restart:
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
