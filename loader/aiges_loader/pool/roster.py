"""The workers of a pool: which there are, and how one takes the place of another."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiges_loader.pool.history import History, Past
from aiges_loader.pool.plan import PoolPlan
from aiges_loader.pool.worker import Worker
from aiges_loader.pool.worker_spec import Cause

WEAR_PERIOD_S: Final = 1.0
"""How often workers are looked at for wear."""

log = logging.getLogger(__name__)


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


class Roster:
    """Slots with workers, which are replaced one after the other.

    Attributes:
        plan: What the pool is to be.
        workers: The slots; for a moment two have the same number, when one replaces the other.
        history: What workers have done that are no more.
        is_stopping: All are to leave, and none comes after them.
    """

    def __init__(self, plan: PoolPlan, prepare: Callable[[Worker], None]) -> None:
        """Make stopped workers as planned; `run` starts them.

        Args:
            plan: What the pool is to be.
            prepare: Gets every worker that is made, before it is started.
        """
        self.plan = plan
        self.history = History()
        self.is_stopping = False
        self._prepare = prepare
        self._renewals: asyncio.Queue[_Renewal] = asyncio.Queue()
        self._slots: asyncio.TaskGroup | None = None
        self._lives: dict[Worker, asyncio.Task[None]] = {}
        self._fixed_port: tuple[str, ...] = ()  # command whose workers all listen at one address
        self._successor: Worker | None = None  # whose first start `_renew` waits for
        self.workers = [self._make(number, plan) for number in range(1, plan.size + 1)]

    async def run(self) -> None:
        """Own every worker's task; return once all of them have ended."""
        async with asyncio.TaskGroup() as tasks:
            helpers = (
                tasks.create_task(self._renew(), name="renewals"),
                tasks.create_task(self._watch_wear(), name="wear"),
            )
            async with asyncio.TaskGroup() as self._slots:
                for worker in self.workers:
                    self._start(worker)
            for helper in helpers:
                helper.cancel()

    def is_successor(self, worker: Worker) -> bool:
        """Say whether `worker` is just to take another's place: whoever asked hears of its end."""
        return worker is self._successor

    def stop(self, *, drain_s: float | None = None) -> None:
        """Ask every worker to drain and leave. Safe to call twice.

        Args:
            drain_s: How long calls may take to finish; None is what the plan says.
        """
        self.is_stopping = True
        for worker in self.workers:
            worker.stop(drain_s=drain_s)

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
        return ""

    def _make(self, number: int, plan: PoolPlan) -> Worker:
        worker = Worker(number, plan.spec, plan.policy, keep_probing=plan.keep_probing)
        worker.on_restart = self.history.count
        worker.listener_at = self._listener_at
        self._prepare(worker)
        return worker

    def _listener_at(self, address: str) -> int:
        """Return which worker listens at `address`, 0 for none: with SO_REUSEPORT two can."""
        return next((worker.number for worker in self.workers if worker.address == address), 0)

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
        if not self.is_stopping:  # replaced, or one too many
            self.workers.remove(worker)
            # One that only found its predecessor at its address did nothing wrong.
            death = None if worker.address_taken_by == worker.number else worker.death
            past = Past(served=worker.served, restarts=worker.restarts, death=death)
            self.history.add(worker.number, past)

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
            elif renewal.cause is not Cause.RELOAD and not self.is_stopping:
                # Whoever reloads says it in one line with what becomes of the configuration.
                log.error("not replaced: %s", problem)
            if not renewal.done.done():  # whoever asked may have gone
                renewal.done.set_result(problem)

    async def _replace(self, renewal: _Renewal) -> str:
        """Put a new worker in the place of an old one; return why not, "" if it is done."""
        old = renewal.worker
        if old.is_leaving or self.is_stopping:
            return f"worker {old.number} is leaving already"
        log.info("replacing worker=%d reason=%s", old.number, renewal.reason)
        if self._fixed_port == self.plan.spec.command:
            return await self._replace_afterwards(renewal)
        new = self._add(old.number, self.plan)
        self._start(new)
        reason = await self._start_of(new)
        if not reason:
            old.give_way()
            return ""
        new.stop()
        if new.address_taken_by == old.number and not self.is_stopping:
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
        if renewal.otherwise is not None and not self.is_stopping:
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
