"""Counts of requests, for metrics. Pure, and cheap: it is asked twice in each request.

Plain numbers of one thread; a metrics library's own counters lock, and cost five times as much.
"""

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
"""Upper ends of the classes of durations; one more class has the rest."""

NO_ANSWER: Final = "none"
"""Stands for the code of a request that got no answer: its client went away."""

OTHER: Final = "other"
"""Stands for the codes of wrappers past the first `MAX_CODES`, so that nobody's memory fills up."""

MAX_CODES: Final = 100


class RequestTally:
    """What happened to requests so far.

    Attributes:
        in_flight: Requests that have begun and not ended.
        by_code: How many ended with each code.
        by_duration: How many fell into each class of `BOUNDS_S`, and the rest.
        seconds: Sum of the durations.
    """

    __slots__ = ("by_code", "by_duration", "in_flight", "seconds")

    def __init__(self) -> None:
        self.in_flight = 0
        self.by_code: dict[int | str, int] = {}
        self.by_duration = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def begin(self) -> None:
        """Count a request that begins; `end` follows."""
        self.in_flight += 1

    def end(self, code: int | str, seconds: float) -> None:
        """Count how a request ended: the code that its client got, or `NO_ANSWER`."""
        self.in_flight -= 1
        self.seconds += seconds
        self.by_duration[bisect_left(BOUNDS_S, seconds)] += 1
        try:
            self.by_code[code] += 1
        except KeyError:
            known = code if len(self.by_code) < MAX_CODES else OTHER
            self.by_code[known] = self.by_code.get(known, 0) + 1

    def add(self, other: "RequestTally") -> None:
        """Count what another one has counted as well."""
        self.in_flight += other.in_flight
        self.seconds += other.seconds
        self.by_duration = [
            sum(pair) for pair in zip(self.by_duration, other.by_duration, strict=True)
        ]
        for code, count in other.by_code.items():
            self.by_code[code] = self.by_code.get(code, 0) + count

    def lose(self) -> None:
        """Count the requests that run as ended without an answer: their process is gone."""
        if self.in_flight:
            self.by_code[NO_ANSWER] = self.by_code.get(NO_ANSWER, 0) + self.in_flight
            self.by_duration[-1] += self.in_flight
            self.in_flight = 0
