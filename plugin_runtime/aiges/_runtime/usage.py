"""What user code reports of itself, for the metrics: use that is counted, and values measured.

It waits here for the supervisor, which asks with every heartbeat.
"""

import logging
import threading
from collections import Counter
from typing import Final

MAX_KEYS: Final = 256
"""Of each kind: every key is a time series in somebody's database."""

log = logging.getLogger("aiges.metrics")


class Usage:
    """Reports so far; from any thread."""

    def __init__(self) -> None:
        """Have none yet."""
        self._counts: Counter[str] = Counter()
        self._values: dict[str, float] = {}
        self._lock = threading.Lock()
        self._is_full = False

    def count(self, key: str, count: int) -> None:
        """Add to what was used of `key`; a negative count is none."""
        if count < 0:
            log.warning("metric key=%s count=%d: less than nothing cannot be counted", key, count)
            return
        with self._lock:
            if key in self._counts or self._has_room(len(self._counts), key):
                self._counts[key] += count

    def measure(self, key: str, value: float) -> None:
        """Note the newest value of `key`."""
        with self._lock:
            if key in self._values or self._has_room(len(self._values), key):
                self._values[key] = value

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
        if not self._is_full:
            log.warning("metric key=%s: more than %d keys; new ones are not counted", key, MAX_KEYS)
            self._is_full = True
        return False


usage: Final = Usage()
"""Of this process."""
