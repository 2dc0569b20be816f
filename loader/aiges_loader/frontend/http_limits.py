"""What a client of an HTTP port may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may take.

    Attributes:
        header_timeout_s: From the connection to its first whole request head; None is no limit.
        idle_timeout_s: Between two requests on one connection; None is no limit.
        max_body_bytes: Of one request.
    """

    header_timeout_s: float | None
    idle_timeout_s: float | None
    max_body_bytes: int
