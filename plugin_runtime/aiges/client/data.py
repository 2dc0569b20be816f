"""What is sent and what comes back. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from aiges_wire.codes import DataStatus, DataType

Kind: TypeAlias = Literal["text", "image", "audio", "video", "other"]
"""What a piece of data is; the word is also the name of its field in JSON."""

KINDS: Final[tuple[Kind, ...]] = ("text", "image", "audio", "video", "other")
"""In the order in which the fields of JSON are looked for."""

TYPE_OF_KIND: Final[Mapping[Kind, DataType]] = {
    "text": DataType.TEXT,
    "image": DataType.IMAGE,
    "audio": DataType.AUDIO,
    "video": DataType.VIDEO,
    "other": DataType.OTHER,
}

KIND_OF_TYPE: Final[Mapping[int, Kind]] = {number: kind for kind, number in TYPE_OF_KIND.items()}

_LAST: Final = (DataStatus.END, DataStatus.ONCE)


@dataclass(frozen=True, slots=True)
class Input:
    """A piece of input that needs more said about it than its data.

    Attributes:
        data: Text is sent as UTF-8.
        kind: What it is; None: what the service declares for this input, "text" if nothing.
        status: Where it stands in its stream (`aiges_wire.codes.DataStatus`); None: as its place
            among the pieces says.
        attributes: What else the wrapper may want to know: encoding, sample_rate and the like.
    """

    data: bytes | str
    kind: Kind | None = None
    status: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


Data: TypeAlias = bytes | str | Input
Package: TypeAlias = Data | Mapping[str, Data]
"""What is sent at once: data by the name of the input, or data alone for the only input."""

Params: TypeAlias = Mapping[str, str | int | float | bool]
Expect: TypeAlias = Mapping[str, Kind | Mapping[str, str]]
"""Output -> its kind, or its attributes: data_type (the kind), encoding, format, compress."""


class Piece(NamedTuple):
    """One input of a package, as it is sent."""

    name: str
    data: bytes
    kind: Kind
    status: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a result.

    Attributes:
        name: The wrapper's key for it.
        kind: What it is.
        data: Decoded.
        status: Where it stands in its stream: 0 begin, 1 continue, 2 end, 3 the only one.
        attributes: What stands beside it: seq, encoding, format and the like, as text.
    """

    name: str
    kind: Kind
    data: bytes
    status: int
    attributes: Mapping[str, str]

    @property
    def text(self) -> str:
        """The data as text; raises UnicodeDecodeError if it is not UTF-8."""
        return self.data.decode()

    @property
    def is_last(self) -> bool:
        """Whether nothing more of this output follows."""
        return self.status in _LAST


@dataclass(frozen=True, slots=True)
class Result:
    """What the wrapper produced at once: the answer to a call, or one result of a stream.

    Attributes:
        sid: The service's name for the call or session.
        outputs: By name.
    """

    sid: str
    outputs: Mapping[str, Output]

    def __getitem__(self, name: str) -> Output:
        return self.outputs[name]

    def __iter__(self) -> Iterator[Output]:
        return iter(self.outputs.values())

    @property
    def text(self) -> str:
        """The text of the only output; raises ValueError if there are none or several."""
        return self._only.text

    @property
    def data(self) -> bytes:
        """The data of the only output; raises ValueError if there are none or several."""
        return self._only.data

    @property
    def is_last(self) -> bool:
        """Whether it ends its stream."""
        return any(output.is_last for output in self)

    @property
    def _only(self) -> Output:
        if len(self.outputs) != 1:
            names = ", ".join(self.outputs) or "none"
            raise ValueError(f"the result has not one output but: {names}")
        return next(iter(self))


def joined(results: Sequence[Result]) -> Result:
    """Put the results of one stream together: the data of each output, one piece after the other.

    Attributes are those of an output's first piece, its status is that of the last.
    """
    outputs: dict[str, list[Output]] = {}
    for result in results:
        for name, output in result.outputs.items():
            outputs.setdefault(name, []).append(output)
    return Result(
        results[-1].sid,
        {
            name: replace(
                pieces[0], data=b"".join(p.data for p in pieces), status=pieces[-1].status
            )
            for name, pieces in outputs.items()
        },
    )


class Numbering:
    """Gives each input of a stream its status: the first, one of many, the last, the only one.

    Attributes:
        has_begun: Some input has.
    """

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        """Begin; `kinds` are those that the service declares, by input."""
        self._kinds = kinds
        self._open: dict[str, Kind] = {}  # has begun and not ended
        self.has_begun = False

    def pieces(self, package: Package, *, is_last: bool) -> tuple[Piece, ...]:
        """Return what to send for a package; the last one ends every input that has begun.

        Raises:
            ValueError: Data without a name, and the service does not have just one input.
        """
        made = [self._piece(name, data, is_last) for name, data in self._named(package)]
        self.has_begun = self.has_begun or bool(made)
        return (*made, *self.ends()) if is_last else tuple(made)

    def ends(self) -> tuple[Piece, ...]:
        """Return an empty last piece for every input that has begun and not ended."""
        ends = [Piece(name, b"", kind, DataStatus.END, {}) for name, kind in self._open.items()]
        self._open.clear()
        return tuple(ends)

    def _named(self, package: Package) -> Iterable[tuple[str, Data]]:
        if isinstance(package, Mapping):
            return package.items()
        if len(self._kinds) != 1:
            names = ", ".join(self._kinds) or "none that is known"
            raise ValueError(f"name the input that the data is for; the service has: {names}")
        return ((next(iter(self._kinds)), package),)

    def _piece(self, name: str, data: Data, is_last: bool) -> Piece:
        given = data if isinstance(data, Input) else Input(data)
        kind = given.kind or self._kinds.get(name, "text")
        status = given.status
        if status is None:
            status = _place(begins=name not in self._open, ends=is_last)
        if status in _LAST:
            self._open.pop(name, None)
        else:
            self._open[name] = kind
        content = given.data.encode() if isinstance(given.data, str) else given.data
        return Piece(name, content, kind, status, given.attributes)


def _place(*, begins: bool, ends: bool) -> DataStatus:
    if ends:
        return DataStatus.ONCE if begins else DataStatus.END
    return DataStatus.BEGIN if begins else DataStatus.CONTINUE


def param_texts(params: Params) -> dict[str, str]:
    """Write parameters as the wrapper gets them."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in params.items()
    }


def expectations(expect: Expect) -> dict[str, dict[str, str]]:
    """Write what a call expects as JSON has it.

    Raises:
        ValueError: Something is no kind of data.
    """
    made: dict[str, dict[str, str]] = {}
    for name, wanted in expect.items():
        attributes: dict[str, str] = {}
        attributes.update({"data_type": wanted} if isinstance(wanted, str) else wanted)
        if attributes.get("data_type") not in KINDS:
            found = attributes.get("data_type")
            raise ValueError(f"expect[{name!r}]: data_type is one of {', '.join(KINDS)}: {found!r}")
        made[name] = attributes
    return made
