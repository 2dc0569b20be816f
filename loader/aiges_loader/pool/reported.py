"""What user code reports of itself, over all workers and their lives. Pure."""

from collections import Counter
from collections.abc import Mapping


class Reported:
    """Counts that go on when one process replaces another.

    Attributes:
        counts: What was used, by key.
        values: The newest measured values, by key.
    """

    def __init__(self) -> None:
        """Know of nothing yet."""
        self.counts: Counter[str] = Counter()
        self.values: dict[str, float] = {}

    def add(self, more: Mapping[str, int], values: Mapping[str, float]) -> None:
        """Take in what a worker has used since it last said so, and what it measured."""
        self.counts.update(more)
        self.values.update(values)


def since(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Return by how much the counts of one process have grown."""
    return {key: count - before.get(key, 0) for key, count in now.items()}
