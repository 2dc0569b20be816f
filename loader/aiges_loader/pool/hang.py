"""When a worker that lives counts as hung. Pure: the caller brings the clock readings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HangPolicy:
    """How patient we are.

    Attributes:
        heartbeat_s: How often a worker is asked for a sign of life.
        hang_timeout_s: Without one, or in one call, for this long: it hangs. None: never.
    """

    heartbeat_s: float
    hang_timeout_s: float | None

    @property
    def period_s(self) -> float:
        """How often to look: often enough that a short time-out is kept."""
        if self.hang_timeout_s is None:
            return self.heartbeat_s
        return min(self.heartbeat_s, self.hang_timeout_s / 2)

    def verdict(self, *, silent_for_s: float, longest_call_s: float) -> str:
        """Say why a worker counts as hung; "" if it does not.

        Args:
            silent_for_s: Since its last sign of life.
            longest_call_s: How long the call that it has had longest has been in user code.
        """
        limit_s = self.hang_timeout_s
        if limit_s is None:
            return ""
        if silent_for_s >= limit_s:
            return f"hung: no heartbeat for {limit_s:g} s (hangTimeout)"
        if longest_call_s >= limit_s:
            return f"hung: a call has been in user code for {limit_s:g} s (hangTimeout)"
        return ""
