"""What is measured: each case is a value. No I/O."""

import base64
import json
import random
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Payload:
    """The data of a request.

    Attributes:
        key: The payload's name in the request.
        kind: The field that holds the base64: "text" or "image".
        encoding: What the request says about the data.
        data: Before base64.
    """

    key: str
    kind: str
    encoding: str
    data: bytes

    def body(self) -> bytes:
        """Return the JSON that is sent, as GET /test.json of aiges-loader shows it."""
        section = {
            "encoding": self.encoding,
            "status": 3,
            self.kind: base64.b64encode(self.data).decode(),
        }
        expected = {"result": {"encoding": "utf8", "data_type": "text"}}
        return json.dumps(
            {
                "header": {"appid": "bench", "status": 3},
                "parameter": {"svcName": expected},
                "payload": {self.key: section},
            }
        ).encode()


def _image(size: int) -> Payload:
    return Payload("img", "image", "png", random.Random(size).randbytes(size))  # noqa: S311


SMALL: Final = Payload("text", "text", "utf8", b"hello")
IMAGE: Final = _image(100_000)
LARGE: Final = _image(7_500_000)
"""A body of 10 MB: base64 makes four bytes of three."""
WORDS: Final = Payload("text", "text", "utf8", b"ten bytes " * 10)
BOOK: Final = Payload("text", "text", "utf8", b"ten bytes " * 100_000)


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load.

    Attributes:
        title: What it is, for people.
        work: What the wrapper does, by its name in services/work.py.
        connections: Each sends its next request once it has the last answer.
        workers: Worker processes.
        concurrency: Calls that a worker should run at the same time; 0: as each server does by
            itself.
        batch: Calls that may go to the work together; 0: none.
    """

    name: str
    title: str
    work: str
    payload: Payload
    connections: int
    workers: int = 1
    concurrency: int = 0
    batch: int = 0

    @property
    def expected(self) -> str:
        """The text that a right answer holds."""
        data = self.payload.data
        if self.work == "digest":
            return f"{len(data)} {data[:8].hex()} {data[-8:].hex()}"
        return data.decode().upper() if self.work == "upper" else data.decode()

    def fault_of(self, status: int, answer: bytes) -> str | None:
        """Say what is wrong with an answer to this case's request; None: nothing."""
        if status != 200:  # noqa: PLR2004
            return f"status {status}: {answer[:200]!r}"
        try:
            read: Any = json.loads(answer)
            code, text = read["header"]["code"], read["payload"]["result"]["text"]
        except (ValueError, KeyError, TypeError):
            return f"not the expected JSON: {answer[:200]!r}"
        if code != 0:
            return f"code {code}: {answer[:200]!r}"
        if text != self.expected:
            return f"text {text[:100]!r}, not {self.expected[:100]!r}"
        return None


def _small(connections: int) -> Case:
    title = f"small text, {connections} connection{'s' if connections > 1 else ''}"
    return Case(f"small-{connections}", title, "echo", SMALL, connections)


def _cpu(workers: int) -> Case:
    title = f"10 ms of Python each, {workers} worker{'s' if workers > 1 else ''}, 8 connections"
    return Case(f"cpu-{workers}", title, "burn", SMALL, 8, workers=workers)


def _upper(size: str, payload: Payload, concurrency: int) -> Case:
    calls = "one call" if concurrency == 1 else f"{concurrency} calls"
    title = f"{size} of text to upper case, {calls} at a time, 8 connections"
    return Case(
        f"upper-{size.replace(' ', '')}-{concurrency}", title, "upper", payload, 8, 1, concurrency
    )


CASES: Final = (
    *(_small(connections) for connections in (1, 8, 32, 256, 1000)),
    Case("image-32", "100 KB image in, short text out, 32 connections", "digest", IMAGE, 32),
    Case("large-2", "10 MB body, short text out, 2 connections", "digest", LARGE, 2),
    _cpu(1),
    _cpu(2),
    Case("sleep-32", "50 ms sleep, 32 at a time", "sleep", SMALL, 32, concurrency=32),
    Case("batch-off", "two 2048 x 2048 layers, 32 connections, one by one", "matmul", SMALL, 32),
    Case("batch-on", "the same, in batches of up to 32", "matmul", SMALL, 32, batch=32),
    *(_upper("100 B", WORDS, concurrency) for concurrency in (1, 4)),
    *(_upper("1 MB", BOOK, concurrency) for concurrency in (1, 4)),
)
