"""What front ends and the pool pass each other: a call, its data, its reply."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Datum:
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
    desc: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
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


@dataclass(frozen=True, slots=True)
class Reply:
    """What the wrapper produced for one call, in its order; never empty."""

    outputs: tuple[Datum, ...]
