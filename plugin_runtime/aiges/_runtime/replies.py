"""What the runtime passes between user code and the wire, whichever wire it is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class Input(NamedTuple):
    """One named piece of data of a call; the fields are those of `aiges.dto.DataListNode`."""

    key: str
    data: bytes
    type: int
    status: int
    desc: dict[str, str]


class Output(NamedTuple):
    """One named piece of data of an answer; a memoryview among the data is one of bytes."""

    key: str
    data: Buffer
    type: int
    status: int
    desc: Mapping[str, str]


class Answer(NamedTuple):
    """What a call ends with if all goes well; never without outputs."""

    outputs: Sequence[Output]


class Failure(NamedTuple):
    """What a call ends with otherwise: a code, and words for the client.

    Attributes:
        step: Which step failed, as a `Code`; 0 where the supervisor knows.
    """

    code: int
    text: str
    step: int = 0


Reply: TypeAlias = Answer | Failure
