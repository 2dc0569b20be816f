"""The order of a session's input: packages are numbered by the client. Pure."""

from typing import Final, Generic, TypeVar

T = TypeVar("T")

GAP_S: Final = 5.0
"""How long a missing package is waited for."""


class InputOrder(Generic[T]):
    """Packages that have come, until their turn.

    The first package's number is the base. A number below the next expected one is dropped; a
    repeat of one that still waits replaces it.
    """

    def __init__(self, base: int) -> None:
        self._next = base
        self._waiting: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_gap(self) -> bool:
        """Say whether packages wait for one that has not come."""
        return bool(self._waiting) and self._next not in self._waiting

    def put(self, number: int, package: T) -> T | None:
        """Take a package in; return what it replaces, or itself if it comes too late."""
        if number < self._next:
            return package
        replaced = self._waiting.get(number)
        self._waiting[number] = package
        return replaced

    def take(self) -> T | None:
        """Return the package whose turn it is, None if it has not come."""
        package = self._waiting.pop(self._next, None)
        if package is not None:
            self._next += 1
        return package

    def skip_gap(self) -> None:
        """Wait no longer for what is missing before the first that waits."""
        if self._waiting:
            self._next = min(self._waiting)
