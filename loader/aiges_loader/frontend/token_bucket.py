"""A limit on the rate of calls. Pure."""


class TokenBucket:
    """So many calls at once, and one more whenever a token comes back."""

    def __init__(self, *, interval_s: float, burst: int) -> None:
        """Make a full one.

        Args:
            interval_s: Until one token comes back; 0: there is no limit.
            burst: Tokens that it holds; with 0 every call is refused.
        """
        self._interval_s = interval_s
        self._burst = burst
        self._tokens = float(burst)
        self._counted_at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token at `now`, monotonic seconds; return False if there is none."""
        if not self._interval_s:
            return True
        if self._counted_at is not None:
            returned = (now - self._counted_at) / self._interval_s
            self._tokens = min(self._burst, self._tokens + returned)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
