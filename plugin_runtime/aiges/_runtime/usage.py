"""What user code reports of itself, for the metrics: use that is counted, and values measured.

It waits here for the supervisor, which asks with every heartbeat. So whatever is kept must be fit
to be sent: what is not is dropped with a warning, since a heartbeat that fails ends the worker.
"""

import logging
import threading
from collections import Counter
from typing import Final

MAX_KEYS: Final = 256
"""Of each kind: every key is a time series in somebody's database."""

MAX_COUNT: Final = (1 << 64) - 1
"""Where counting stops: what the wire carries."""

log = logging.getLogger("aiges.metrics")


class Usage:
    """Reports so far; from any thread."""

    def __init__(self) -> None:
        """Have none yet."""
        self._counts: Counter[str] = Counter()
        self._values: dict[str, float] = {}
        self._lock = threading.Lock()
        self._complaints: set[str] = set()

    def count(self, key: object, count: object) -> None:
        """Add to what was used of `key`; only a whole number from 0 can be added."""
        if not isinstance(count, int) or count < 0:
            self._complain("metric key=%r count=%r: not a whole number from 0", key, count)
            return
        name = _text(key)
        with self._lock:
            if name in self._counts or self._has_room(len(self._counts), name):
                self._counts[name] = min(self._counts[name] + int(count), MAX_COUNT)

    def measure(self, key: object, value: float) -> None:
        """Note the newest value of `key`."""
        name = _text(key)
        with self._lock:
            if name in self._values or self._has_room(len(self._values), name):
                self._values[name] = value

    def counts(self) -> dict[str, int]:
        """Return what was used, since the process began."""
        with self._lock:
            return dict(self._counts)

    def values(self) -> dict[str, float]:
        """Return the newest values."""
        with self._lock:
            return dict(self._values)

    def _has_room(self, number: int, key: str) -> bool:
        if number < MAX_KEYS:
            return True
        self._complain("metric key=%s: more than %d keys; new ones are left out", key, MAX_KEYS)
        return False

    def _complain(self, what: str, *about: object) -> None:
        """Say what is wrong, each kind once: it may come with every call."""
        if what not in self._complaints:
            self._complaints.add(what)
            log.warning(what, *about)


def _text(key: object) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key).encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent


usage: Final = Usage()
"""Of this process."""
