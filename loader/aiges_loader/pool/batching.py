"""When calls that wait go to a worker together, and how many. Pure: the clock is an argument."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, Protocol, TypeVar

from aiges_loader.calls import Call

SIZE_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper ends of the classes of batch sizes; the last is the largest `maxSize`."""

WAIT_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper ends of the classes of waits; one more class has the rest."""

_MEMORY: Final = 0.97  # of what was learned, that stays when another batch is taken in
_NEWEST: Final = 0.1  # weight of the newest interval in the average of intervals
_CROWD_MEMORY: Final = 0.9  # of the crowd, that stays when another batch has gone
_LEAST_SPREAD: Final = 0.01  # variance of sizes below which they say nothing of the slope
_TRY_HALF_EVERY: Final = 32  # batches


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What batches are to be.

    Attributes:
        max_size: Calls in one; 1 is no batching.
        max_delay_s: How long a call may wait for others.
        max_bytes: Of the inputs of one batch together, 0 for no limit; a call that is larger by
            itself goes alone.
        group_by: A param; only calls with the same value of it go together. "" for none.
        adaptive: Wait only as long as it is worth; see `CostLine`.
    """

    max_size: int = 1
    max_delay_s: float = 0.005
    max_bytes: int = 0
    group_by: str = ""
    adaptive: bool = False

    @property
    def is_on(self) -> bool:
        """Say whether calls are put together at all."""
        return self.max_size > 1


class Waiter(Protocol):
    """One call that waits.

    Attributes:
        call: What it is.
        arrived_at: Monotonic seconds.
        size: Bytes of its inputs.
        alone: It must not share a batch.
    """

    call: Call
    arrived_at: float
    size: int
    alone: bool


W = TypeVar("W", bound=Waiter)


class CostLine:
    """What a batch of n calls takes, as learned: t = slope * n + fixed.

    A least-squares line through what was seen, the newest batches counting most. While sizes have
    been too much alike to tell slope from fixed cost, all of it counts as fixed.
    """

    __slots__ = ("_batches", "_n", "_nn", "_nt", "_t", "_weight")

    def __init__(self) -> None:
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self._batches = 0

    def learn(self, size: int, seconds: float) -> None:
        """Take in what a batch of `size` calls took."""
        self._batches += 1
        self._weight = self._weight * _MEMORY + 1.0
        self._n = self._n * _MEMORY + size
        self._t = self._t * _MEMORY + seconds
        self._nn = self._nn * _MEMORY + size * size
        self._nt = self._nt * _MEMORY + size * seconds

    @property
    def is_known(self) -> bool:
        """Say whether anything was learned."""
        return self._weight > 0

    @property
    def wants_half(self) -> bool:
        """Say whether the next batch should be cut in two, because sizes are too much alike."""
        return self._batches % _TRY_HALF_EVERY == 1 and self._spread < _LEAST_SPREAD

    @property
    def _spread(self) -> float:
        size = self._n / self._weight
        return self._nn / self._weight - size * size

    @property
    def slope_s(self) -> float:
        """What each further call adds; 0 while nothing is known."""
        if not self._weight or self._spread < _LEAST_SPREAD:
            return 0.0
        size, seconds = self._n / self._weight, self._t / self._weight
        slope = (self._nt / self._weight - size * seconds) / self._spread
        return min(max(slope, 0.0), seconds / size)  # neither part can be negative

    @property
    def fixed_s(self) -> float:
        """What a batch takes however small it is; 0 while nothing is known."""
        if not self._weight:
            return 0.0
        return max((self._t - self.slope_s * self._n) / self._weight, 0.0)


class Habits:
    """How the calls of one group come, as learned.

    Attributes:
        last_at: When the last one came.
        interval_s: Time from one to the next, on the average; infinite while it is unknown.
        running: Calls that are in batches at workers.
        crowd: The most calls that were there at once, waiting or running, of late.
    """

    __slots__ = ("crowd", "interval_s", "last_at", "running")

    def __init__(self) -> None:
        self.last_at = -inf
        self.interval_s = inf
        self.running = 0
        self.crowd = 0.0

    def came(self, now: float) -> None:
        """Take in a call."""
        interval_s, self.last_at = now - self.last_at, now
        if self.interval_s == inf:
            self.interval_s = interval_s
        else:
            self.interval_s += _NEWEST * (interval_s - self.interval_s)

    def begun(self, size: int, waiting: int) -> None:
        """Take in that a batch of `size` went to a worker, and that `waiting` still wait."""
        self.running += size
        self.crowd = max(self.crowd * _CROWD_MEMORY, float(self.running + waiting))

    def ended(self, size: int) -> None:
        """Take in that a worker is done with a batch."""
        self.running -= size


class Group(Generic[W]):
    """Calls that may go together, the oldest first.

    Attributes:
        plan: What batches are to be.
        waiting: The calls.
        habits: How they come.
    """

    __slots__ = ("_bytes", "_offered_at", "_patience_until", "habits", "plan", "waiting")

    def __init__(self, plan: BatchPlan, habits: Habits) -> None:
        self.plan = plan
        self.habits = habits
        self.waiting: deque[W] = deque()
        self._offered_at = -inf  # when a worker that had been busy first had room for them
        self._bytes = 0
        self._patience_until = inf  # of the most hurried

    def add(self, waiter: W) -> None:
        """Add a call behind the others, or before them if it must go alone: it has waited once."""
        if waiter.alone:
            self.waiting.appendleft(waiter)
        else:
            self.waiting.append(waiter)
        self._bytes += waiter.size
        self._patience_until = min(self._patience_until, _patience(waiter))

    def remove(self, waiter: W) -> None:
        """Forget a call that nobody waits for any more."""
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self._bytes -= waiter.size
            self._find_most_hurried()

    def offer(self, now: float) -> None:
        """Take in that a worker has room for them, for which they had to wait.

        Those whom it has just answered may come back, so with `adaptive` it can pay to wait anew.
        """
        if self.plan.adaptive and self._offered_at == -inf:
            self._offered_at = now

    def due_at(self, cost: CostLine) -> float:
        """Say when those that wait should go if no more come; a past time is now.

        They go when they fill a batch, when the oldest has waited for `max_delay_s`, or when one
        of them has waited for half of the time until its deadline. With `adaptive` they go as soon
        as waiting no longer pays: the next call would save the worker the batch that it would
        otherwise need for itself, which is the fixed cost; for that the worker would do nothing
        until it comes. And they go when as many are there as there have been of late.
        """
        plan, waiting, habits = self.plan, self.waiting, self.habits
        if not waiting:
            return inf
        count = len(waiting)
        if waiting[0].alone or count >= plan.max_size or 0 < plan.max_bytes <= self._bytes:
            return -inf
        due = max(waiting[0].arrived_at, self._offered_at) + plan.max_delay_s
        if plan.adaptive and cost.is_known:
            if count >= habits.crowd or habits.interval_s > cost.fixed_s:
                return -inf
            due = min(due, max(habits.last_at, self._offered_at) + cost.fixed_s)
        return min(due, self._patience_until)

    def take(self, *, half: bool = False) -> list[W]:
        """Take the next batch; empty only if nobody waits.

        Args:
            half: Take half of the calls that it would have, rounded up.
        """
        batch: list[W] = []
        size = 0
        plan, waiting = self.plan, self.waiting
        limit = min(plan.max_size, len(waiting))
        limit = (limit + 1) // 2 if half else limit
        while waiting and len(batch) < limit:
            first = waiting[0]
            if batch and (first.alone or 0 < plan.max_bytes < size + first.size):
                break
            batch.append(waiting.popleft())
            size += first.size
            if first.alone:
                break
        self._bytes -= size
        self._offered_at = -inf
        self._find_most_hurried()
        return batch

    def _find_most_hurried(self) -> None:
        self._patience_until = min(map(_patience, self.waiting), default=inf)


def _patience(waiter: Waiter) -> float:
    """Say until when a call may wait: for half of the time that it had when it came."""
    deadline_at = waiter.call.deadline_at
    return (waiter.arrived_at + deadline_at) / 2 if deadline_at else inf


class BatchTally:
    """What batches there were, for metrics.

    Attributes:
        by_size: How many fell into each class of `SIZE_BOUNDS`.
        calls: How many calls were in them.
        by_wait: How many of these calls waited as long as each class of `WAIT_BOUNDS_S`, and the
            rest.
        wait_s: Sum of the waits.
    """

    __slots__ = ("by_size", "by_wait", "calls", "wait_s")

    def __init__(self) -> None:
        self.by_size = [0] * len(SIZE_BOUNDS)
        self.by_wait = [0] * (len(WAIT_BOUNDS_S) + 1)
        self.calls = 0
        self.wait_s = 0.0

    @property
    def batches(self) -> int:
        """How many there were."""
        return sum(self.by_size)

    def count(self, batch: Sequence[Waiter], now: float) -> None:
        """Count a batch that goes to a worker."""
        self.by_size[bisect_left(SIZE_BOUNDS, len(batch))] += 1
        self.calls += len(batch)
        for waiter in batch:
            waited_s = now - waiter.arrived_at
            self.wait_s += waited_s
            self.by_wait[bisect_left(WAIT_BOUNDS_S, waited_s)] += 1
