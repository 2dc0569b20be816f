"""The names of calls and sessions as the plugin has them: C strings that must outlive its use.

A plugin that answers by callback shows the pointer that it was given, perhaps long after its call
has ended; so the texts of the last names that are over are kept.
"""

import threading
from collections import deque
from typing import Final

from aiges._runtime.library.abi import CData, ffi

KEPT: Final = 1 << 16
"""Names that are over and can still be read; about 6 MB."""


class Tags:
    """The names for which results may come; from any thread."""

    def __init__(self) -> None:
        """Have none yet."""
        self._live: dict[str, CData] = {}
        self._for_one: set[str] = set()
        self._over: deque[CData] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def take(self, tag: str, *, for_one_result: bool) -> CData:
        """Begin to use `tag`; return it as a C string."""
        memory = ffi.new("char[]", tag.encode("utf-8", "replace"))
        with self._lock:
            self._live[tag] = memory
            if for_one_result:
                self._for_one.add(tag)
        return memory

    def admit(self, tag: str) -> bool:
        """Say whether a result for `tag` is awaited; the first ends the use of one for one."""
        if tag in self._for_one:
            return self.release(tag)
        return tag in self._live

    def release(self, tag: str) -> bool:
        """End the use of `tag`; return False if it was over already."""
        with self._lock:
            memory = self._live.pop(tag, None)
            if memory is None:
                return False
            self._for_one.discard(tag)
            self._over.append(memory)
        return True
