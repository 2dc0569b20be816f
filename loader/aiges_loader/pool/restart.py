"""When to start a dead worker again. Pure: the caller brings the clock and the dice."""

from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 2
"""So many restarts within the period cost no delay; a single crash should not cost a service."""

JITTER: Final = 0.2
"""Delays are stretched by up to this fraction, so that workers that died together part ways."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Start again after `delay_s`; pass `exits` to the next decision."""

    delay_s: float
    exits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget is spent: `len(exits)` deaths within the period."""

    exits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `max_restarts` within any `period_s`.

    The first `AT_ONCE` of them cost no delay, the later ones wait from `backoff_min_s`, each twice
    as long as the one before, up to `backoff_max_s`. A worker that was ready for `stable_after_s`
    starts with a clean slate. Without `retry_starts`, a start that failed is not tried again.
    """

    max_restarts: int = 5
    period_s: float = 60.0
    backoff_min_s: float = 0.1
    backoff_max_s: float = 30.0
    stable_after_s: float = 10.0
    retry_starts: bool = True

    def decide(
        self,
        exits: tuple[float, ...],
        now: float,
        *,
        ready_for_s: float,
        dice: float,
        did_not_start: bool = False,
    ) -> Retry | GiveUp:
        """Judge one more death.

        Args:
            exits: When the earlier ones happened, as the last decision returned them.
            now: Monotonic seconds.
            ready_for_s: How long the dead worker had been ready, 0 if it never was.
            dice: A random number in [0, 1) for the jitter.
            did_not_start: It failed before it was ready, for a reason that the next would meet.
        """
        earlier = () if ready_for_s >= self.stable_after_s else exits
        recent = (*(at for at in earlier if now - at <= self.period_s), now)
        if len(recent) > self.max_restarts or (did_not_start and not self.retry_starts):
            return GiveUp(recent)
        if len(recent) <= AT_ONCE:
            return Retry(0.0, recent)
        doublings = min(len(recent) - AT_ONCE - 1, 64)  # 2.0**1100 would overflow
        delay_s = min(self.backoff_max_s, self.backoff_min_s * 2.0**doublings)
        return Retry(delay_s * (1.0 + JITTER * dice), recent)
