"""When a healthy worker is replaced by a fresh one. Pure."""

from dataclasses import dataclass
from typing import Final

JITTER: Final = 0.1
"""A worker's own limit of calls is up to this fraction higher, so that not all go at once."""


@dataclass(frozen=True, slots=True)
class WearPolicy:
    """What a process may go through before it is replaced; None is no limit."""

    max_requests: int | None
    max_rss_bytes: int | None
    max_age_s: float | None

    @property
    def is_unlimited(self) -> bool:
        """Say whether there is nothing to watch."""
        return not (self.max_requests or self.max_rss_bytes or self.max_age_s)

    def verdict(self, *, served: int, rss_bytes: int, age_s: float, dice: float) -> str:
        """Say why a process is worn out; "" if it is not.

        Args:
            served: Calls that it has been done with.
            rss_bytes: Its resident memory, its children's included.
            age_s: Since it became ready.
            dice: Its own random number in [0, 1).
        """
        if self.max_requests and served >= self.max_requests * (1.0 + JITTER * dice):
            return f"served {served} calls (maxRequests)"
        if self.max_rss_bytes and rss_bytes > self.max_rss_bytes:
            return f"uses {rss_bytes >> 20} MiB (maxRssMb)"
        if self.max_age_s and age_s >= self.max_age_s:
            return f"is {age_s:.0f} s old (maxAge)"
        return ""
