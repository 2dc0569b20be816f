"""Recorded frames of the original, replayed against a whole service.

Each exchange gives the same frames, or is listed with its reason and with what we send instead.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from support.service import Service
from support.waiting import until

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RECORDED: dict[str, Any] = json.loads((GOLDEN / "websocket.json").read_text("utf-8"))
EXCHANGES: Mapping[str, dict[str, Any]] = {e["name"]: e for e in RECORDED["exchanges"]}
ROUTE: str = RECORDED["url_path"]
LIMIT_S = 15.0
PLACE = r"\(wrapper\.py:\d+\)"
"""Where a wrapper raised."""

Event = dict[str, Any]

SEND: Event = {"next": ("send", "send_raw")}
"""In a table below: the next thing that the recorded client sent."""

SAME: Event = {"next": ("recv",)}
"""The next frame that was recorded, too."""

OPEN: Event = {"server_keeps_connection_open": True}
ACKNOWLEDGED: Event = {
    "recv": {"header": {"code": 0, "message": "success", "sid": "<sid>", "status": 0}}
}


def result(text: bytes, seq: int, status: int) -> Event:
    header = {"code": 0, "message": "success", "sid": "<sid>", "status": status}
    repeated = {"encoding": "utf8", "compress": "raw", "format": "plain"}
    entry = {**repeated, "seq": seq, "status": status, "text": base64.b64encode(text).decode()}
    return {"recv": {"header": header, "payload": {"result": entry}}}


def failed(code: int, message: str) -> tuple[Event, Event]:
    header = {"code": code, "message": message, "sid": "<sid>", "status": 0}
    return {"recv": {"header": header}}, {"closed": {"code": 1000, "reason": message}}


@dataclass(frozen=True)
class Different:
    """What happens instead of what was recorded."""

    reason: str
    events: Sequence[Event]


REPORTED = "an error of the engine is a frame, and then the end"
CLOSED = "every end that the server makes is a close frame"
NO_OUTPUT = failed(10106, "wrapper output data invalid(key or type)")
BAD_JSON = failed(10163, "parse request json error")

DIFFERENT: Mapping[str, Different] = {
    "once_status": Different(CLOSED, [SEND, SAME, SAME, {"closed": {"code": 1000, "reason": ""}}]),
    "root_null": Different(CLOSED, [SEND, *BAD_JSON]),
    "expect_encoding_not_string": Different(CLOSED, [SEND, *BAD_JSON]),
    "expect_without_data_type": Different(REPORTED, [SEND, ACKNOWLEDGED, *NO_OUTPUT]),
    "no_parameter_at_all": Different(REPORTED, [SEND, ACKNOWLEDGED, *NO_OUTPUT]),
    "no_expect": Different(REPORTED, [SEND, ACKNOWLEDGED, *NO_OUTPUT]),
    "bad_type": Different(REPORTED, [SEND, ACKNOWLEDGED, *NO_OUTPUT]),
    "write_ret_nonzero": Different(REPORTED, [SEND, ACKNOWLEDGED, *failed(555, "text of 555")]),
    "ret_err_first": Different(REPORTED, [SEND, ACKNOWLEDGED, *failed(1234, "text of 1234")]),
    "create_abort": Different(
        REPORTED,
        [
            SEND,
            ACKNOWLEDGED,
            *failed(30003, "wrapperCreate raised RuntimeError: aborted (<place>)"),
        ],
    ),
    "downMethod_async": Different(REPORTED, [SEND, *failed(10106, "invalid downMethod")]),
    "silent": Different(
        "a client that waits for results is not late; the session's own life is limited",
        [SEND, ACKNOWLEDGED, *failed(10114, "session timeout")],
    ),
    "licence1_right_after_first_finished": Different(
        "a session that has ended holds no licence",
        [SEND, ACKNOWLEDGED, result(b"X", 1, 2), OPEN],
    ),
    "realTimeRlt_false_echo": Different(
        "results that were held back are delivered, all of them, once the input is complete",
        [
            *(SEND, ACKNOWLEDGED, SEND, SEND),
            *(result(b"A", 1, 0), result(b"B", 2, 1), result(b"C", 3, 2)),
            *(SEND, OPEN),
        ],
    ),
}

DECIMAL = {"params_scalars": {"i": "3", "f": "0.25"}}
"""Numbers reach the wrapper as plain decimal text, not as mantissa and exponent."""

ENDS_AT_ONCE = {
    "two_streams_one_ends",
    "no_expect",
    "early_end",
    "ret_err_first",
    "write_ret_nonzero",
}
"""Here the original's worker may get another write after the result that ends or fails it."""

FIRST_OF = {"licence1_right_after_first_finished": "licence1_first_session"}
"""What another client has just done, and stays connected."""

NO_RECORD_OF_WORKER = {
    *("sdk_multi_result", "sdk_echo", "realTimeRlt_false_echo"),
    "licence1_right_after_first_finished",
}

TYPED_NOWHERE = "sdk_multi_result", "sdk_echo"


def setting_of(name: str) -> str:
    """Say which service an exchange needs; seconds are fewer than those of the recording."""
    special = {
        "silent": "short session",
        "idle_no_frame": "short silence",
        "write_slow": "short silence",
        "realTimeRlt_false_echo": "held back",
        **dict.fromkeys(TYPED_NOWHERE, "untyped"),
    }
    one_licence = EXCHANGES[name]["config_changes"].get("[fc].max") == 1
    return special.get(name, "one licence" if one_licence else "plain")


SECTIONS: Mapping[str, dict[str, dict[str, object]]] = {
    "plain": {},
    "untyped": {},
    "short silence": {"ws": {"readTimeout": 1, "sessionTimeout": 60}},
    "short session": {"ws": {"readTimeout": 1, "sessionTimeout": 2}},
    "one licence": {"fc": {"max": 1}, "ws": {"readTimeout": 60, "sessionTimeout": 2}},
    "held back": {"aiges": {"sessMode": True, "realTimeRlt": False}},
}
SESSION_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    running: dict[str, Service] = {}
    with ExitStack() as stack:

        def service(setting: str) -> Service:
            if setting not in running:
                folder = tmp_path_factory.mktemp(setting.replace(" ", "-"))
                source = GOLDEN / "ws-wrapper" / "wrapper.py"
                (folder / "wrapper.py").write_bytes(source.read_bytes())
                schema = dict(RECORDED["worker_schema"])
                if setting == "untyped":
                    schema["schemaoutput"] = {}
                (folder / "schema.json").write_text(json.dumps(schema))
                (folder / "calls.jsonl").touch()
                base = {
                    "aiges": {"sessMode": True},
                    "ws": {"readTimeout": 60, "sessionTimeout": 60},
                }
                started = Service(folder, **{**base, **SECTIONS[setting]})
                running[setting] = stack.enter_context(started).ready()
            return running[setting]

        yield service


@asynccontextmanager
async def connected(
    service: Service, path: str, origin: str | None = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"http://127.0.0.1:{service.http_port}{path}"
    async with (
        aiohttp.ClientSession() as client,
        # What a client offers is not taken up: no subprotocol, no compression.
        client.ws_connect(
            url, protocols=("other",), compress=15, autoping=False, origin=origin
        ) as socket,
    ):
        assert (socket.protocol, socket.compress) == (None, 0)
        yield socket


class Replay:
    """One client that does what the recorded one did, and looks at what it gets."""

    def __init__(
        self, name: str, service: Service, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.name = name
        self.sid = ""
        self._service = service
        self._socket = socket
        self._began_at = time.monotonic()
        self._has_ended = False

    async def play(self, events: Sequence[Event]) -> None:
        for event in events:
            ((what, value),) = (pair for pair in event.items() if pair[0] != "t")
            match what:
                case "send":
                    await self._send(json.dumps(value))
                case "send_raw":
                    await self._send(value)
                case "recv":
                    await self._expect(value)
                case "recv_text":
                    assert await self._socket.receive_str(timeout=LIMIT_S) == value
                case "closed":
                    message = await self._socket.receive(timeout=LIMIT_S)
                    reason = re.sub(PLACE, "(<place>)", message.extra or "")
                    found = {"code": message.data, "reason": reason}
                    assert (message.type, found) == (WSMsgType.CLOSE, value)
                    self._has_ended = True
                case "server_keeps_connection_open":
                    await self._expect_silence()
                case "client_abort":
                    self._socket.get_extra_info("socket").shutdown(2)
                case _:
                    assert what in ("connected", "closed_after_client"), what

    async def _send(self, text: str) -> None:
        if self.name == "session_timeout_6s" and "azM=" in text:  # the one that comes too late
            await asyncio.sleep(self._began_at + SESSION_TIMEOUT_S + 0.1 - time.monotonic())
        await self._socket.send_str(text)

    async def _expect(self, frame: dict[str, Any]) -> None:
        found = await self._socket.receive_json(timeout=LIMIT_S)
        assert check_sid(found["header"]["sid"], self._service)
        self.sid = self.sid or found["header"]["sid"]
        header = found["header"]
        header["message"] = re.sub(PLACE, "(<place>)", header["message"])
        assert found == json.loads(json.dumps(frame).replace("<sid>", self.sid))
        self._has_ended = "payload" in found and found["header"]["status"] in (2, 3)

    async def _expect_silence(self) -> None:
        """See that the worker has done its part, and that nothing comes before the pong."""
        if self._has_ended:
            await self.until_destroyed()
        await self._socket.ping(b"there?")
        message = await self._socket.receive(timeout=LIMIT_S)
        assert message.type is WSMsgType.PONG, message

    async def until_destroyed(self) -> None:
        await until(lambda: self.calls()[-1:] == [{"call": "wrapperDestroy"}], "wrapperDestroy")

    def calls(self) -> list[dict[str, Any]]:
        """Return what the worker was asked for in this session."""
        lines = (self._service.folder / "calls.jsonl").read_text().splitlines()
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if call.pop("sid") == self.sid]


def check_sid(sid: str, service: Service) -> bool:
    """Look at the parts: streaming sessions' names say where and when they began."""
    layout = r"ase(....)([0-9a-f]{4})@local([0-9a-f]{11})0001(..)2"
    parts = re.fullmatch(layout, sid)
    assert parts, sid
    assert int(parts[1], 16) == service.process.pid & 0xFF
    assert int(parts[2], 16) > 0
    assert abs(int(parts[3], 16) / 1000 - time.time()) < 60
    assert parts[4] == str(service.grpc_port)[:2]
    return True


def events_of(name: str) -> list[Event]:
    """Return what was recorded, or what we do instead."""
    recorded = EXCHANGES[name]["events"]
    if name not in DIFFERENT:
        return list(recorded)
    events = []
    for event in DIFFERENT[name].events:
        if "next" in event:
            found = next(e for e in recorded if any(kind in e for kind in event["next"]))
            recorded = recorded[recorded.index(found) + 1 :]
            events.append(found)
        else:
            events.append(event)
    return events


PLACES = {
    "ping_route": ("/ping", None),
    "query_and_origin": (f"{ROUTE}?authorization=abc%3D&host=h", "https://example.com"),
}


@pytest.mark.parametrize("name", [n for n in EXCHANGES if n != "wrong_path"])
async def test_a_recorded_exchange(name: str, services: Callable[[str], Service]) -> None:
    service = services(setting_of(name))
    path, origin = PLACES.get(name, (ROUTE, None))
    async with asyncio.timeout(60.0):
        if other := FIRST_OF.get(name):
            async with connected(service, path) as first:
                await Replay(other, service, first).play(events_of(other))
                await replay(name, service, path, origin)
        else:
            await replay(name, service, path, origin)


async def replay(name: str, service: Service, path: str, origin: str | None) -> None:
    async with connected(service, path, origin) as socket:
        played = Replay(name, service, socket)
        await played.play(events_of(name))
    if EXCHANGES[name].get("worker"):
        await check_worker(played)
    elif name not in NO_RECORD_OF_WORKER:
        assert played.calls() == []


async def check_worker(played: Replay) -> None:
    """Compare what the worker was asked for, once the session is over."""
    wanted = expected_calls(played.name)
    if played.name != "create_abort":  # there is no session to destroy
        await played.until_destroyed()
        wanted.append({"call": "wrapperDestroy"})
    found = played.calls()
    if played.name in ENDS_AT_ONCE:
        wanted = [*wanted[: len(found) - 1], wanted[-1]]
        assert len(found) >= 3
    for call in wanted:
        if call["call"] == "wrapperCreate":
            call["tag"] = call["params"]["sid"] = played.sid
    assert found == wanted


def expected_calls(name: str) -> list[dict[str, Any]]:
    """Return what the recorded worker was asked for, but with the attributes of its inputs."""
    sent = [e["send"].get("payload") for e in EXCHANGES[name]["events"] if "send" in e]
    payloads = iter([payload for payload in sent if payload])
    calls = []
    for entry in EXCHANGES[name]["worker"]:
        match entry.get("call"):
            case "wrapperCreate":
                params = {**entry["request"]["params"], **DECIMAL.get(name, {})}
                calls.append({"call": "wrapperCreate", "params": params})
            case "wrapperWrite":
                payload = next(payloads)
                nodes = entry["request"]["req"]["list"]
                # Inputs come in declared order, whatever the original made of it.
                ordered = sorted(
                    nodes,
                    key=lambda node: (
                        ["input", "img"].index(node["key"]) if node["key"] != "zzz" else 2
                    ),
                )
                calls.append(
                    {
                        "call": "wrapperWrite",
                        "list": [
                            {
                                "key": node["key"],
                                "data": node["data"],
                                "len": int(node["len"]),
                                "type": node.get("type", 0),
                                "status": node.get("status", 0),
                                "desc": attributes_of(payload[node["key"]]),
                            }
                            for node in ordered
                        ],
                    }
                )
    return calls


def attributes_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands beside the data: it reaches our worker, as text."""
    named = {k: v for k, v in entry.items() if k not in ("status", "text", "image")}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in named.items()}


def test_a_path_that_is_no_route(services: Callable[[str], Service]) -> None:
    (event,) = EXCHANGES["wrong_path"]["events"]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }
    answer = services("plain").ask("GET", "/v1/private/nothing", headers=upgrade)
    failed = event["connect_failed"]
    assert (answer.status, answer.body.decode()) == (failed["status"], failed["body"])


def test_every_difference_is_about_an_exchange_that_exists() -> None:
    names = {*DIFFERENT, *DECIMAL, *ENDS_AT_ONCE, *FIRST_OF, *PLACES, *NO_RECORD_OF_WORKER}
    assert names <= set(EXCHANGES)
