"""Sessions of a whole service: WebSocket and server-sent events."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.service import Service
from support.session_wrappers import CALLBACK, GENERATOR

EXPECT = {"result": {"encoding": "utf8", "format": "plain", "data_type": "text"}}
ROUTE = "/v1/private/streamed"
LIMIT_S = 10.0


protocol: ContextVar[str] = ContextVar("version of the worker protocol")


@pytest.fixture(params=["1", "auto"], autouse=True)
def each_protocol(request: pytest.FixtureRequest) -> None:
    """Run everything here over both versions of the worker protocol."""
    protocol.set(request.param)


def service(folder: Path, wrapper: str, **sections: Any) -> Service:
    (folder / "wrapper.py").write_text(wrapper)
    sections["pool"] = {"protocol": protocol.get(), **sections.get("pool", {})}
    return Service(folder, **sections)


def frame(text: str, status: int = 1, **params: Any) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {
        "header": {"app_id": "a", "status": status},
        "parameter": {"streamed": {**EXPECT, **params}},
        "payload": {"text": {"status": status, "text": data}},
    }


@asynccontextmanager
async def connected(
    running: Service, path: str = ROUTE, **more: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"http://127.0.0.1:{running.http_port}{path}"
    async with (
        asyncio.timeout(30.0),
        aiohttp.ClientSession() as client,
        client.ws_connect(url, **more) as socket,
    ):
        yield socket


async def received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    answer: dict[str, Any] = await socket.receive_json(timeout=LIMIT_S)
    return answer


def text_of(answer: dict[str, Any]) -> str:
    return base64.b64decode(answer["payload"]["result"]["text"]).decode()


async def closed(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str | None]:
    message = await socket.receive(timeout=LIMIT_S)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), message
    return message.data, message.extra


async def test_a_session_from_its_first_frame_to_its_last_result(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_json(frame("a", 0))
            acknowledged = await received(socket)
            assert acknowledged == {
                "header": {
                    "code": 0,
                    "message": "success",
                    "sid": acknowledged["header"]["sid"],
                    "status": 0,
                }
            }
            sid = acknowledged["header"]["sid"]
            assert re.fullmatch(r"ase[0-9a-f]{8}@local[0-9a-f]{11}[0-9a-f]{4}[0-9]{2}2", sid)
            first = await received(socket)
            assert first["header"] == {"code": 0, "message": "success", "sid": sid, "status": 0}
            assert text_of(first) == "a!"
            entry = first["payload"]["result"]
            assert (entry["encoding"], entry["format"]) == ("utf8", "plain")
            assert (int(entry["seq"]), int(entry["status"])) == (1, 0)
            await socket.send_json(frame("b", 2))
            last = await received(socket)
            assert (text_of(last), last["header"]["status"]) == ("b!", 2)
            await socket.send_json(frame("c", 2))  # swallowed
            await socket.close()


@pytest.mark.parametrize(
    ("text", "params", "code", "words"),
    [
        ("code 7", {}, 7, "text of 7"),
        ("raise x", {}, 30003, "KeyError"),
        ("exit", {}, 10109, "the worker died"),
        ("a", {"createCode": "8"}, 8, "text of 8"),
        ("a", {"result": {"data_type": "image"}}, 10106, "wrapper output data invalid"),
    ],
)
async def test_an_error_is_a_frame_and_then_the_end(
    text: str, params: dict[str, Any], code: int, words: str, tmp_path: Path
) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_json(frame(text, 0, **params))
            assert (await received(socket))["header"]["code"] == 0
            header = (await received(socket))["header"]
            assert header["code"] == code
            assert words in header["message"]
            number, reason = await closed(socket)
            assert number == 1000
            assert header["message"].startswith(reason or "?")


@pytest.mark.parametrize(
    ("message", "code"),
    [("[]", 10163), ("null", 10163), ("nonsense", 10163), ('{"payload": 1}', 10163)],
)
async def test_a_message_that_is_no_frame(message: str, code: int, tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_str(message)
            header = (await received(socket))["header"]
            assert (header["code"], header["message"]) == (code, "parse request json error")
            assert await closed(socket) == (1000, "parse request json error")


async def test_a_client_that_sends_on_still_hears_why_its_session_failed(tmp_path: Path) -> None:
    """Closed with something unread, the connection would be reset, and the reason lost."""
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        for _ in range(20):
            async with connected(running) as socket:
                await socket.send_json(frame("code 5"))

                async def send_on(socket: aiohttp.ClientWebSocketResponse = socket) -> None:
                    with suppress(ConnectionResetError):
                        for _ in range(200):
                            await socket.send_json(frame("x" * 10_000))

                sending = asyncio.create_task(send_on())
                answers = [await received(socket)]
                while answers[-1]["header"]["code"] == 0:
                    answers.append(await received(socket))
                assert answers[-1]["header"]["code"] == 5
                assert (await closed(socket))[0] == 1000
                await sending


async def test_licences_are_shared_and_come_back(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK, fc={"max": 1}) as running:
        running.ready()
        async with connected(running) as first:
            await first.send_json(frame("quiet", 0))
            await received(first)
            async with connected(running) as second:
                await second.send_json(frame("a", 0))
                header = (await received(second))["header"]
                assert header["message"] == "service license not enough"
                assert header["code"] == 10110
        for _ in range(50):  # each session is destroyed before the next one begins
            async with connected(running) as socket:
                await socket.send_json(frame("a", 2))
                assert (await received(socket))["header"]["code"] == 0
                assert text_of(await received(socket)) == "a!"


async def test_silence_ends_a_session_but_waiting_for_its_results_does_not(
    tmp_path: Path,
) -> None:
    with service(tmp_path, CALLBACK, ws={"readTimeout": 1, "sessionTimeout": 3}) as running:
        running.ready()
        async with connected(running) as socket:
            assert await closed(socket) == (1000, "time out")
        async with connected(running) as socket:
            await socket.send_json(frame("sleep 1.5", 1))
            await received(socket)
            assert await closed(socket) == (1000, "time out")
        async with connected(running) as socket:
            await socket.send_json(frame("quiet", 2))
            await received(socket)
            header = (await received(socket))["header"]
            assert (header["code"], header["message"]) == (10114, "session timeout")
            assert await closed(socket) == (1000, "session timeout")


async def test_ping_answers_and_echoes(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        url = f"http://127.0.0.1:{running.http_port}/ping"
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession() as client,
            client.ws_connect(url) as socket,
        ):
            await socket.send_str("ping")
            assert await socket.receive_str() == "pong"
            await socket.send_bytes(b"x")
            assert await socket.receive_bytes() == b"x"


async def test_events_of_one_request(tmp_path: Path) -> None:
    with service(tmp_path, GENERATOR) as running:
        running.ready()
        url = f"http://127.0.0.1:{running.http_port}{ROUTE}"
        headers = {"Accept": "text/event-stream"}
        async with asyncio.timeout(LIMIT_S), aiohttp.ClientSession() as client:
            asked = client.post(url, json=frame("one two three"), headers=headers)
            async with asked as response:
                assert response.status == 200
                assert response.content_type == "text/event-stream"
                events = [
                    json.loads(line.removeprefix(b"data: "))
                    async for line in response.content
                    if line.startswith(b"data: ")
                ]
            assert [text_of(event) for event in events] == ["one", "two", "three", ""]
            assert [event["header"]["status"] for event in events] == [0, 1, 1, 2]
            async with client.post(url, json=frame("boom"), headers=headers) as response:
                answer = await response.json()
                assert (response.status, answer["header"]["code"]) == (500, 30003)
            async with client.post(url, json=frame("one boom"), headers=headers) as response:
                text = (await response.read()).decode()
                assert "event: error\ndata: " in text
                assert "boom" in text
            async with client.post(url, data=b"{", headers=headers) as response:
                assert response.status == 400


async def test_a_client_that_leaves_its_events_frees_the_licence(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK, fc={"max": 1}) as running:
        running.ready()
        url = f"http://127.0.0.1:{running.http_port}{ROUTE}"
        headers = {"Accept": "text/event-stream"}
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession() as client,
            client.post(url, json=frame("many 1000000"), headers=headers) as response,
        ):
            await response.content.readline()
        running.wait_for("destroyed 0")
        async with connected(running) as socket:
            await socket.send_json(frame("a", 2))
            assert (await received(socket))["header"]["code"] == 0


async def test_a_drain_lets_sessions_finish(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK, pool={"drainTimeout": 20}) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_json(frame("a", 0))
            await received(socket)
            assert text_of(await received(socket)) == "a!"
            stopping = asyncio.create_task(asyncio.to_thread(running.stop))
            await asyncio.to_thread(running.wait_for, "finishing what has begun")
            await socket.send_json(frame("b", 2))
            assert text_of(await received(socket)) == "b!"
            await socket.close()
            assert await stopping == 0


async def test_a_drain_sends_away_who_has_no_session_and_who_has_had_one(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK, pool={"drainTimeout": 20}) as running:
        running.ready()
        gone = (1000, "the service is stopping")
        async with (
            connected(running) as silent,
            connected(running) as ended,
            connected(running) as going,
            connected(running, path="/ping") as echo,
        ):
            await ended.send_json(frame("a", 2))
            await going.send_json(frame("a", 0))
            for socket in (ended, going):
                await received(socket)
                assert text_of(await received(socket)) == "a!"
            await echo.send_str("ping")
            assert await echo.receive_str(timeout=LIMIT_S) == "pong"
            stopping = asyncio.create_task(asyncio.to_thread(running.stop))
            for socket in (silent, ended, echo):
                assert await closed(socket) == gone
            await going.send_json(frame("b", 2))
            assert text_of(await received(going)) == "b!"
            assert await closed(going) == gone
            assert await stopping == 0


async def test_the_client_s_close_frame_is_answered_with_its_code(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        for sent, answered in ((4000, 4000), (1000, 1000)):
            async with connected(running) as socket:
                await socket.close(code=sent)
                assert socket.close_code == answered


async def test_operators_see_sessions(tmp_path: Path) -> None:
    with service(tmp_path, CALLBACK) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_json(frame("a", 1))
            await received(socket)
            await received(socket)
            (worker,) = running.admin("GET", "/status").json["workers"]
            assert (worker["sessions"], worker["in_flight"]) == (1, 0)
            metrics = running.admin("GET", "/metrics").body.decode()
            assert "aiges_sessions 1.0" in metrics
            assert "aiges_licences_taken 1.0" in metrics
            await socket.send_json(frame("b", 2))
            assert text_of(await received(socket)) == "b!"
        running.wait_for("destroyed 0")
        metrics = running.admin("GET", "/metrics").body.decode()
        assert 'aiges_sessions_ended_total{code="0"} 1.0' in metrics


async def test_a_step_that_hangs_costs_its_worker_and_the_next_session_is_served(
    tmp_path: Path,
) -> None:
    pool = {"hangTimeout": 1, "heartbeat": 0.2}
    with service(tmp_path, CALLBACK, pool=pool, http={"timeout": 1}) as running:
        running.ready()
        async with connected(running) as socket:
            await socket.send_json(frame("sleep 60"))
            await received(socket)
            assert (await received(socket))["header"]["code"] == 10109
        async with connected(running) as socket:
            await socket.send_json(frame("a", 2))
            await received(socket)
            assert text_of(await received(socket)) == "a!"
