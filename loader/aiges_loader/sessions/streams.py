"""When a session's input, and its output, is complete. Pure."""

from collections.abc import Iterable

from aiges_loader.calls import Datum
from aiges_wire.codes import DataStatus

_LAST = (DataStatus.END, DataStatus.ONCE)


class InputStreams:
    """The input streams seen so far, each with the status of its latest piece."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}

    @property
    def are_complete(self) -> bool:
        """Say whether every stream seen so far has ended."""
        return bool(self._statuses) and all(s in _LAST for s in self._statuses.values())

    def note(self, inputs: Iterable[Datum]) -> None:
        """Take in what is being sent to the worker."""
        for datum in inputs:
            self._statuses[datum.key] = datum.status


def is_last(outputs: Iterable[Datum]) -> bool:
    """Say whether a result ends its session: any one of its outputs does, if it ends."""
    return any(output.status in _LAST for output in outputs)
