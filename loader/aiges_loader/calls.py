"""What front ends and the pool pass each other: a call, its data, its reply."""

from collections.abc import Mapping
from typing import Final, NamedTuple

# Tuples: a request makes half a dozen of these, and a frozen dataclass takes twice as long to make.

NOTHING_BESIDE: Final[Mapping[str, str]] = {}
"""The attributes of data that has none; nobody changes a Datum's."""


class Datum(NamedTuple):
    """One named piece of data, in either direction.

    Attributes:
        key: The name of the input or output.
        data: Decoded bytes; a memoryview is one of bytes.
        type: A `DataType` number; the wrapper's own number is kept even if it is none of them.
        status: A `DataStatus` number, likewise.
        desc: Attributes beside the data: encoding, sample rate and the like.
    """

    key: str
    data: bytes | bytearray | memoryview
    type: int
    status: int
    desc: Mapping[str, str] = NOTHING_BESIDE


class Call(NamedTuple):
    """One request for one answer.

    Attributes:
        sid: Names the call in answers, logs and towards the worker.
        params: What the wrapper gets as `params`; contains "sid".
        inputs: In the order the wrapper shall see them.
        deadline_at: When its client stops waiting, in monotonic seconds; 0 is never.
    """

    sid: str
    params: Mapping[str, str]
    inputs: tuple[Datum, ...]
    deadline_at: float = 0.0


class Reply(NamedTuple):
    """What the wrapper produced for one call, in its order; never empty."""

    outputs: tuple[Datum, ...]

    @property
    def size(self) -> int:
        """Bytes of data in it."""
        size = 0
        for output in self.outputs:
            size += len(output.data)
        return size
