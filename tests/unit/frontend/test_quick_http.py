"""Connections that answer plain requests by themselves: real sockets, a backend of ours."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.errors import CallError, NoLicenceError
from aiges_loader.frontend.http_api import HttpApi
from aiges_loader.frontend.http_limits import HttpLimits
from aiges_loader.frontend.http_server import HttpServer
from aiges_loader.frontend.inference import HttpSettings
from aiges_loader.frontend.quick_http import MAX_BEHIND_BYTES
from aiges_loader.frontend.ws_api import SessionApi, SessionSettings
from aiges_loader.sessions.engine import Sessions
from support.service import once_body
from support.waiting import until

LIMIT_S = 20.0
SCHEMA = json.dumps({"meta": {"serviceId": "svcName", "version": "v1"}})


@dataclass
class Backend:
    """Echoes, as the parameter `do` says; counts what is begun and abandoned."""

    is_ready: bool = True
    begun: int = 0
    abandoned: int = 0
    size: int = 0
    answered: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(
        self, call: Call, resolve: Callable[[Reply | CallError], None]
    ) -> Callable[[], None] | None:
        do = call.params.get("do", "")
        if do == "task":
            return None
        if do == "bug":
            raise ZeroDivisionError
        self.begun += 1
        loop = asyncio.get_running_loop()
        if do == "wait":
            waiting = loop.create_task(self.gate.wait())
            waiting.add_done_callback(lambda task: task.cancelled() or resolve(self.reply(call)))
            handle: asyncio.Task[object] | asyncio.Handle = waiting
        else:
            outcome = NoLicenceError() if do == "refuse" else self.reply(call)
            handle = loop.call_soon(resolve, outcome)

        def abandon() -> None:
            self.abandoned += 1
            handle.cancel()

        return abandon

    async def once(self, call: Call) -> Reply:
        await asyncio.sleep(0)
        if call.params.get("do") == "refuse":
            raise NoLicenceError
        return self.reply(call)

    def reply(self, call: Call) -> Reply:
        self.answered += 1
        data = bytes(self.size).replace(b"\0", b"x") or call.inputs[0].data
        key = "other" if call.params.get("do") == "bad output" else "result"
        return Reply((Datum(key, data, 0, 3),))


@dataclass
class Served:
    """A running server."""

    server: HttpServer
    api: HttpApi
    backend: Backend
    port: int
    clients: "list[Client]" = field(default_factory=list)

    @property
    def handed_over(self) -> int:
        """How many connections are the library's."""
        return len(self.server._server.connections)

    async def connect(self) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(LIMIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(fields["Content-Length"]))
        return int(status.split()[1]), fields, body

    async def once(self, **params: str) -> tuple[int, int, str]:
        """Make a plain request; return status, code, and the text of the answer."""
        self.writer.write(request(**params))
        return brief(await self.answer())

    async def hung_up(self) -> bool:
        async with asyncio.timeout(LIMIT_S):
            return await self.reader.read(1) == b""


def request(text: str = "hello", *more: str, **params: str) -> bytes:
    body = once_body(text.encode(), **params)
    fields = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *more))
    return f"POST /v1/svcName HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode() + body


def brief(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, int, str]:
    status, _, body = answer
    read = json.loads(body)
    payload = read["payload"] or {}
    return status, read["header"]["code"], payload.get("result", {}).get("text", "")


@asynccontextmanager
async def served(
    *, timeout_s: float = LIMIT_S, max_body_bytes: int = 1 << 20, quick: bool = True
) -> AsyncIterator[Served]:
    backend = Backend()
    api = HttpApi(
        backend,
        HttpSettings(
            service="svcName",
            header_pass=(),
            timeout_s=timeout_s,
            max_body_bytes=max_body_bytes,
            legacy_status=False,
            restart_wait_s=1.0,
            validate=False,
        ),
        SessionApi(
            Sessions(cast(Any, backend), ttl_s=1.0, roll_s=1.0, results_at_once=True),
            SessionSettings((), timeout_s, timeout_s, max_body_bytes),
            host="127.0.0.1",
            port=5090,
        ),
    )
    api.describe(SCHEMA)
    listener = socket.create_server(("127.0.0.1", 0))
    limits = HttpLimits(header_timeout_s=10.0, idle_timeout_s=75.0, max_body_bytes=max_body_bytes)
    server = HttpServer(listener, api.handle, limits, quick=api if quick else None)
    await server.start()
    try:
        it = Served(server, api, backend, listener.getsockname()[1])
        yield it
    finally:
        for client in it.clients:
            client.writer.close()
            with suppress(ConnectionError):
                await client.writer.wait_closed()
        if not it.api.draining:
            await server.drain(0.0)
        await server.close()


async def test_a_plain_request_is_answered_without_the_library() -> None:
    async with served() as it:
        client = await it.connect()
        for number in range(3):
            assert await client.once(text=f"n{number}") == (200, 0, f"n{number}")
        assert (it.backend.begun, it.handed_over) == (3, 0)


@pytest.mark.parametrize("do", ["", "task", "refuse", "bad output", "bug"])
async def test_both_ways_answer_alike(do: str) -> None:
    answers = []
    for quick in (True, False):
        async with served(quick=quick) as it:
            client = await it.connect()
            client.writer.write(request("hi", do=do))
            status, fields, body = await client.answer()
            assert it.handed_over == (0 if quick else 1)
            assert (await client.once())[0] == 200
        read = json.loads(body)
        del read["header"]["sid"], fields["Date"], fields["Content-Length"]
        answers.append((status, fields, read))
    # The library's own way has no `begin`, so only there is a bug a success.
    if do == "bug":
        assert answers[0][0] == 500
        assert answers[0][2]["header"]["code"] == 30003
    else:
        assert answers[0] == answers[1]


@given(
    st.lists(st.text(max_size=20), min_size=1, max_size=6),
    st.lists(st.integers(0, 2000), max_size=12),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_requests_in_any_pieces_are_answered_in_their_order(
    texts: list[str], cuts: list[int]
) -> None:
    async def run() -> None:
        async with served() as it:
            client = await it.connect()
            whole = b"".join(request(text) for text in texts)
            places = sorted({cut % len(whole) for cut in cuts})
            for begin, end in zip([0, *places], [*places, len(whole)], strict=True):
                client.writer.write(whole[begin:end])
                await client.writer.drain()
                await asyncio.sleep(0)
            for text in texts:
                assert brief(await client.answer()) == (200, 0, text)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /v1/svcName HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"OPTIONS /test.json HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 204),
        (b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", 404),
        (
            b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\n",
            400,
        ),
    ],
)
async def test_what_is_not_plain_is_the_librarys_from_then_on(other: bytes, status: int) -> None:
    async with served() as it:
        client = await it.connect()
        assert (await client.once(text="a"))[2] == "a"
        client.writer.write(other)
        if status == 204:
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b" 204 " in head
        else:
            assert (await client.answer())[0] == status
        assert it.handed_over == 1
        assert await client.once(text="b") == (200, 0, "b")


async def test_a_client_that_wants_to_be_told_to_go_on_is_told() -> None:
    async with served() as it:
        client = await it.connect()
        head, body = request("x", "Expect: 100-continue").split(b"\r\n\r\n", 1)
        client.writer.write(head + b"\r\n\r\n")
        assert b"100 Continue" in await client.reader.readuntil(b"\r\n\r\n")
        client.writer.write(body)
        assert brief(await client.answer()) == (200, 0, "x")


@pytest.mark.parametrize("line", ["Connection: close", "connection: Close"])
async def test_who_asks_for_it_is_hung_up_on(line: str) -> None:
    async with served() as it:
        client = await it.connect()
        client.writer.write(request("x", line))
        assert brief(await client.answer()) == (200, 0, "x")
        assert await client.hung_up()


async def test_old_http_is_answered_and_hung_up_on() -> None:
    async with served() as it:
        client = await it.connect()
        client.writer.write(request("x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert brief(await client.answer()) == (200, 0, "x")
        assert await client.hung_up()


async def test_a_body_that_is_announced_as_too_long_is_refused_unread() -> None:
    async with served(max_body_bytes=1000) as it:
        client = await it.connect()
        client.writer.write(b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
        assert (await client.answer())[0] == 413


async def test_a_body_that_comes_too_late_is_answered_though_more_is_on_its_way() -> None:
    async with served(timeout_s=0.2) as it:
        client = await it.connect()
        head, body = request("x" * 500_000).split(b"\r\n\r\n", 1)
        client.writer.write(head + b"\r\n\r\n" + body[:1000])
        await until(lambda: it.api.inference.tally.by_code, "the deadline")
        client.writer.write(body[1000:])  # it was sending all the time
        await client.writer.drain()
        status, fields, answer = await client.answer()
        assert status == 504
        assert json.loads(answer)["header"]["code"] == 10102
        assert fields["Connection"] == "close"
        assert await client.hung_up()
        assert it.backend.begun == 0


async def test_a_call_that_takes_too_long_is_abandoned_and_the_connection_goes_on() -> None:
    async with served(timeout_s=0.2) as it:
        client = await it.connect()
        assert (await client.once(do="wait"))[:2] == (504, 10102)
        assert it.backend.abandoned == 1
        assert (await client.once())[0] == 200


async def test_a_client_that_leaves_abandons_its_call() -> None:
    async with served() as it:
        client = await it.connect()
        client.writer.write(request(do="wait"))
        await until(lambda: it.backend.begun == 1, "the call")
        client.writer.transport.abort()
        await until(lambda: it.backend.abandoned == 1, "the server to notice")
        tally = it.api.inference.tally
        assert (tally.in_flight, tally.by_code) == (0, {"none": 1})


async def test_a_client_that_reads_nothing_holds_up_only_itself() -> None:
    async with served() as it:
        it.backend.size = 200_000
        slow, other = await it.connect(), await it.connect()
        one = request()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        count = 4 * MAX_BEHIND_BYTES // len(one)
        sending = asyncio.create_task(_write_all(slow.writer, one * count))
        await until(lambda: it.backend.begun > 2, "some calls")
        for _ in range(20):
            assert (await other.once())[0] == 200
        begun = it.backend.begun
        for _ in range(20):
            assert (await other.once())[0] == 200
        assert it.backend.begun == begun + 20 < count  # nobody works for who does not read
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(count):
            assert (await slow.answer())[0] == 200
        await sending


async def _write_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    for at in range(0, len(data), 10_000):
        writer.write(data[at : at + 10_000])
        await writer.drain()


@pytest.mark.parametrize("more", [(), ("Connection: close",)], ids=["quick", "library"])
async def test_draining_finishes_what_the_kernel_alone_knows_of(more: tuple[str, ...]) -> None:
    async with served() as it:
        clients = [socket.create_connection(("127.0.0.1", it.port)) for _ in range(5)]
        for client in clients:
            client.sendall(request("hi", *more))
        it.api.draining = True
        await it.server.drain(LIMIT_S)
        assert it.backend.answered == len(clients)
        for client in clients:
            client.close()


async def test_draining_finishes_what_runs_and_closes_behind_it() -> None:
    async with served() as it:
        busy, idle = await it.connect(), await it.connect()
        assert (await idle.once())[0] == 200
        busy.writer.write(request("last", do="wait"))
        await until(lambda: it.backend.begun == 2, "the call")
        it.api.draining = True
        draining = asyncio.create_task(it.server.drain(LIMIT_S))
        assert await idle.hung_up()
        assert not draining.done()
        it.backend.gate.set()
        status, fields, _ = await busy.answer()
        assert (status, fields["Connection"]) == (200, "close")
        assert await busy.hung_up()
        await draining
