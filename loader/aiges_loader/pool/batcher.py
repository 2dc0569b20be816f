"""Calls wait here for others to go to a worker with."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import NoWorkerError, NoWorkerYetError
from aiges_loader.pool.batching import BatchPlan, BatchTally, CostLine, Group, Habits
from aiges_loader.pool.pending import NotBatchedError, into
from aiges_loader.pool.worker import Worker

MAX_HABITS: Final = 1024
"""Groups of which we remember how their calls come; `groupBy` may make any number of them."""

_EVERYBODY: Final = ""
"""The one group that there is without `groupBy`."""


class Batcher:
    """Puts calls together and gives each batch to a worker.

    Attributes:
        tally: What it did so far.
    """

    def __init__(
        self,
        plan: BatchPlan,
        pick: Callable[[], Worker | None],
        place: Callable[[], Awaitable[Worker]],
    ) -> None:
        """Make it; `run` must run while calls come.

        Args:
            plan: What batches are to be.
            pick: Reserves a place at a worker if one is free.
            place: Reserves one, waiting for it if need be; raises NoWorkerError.
        """
        self.tally = BatchTally()
        self._plan = plan
        self._pick = pick
        self._place = place
        self._habits: dict[str, Habits] = {}
        self._cost = CostLine()
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, _Queue] = {}
        self._servers = asyncio.TaskGroup()

    @property
    def plan(self) -> BatchPlan:
        """What batches are to be; may be replaced."""
        return self._plan

    @plan.setter
    def plan(self, plan: BatchPlan) -> None:
        self._plan = plan
        self._cost = CostLine()  # other workers may have other costs
        for queue in self._queues.values():
            queue.retune(plan, self._cost)

    async def run(self) -> None:
        """Own the tasks that give batches away; cancel to refuse whoever waits."""
        async with self._servers:
            await self._loop.create_future()  # for ever

    async def once(self, call: Call, *, alone: bool) -> Reply:
        """Run one call, together with others if any come in time.

        Args:
            call: The call.
            alone: It must not share a batch.

        Raises:
            CallError: No worker, or as the worker failed.
            NotBegunError: The worker died first.
            NotBatchedError: The worker takes no batches.
        """
        name = call.params.get(self._plan.group_by, "") if self._plan.group_by else _EVERYBODY
        waiter = _Waiter(call, alone, self._loop.create_future())
        queue = self._queues.get(name)
        if queue is None:
            group: Group[_Waiter] = Group(self._plan, self._habits_of(name))
            queue = self._queues[name] = _Queue(group, self._cost, self._loop)
            self._servers.create_task(self._serve(name, queue), name="batches")
        queue.add(waiter)
        try:
            return await waiter.answer
        except asyncio.CancelledError:
            queue.remove(waiter)
            raise

    async def _serve(self, name: str, queue: "_Queue") -> None:
        """Give one group's batches to workers until nobody waits."""
        try:
            while queue.waits:
                await queue.is_due.wait()
                if queue.waits:
                    await self._serve_once(queue)
        except asyncio.CancelledError:
            queue.fail_all(NoWorkerError("the service ends"))
            raise
        except Exception as error:  # a bug of ours: callers must not wait for it
            queue.fail_all(error)
            raise
        finally:
            queue.close()
            del self._queues[name]

    def _habits_of(self, name: str) -> Habits:
        habits = self._habits.pop(name, None) or Habits()
        self._habits[name] = habits  # at the end: those that nobody has used for longest go first
        if len(self._habits) > MAX_HABITS:
            del self._habits[next(iter(self._habits))]
        return habits

    async def _serve_once(self, queue: "_Queue") -> None:
        if (worker := self._pick()) is not None:
            self._begin(queue, worker)
            return
        asked_at = time.monotonic()
        try:
            worker = await self._place()
        except NoWorkerYetError as error:
            queue.fail_older(asked_at, error)  # those that came later may wait as long
        except NoWorkerError as error:
            queue.fail_all(error)
        else:
            if queue.offered():
                self._begin(queue, worker)
            else:
                worker.release()

    def _begin(self, queue: "_Queue", worker: Worker) -> None:
        if queue.waits and worker.takes_calls and not worker.batches:
            for waiter in queue.take():
                waiter.answer.set_exception(NotBatchedError())
        batch = queue.take() if worker.batches else []
        if not batch:  # they have all gone, or the worker has
            worker.release()
            return
        began_at = time.monotonic()
        self.tally.count(batch, began_at)

        habits = queue.habits
        habits.begun(len(batch), queue.length)

        def done() -> None:
            habits.ended(len(batch))
            answer = batch[-1].answer
            if not answer.cancelled() and answer.exception() is None:
                self._cost.learn(len(batch), time.monotonic() - began_at)

        worker.begin_together([(waiter.call, into(waiter.answer)) for waiter in batch], done)


class _Waiter:
    """A call that waits; see `batching.Waiter`."""

    __slots__ = ("alone", "answer", "arrived_at", "call", "size")

    def __init__(self, call: Call, alone: bool, answer: asyncio.Future[Reply]) -> None:
        self.call = call
        self.arrived_at = time.monotonic()  # the loop's clock may be too coarse
        self.alone = alone
        self.answer = answer
        self.size = 0
        for datum in call.inputs:
            self.size += len(datum.data)


class _Queue:
    """A group, and a timer for when it is due.

    Attributes:
        is_due: Set when a batch should go, or nobody waits.
    """

    def __init__(
        self, group: Group[_Waiter], cost: CostLine, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.is_due = asyncio.Event()
        self._group = group
        self._cost = cost
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Say whether anybody waits."""
        return bool(self._group.waiting)

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._group.waiting)

    @property
    def habits(self) -> Habits:
        """How they come."""
        return self._group.habits

    def offered(self) -> bool:
        """Take in that a busy worker has room now; say whether a batch should go all the same."""
        self._group.offer(time.monotonic())
        self._look()
        return self.is_due.is_set()

    def retune(self, plan: BatchPlan, cost: CostLine) -> None:
        """Go on with other rules."""
        self._group.plan, self._cost = plan, cost
        self._look()

    def add(self, waiter: _Waiter) -> None:
        self._group.add(waiter)
        self._group.habits.came(waiter.arrived_at)
        if not self.is_due.is_set():
            self._look()

    def remove(self, waiter: _Waiter) -> None:
        self._group.remove(waiter)
        self._look()

    def take(self) -> list[_Waiter]:
        """Take the next batch of those that still wait."""
        half = self._group.plan.adaptive and self._cost.is_known and self._cost.wants_half
        batch = [waiter for waiter in self._group.take(half=half) if not waiter.answer.done()]
        self._look()
        return batch

    def fail_all(self, error: Exception) -> None:
        """End the calls that wait."""
        for waiter in list(self._group.waiting):
            self._fail(waiter, error)

    def fail_older(self, than: float, error: Exception) -> None:
        """End the calls that wait since `than` or longer."""
        for waiter in list(self._group.waiting):
            if waiter.arrived_at <= than:
                self._fail(waiter, error)

    def _fail(self, waiter: _Waiter, error: Exception) -> None:
        self.remove(waiter)
        if not waiter.answer.done():
            waiter.answer.set_exception(error)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """See when the next batch should go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left_s = self._group.due_at(self._cost) - time.monotonic()
        if left_s <= 0 or not self.waits:
            self.is_due.set()
        else:
            self.is_due.clear()
            # uvloop counts in milliseconds: what is shorter is a turn of the loop or two.
            self._timer = self._loop.call_later(left_s, self.is_due.set)
