"""What the supervisor and a front-end process tell each other, besides calls. No I/O.

Calls, their answers and these messages are frames on one stream (`aiges_wire/frames.py`).
Connections that a front end does not serve itself travel on a second socket, of sequenced packets:
each packet begins with `MORE` or `LAST`, and the first of a connection has its descriptor with it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

import orjson

from aiges_loader.errors import CallError
from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.inference import HttpSettings
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.request_tally import RequestTally
from aiges_wire import frames
from aiges_wire.frames import Buffer, FrameError, Header, Kind

T = TypeVar("T")

MORE: Final = b"+"
LAST: Final = b"."
PIECE_BYTES: Final = 32 << 10
"""What a client has sent is cut into packets of this size: the kernel wants each in one piece."""

NUMBERS: Final = 1 << 32
"""Of calls; then they begin anew."""


class Phase(StrEnum):
    """What a front end is to do."""

    SERVE = "serve"
    DRAIN = "drain"  # take in what the kernel has accepted, close the door, finish what has begun
    END = "end"  # let the last answers out and leave


@dataclass(frozen=True, slots=True)
class Orders:
    """What a front end is to live by.

    Attributes:
        phase: What it is to do.
        drain_s: In `Phase.DRAIN`, how long running requests may take.
        routes: Paths whose plain requests it answers; those of others it hands over.
        inputs: Declared inputs of the wrapper.
        request_schema: What requests are checked against; None: they are not.
        settings: See `HttpSettings`.
        limits: See `HttpLimits`; for connections made from then on.
    """

    phase: Phase
    drain_s: float
    routes: tuple[str, ...]
    inputs: tuple[str, ...]
    request_schema: Mapping[str, Json] | None
    settings: HttpSettings
    limits: HttpLimits

    def frame(self) -> bytes:
        """Write them."""
        return frames.note(Kind.ORDERS, 0, orjson.dumps(self))

    @classmethod
    def read(cls, meta: Buffer) -> "Orders":
        """Read them; raise `FrameError` if they are none."""

        def made() -> Orders:
            told = orjson.loads(meta)
            settings = told.pop("settings")
            return cls(
                phase=Phase(told.pop("phase")),
                routes=tuple(told.pop("routes")),
                inputs=tuple(told.pop("inputs")),
                settings=HttpSettings(header_pass=tuple(settings.pop("header_pass")), **settings),
                limits=HttpLimits(**told.pop("limits")),
                **told,
            )

        return _read("orders", made)


@dataclass(frozen=True, slots=True)
class Report:
    """How a front end is.

    Attributes:
        shut: It accepts no more connections.
        idle: No request runs there, and no connection is on its way from there to us.
        connections: How many it has.
        tally: What happened to requests for inference there, since it began.
    """

    shut: bool
    idle: bool
    connections: int
    tally: RequestTally

    def frame(self, number: int) -> bytes:
        """Write it; `number` is that of the question, 0 if nobody asked."""
        tally = self.tally
        counts = [tally.in_flight, list(tally.by_code.items()), tally.by_duration, tally.seconds]
        told = [self.shut, self.idle, self.connections, counts]
        return frames.note(Kind.REPORT, number, orjson.dumps(told))

    @classmethod
    def read(cls, meta: Buffer) -> "Report":
        """Read it; raise `FrameError` if it is none."""

        def made() -> Report:
            shut, idle, connections, counts = orjson.loads(meta)
            tally = RequestTally()
            tally.in_flight, codes, tally.by_duration, tally.seconds = counts
            tally.by_code = dict(map(tuple, codes))
            return cls(shut, idle, connections, tally)

        return _read("a report", made)


class RelayedError(CallError):
    """A call that failed in the supervisor, as a front end hears of it."""

    def __init__(self, code: int, text: str, status: HTTPStatus) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


def failure(number: int, error: CallError) -> bytes:
    """Write how a call failed: a FAILURE whose number is the HTTP status."""
    text = str(error).encode(errors="replace").decode()  # JSON takes no lone surrogates
    return frames.failure(number, int(error.code), text, spent_us=error.status, dumps=orjson.dumps)


def error_of(header: Header, meta: Buffer) -> CallError:
    """Read how a call failed; raise `FrameError` if that is nothing of the kind."""
    code, text, _ = frames.read_failure(header, meta, loads=orjson.loads)
    return _read("a status", partial(_relayed, code, text, header.number))


def _relayed(code: int, text: str, status: int) -> RelayedError:
    return RelayedError(code, text, HTTPStatus(status))


def packets(data: bytes) -> Iterator[bytes]:
    """Cut what a client has sent into packets."""
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [b""]
    for piece in pieces[:-1]:
        yield MORE + piece
    yield LAST + pieces[-1]


def _read(what: str, made: Callable[[], T]) -> T:
    try:
        return made()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FrameError(f"that is not {what}: {error}") from None
