"""A bounded set of objects with names."""

import threading
from typing import Any


class FixedPool:
    """Holds up to `capacity` objects, each under a name that is never used twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, Any] = {}
        self._capacity = 1
        self._next_number = 0

    def set_capacity(self, capacity: int) -> None:
        """Allow `capacity` objects from now on; what is already there stays."""
        self._capacity = capacity

    def add(self, member: object) -> tuple[bool, str]:
        """Take `member` in: return True and its name, or False and "" if the pool is full."""
        with self._lock:
            if len(self._objects) >= self._capacity:
                return False, ""
            name = f"worker-{self._next_number}"
            self._next_number += 1
            self._objects[name] = member
            return True, name

    def get(self, key: str) -> Any:  # noqa: ANN401 - whatever was added
        """Return the object called `key`, or None."""
        return self._objects.get(key)

    def remove(self, key: str) -> bool:
        """Let the object called `key` go, if there is one; always True."""
        with self._lock:
            self._objects.pop(key, None)
        return True

    def clear_all(self) -> None:
        """Let every object go."""
        with self._lock:
            self._objects.clear()
