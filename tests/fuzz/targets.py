"""What may be fed any bytes: each target raises if something goes wrong that should not.

Errors that are meant for whoever sent the bytes are caught here; anything else is a fault.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from aiges_loader.config import ConfigError, default_text, load
from aiges_loader.errors import CallError
from aiges_loader.frontend import codec, xsf_messages
from aiges_loader.frontend.quick_head import read_head
from aiges_loader.frontend.schema import SchemaError, parse_schema
from aiges_wire import frames, handshake
from aiges_wire.frames import FrameError, Kind
from support.service import config_text, once_body
from support.xsf_client import request_bytes

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"


@dataclass(frozen=True)
class Target:
    """Code that takes bytes from outside.

    Attributes:
        feed: Gives it some; raises if it fails in a way that it should not.
        corpus: Makes bytes that mean something to it, to begin with.
    """

    feed: Callable[[bytes], None]
    corpus: Callable[[], Sequence[bytes]]


def frames_of_both_ends(data: bytes) -> None:
    """Read frame after frame, as both ends of a lane do, each with its JSON library."""
    at = 0
    with suppress(FrameError):
        while len(data) - at >= frames.HEADER_BYTES:
            header = frames.read_header(data, at)
            meta = data[at + frames.HEADER_BYTES :][: header.meta_bytes]
            if header.kind in (Kind.CALL, Kind.OPEN):
                call = frames.read_call(header, meta)
                assert sum(item[1] for item in call.items) == header.data_bytes
                assert all(isinstance(value, str) for value in call.params.values())
            elif header.kind in (Kind.ANSWER, Kind.WRITE):
                items = frames.read_answer(header, meta, loads=orjson.loads)
                assert sum(item[1] for item in items) == header.data_bytes
            elif header.kind is Kind.FAILURE:
                code, _, step = frames.read_failure(header, meta, loads=orjson.loads)
                assert -(2**31) <= code < 2**31
                assert 0 <= step < 2**31
            at += frames.HEADER_BYTES + header.meta_bytes + header.data_bytes


def some_frames() -> list[bytes]:
    items = [("text", 5, 0, 3, {"encoding": "utf8"})]
    return [
        frames.call(1, "tag", {"a": "b"}, items, deadline_us=9) + b"hello",
        frames.call(2, "tag", {}, [], more=1) + frames.call(3, "t", {}, []),
        frames.answer(1, items, spent_us=7) + b"hello",
        frames.failure(1, 10109, "why"),
        frames.open_session("tag", {"sid": "s"}) + frames.write(1, items) + b"hello",
        frames.done(1, spent_us=3),
    ]


def request_head(data: bytes) -> None:
    """Read the head of a request."""
    found = read_head(data)
    assert found is None or found.length >= 0


def some_heads() -> list[bytes]:
    plain = b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n"
    return [plain + b"\r\n", plain + b"Connection: keep-alive\r\nAccept: */*\r\n\r\n"]


def request_body(data: bytes) -> None:
    """Decode the body of a request."""
    with suppress(CallError):
        request = codec.decode_request(
            data, sid="sid", header_pass=("uid",), declared_inputs=("text",)
        )
        assert request.call.inputs
        assert all(isinstance(value, str) for value in request.call.params.values())


def session_message(data: bytes) -> None:
    """Decode a message of a session's client."""
    with suppress(CallError):
        frame = codec.decode_frame(data, declared_inputs=("text",))
        assert all(isinstance(value, str) for value in frame.params.values())
        assert all(0 <= item.status < 1 << 32 for item in frame.inputs)


def some_messages() -> list[bytes]:
    recorded = orjson.loads((GOLDEN / "websocket.json").read_bytes())
    events = [event for exchange in recorded["exchanges"] for event in exchange["events"]]
    return [orjson.dumps(event["send"]) for event in events if "send" in event]


def some_bodies() -> list[bytes]:
    recorded = orjson.loads((GOLDEN / "http-once.json").read_bytes())
    texts: list[bytes] = [
        once_body(),
        b"{}",
        b'{"header":{"uid":1e400},"payload":{"a":{"text":{}}}}',
    ]
    for exchange in recorded if isinstance(recorded, list) else recorded.get("exchanges", []):
        body = exchange.get("request", {}).get("body") if isinstance(exchange, dict) else None
        if isinstance(body, str) and len(body) < 10_000:
            texts.append(body.encode())
    return texts


def xsf_call(data: bytes) -> None:
    """Decode a call over gRPC, and the same bytes as the package that such a call carries."""
    with suppress(xsf_messages.BadRequestBytesError):
        asked = xsf_messages.decode_request(data)
        assert 0 <= asked.wait_s <= 86_400
        xsf_package(asked.data)
    xsf_package(data)


def xsf_package(data: bytes) -> None:
    with suppress(CallError):
        package = xsf_messages.decode_package(data, header_pass=("sid", "uid"))
        assert {"sid", "uid"} <= package.params.keys()
        assert all(0 <= item.status < 1 << 32 for item in package.inputs)


def some_calls() -> list[bytes]:
    recorded = orjson.loads((GOLDEN / "xsf.json").read_bytes())
    steps = [step for exchange in recorded["exchanges"] for step in exchange["steps"]]
    return [request_bytes(step["request"]) for step in steps if "request" in step]


@cache
def _folder() -> Path:
    # One for the life of the process, which ends it with its other temporary files.
    folder = tempfile.TemporaryDirectory(prefix="fuzz-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list["tempfile.TemporaryDirectory[str]"] = []


def configuration(data: bytes) -> None:
    """Read it as aiges.toml."""
    path = _folder() / "aiges.toml"
    path.write_bytes(data)
    with suppress(ConfigError):
        load(path, service="svcName", environ={"AIGES_PLUGIN_MODE": "python"}, inline_defaults="")


def some_configurations() -> list[bytes]:
    return [
        default_text().encode(),
        config_text(pool={"gpus": ["0"], "env": None}, batch={"maxSize": 8}).encode(),
    ]


def handshake_line(data: bytes) -> None:
    """Read it as the first line of a worker."""
    with suppress(handshake.HandshakeError):
        shaken = handshake.decode(data, offered=(1, 2))
        assert shaken.app_version in (1, 2)


def some_lines() -> list[bytes]:
    return [
        b"1|2|unix|/tmp/w.sock|grpc\n",
        b"1|1|tcp|127.0.0.1:1234|grpc|\n",
        b"1|1|tcp|127.0.0.1:1234|grpc|MIIB|true\n",
    ]


def schema(data: bytes) -> None:
    """Read it as what a wrapper says of itself."""
    with suppress(SchemaError):
        parse_schema(data.decode("utf-8", "replace"), service_name="svcName")


def some_schemas() -> list[bytes]:
    return [path.read_bytes() for path in sorted(GOLDEN.glob("schema-example*.json"))]


TARGETS = {
    "frames": Target(frames_of_both_ends, some_frames),
    "request-head": Target(request_head, some_heads),
    "request-body": Target(request_body, some_bodies),
    "session-message": Target(session_message, some_messages),
    "xsf-call": Target(xsf_call, some_calls),
    "configuration": Target(configuration, some_configurations),
    "handshake": Target(handshake_line, some_lines),
    "schema": Target(schema, some_schemas),
}
