"""A connection that a front end hands over arrives whole, in order, or is given up."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps

import uvloop

from aiges_loader.fronts.front_server import WayOut, _Leaving
from support.waiting import LIMIT_S

WRITTEN = b"x" * 500_000
"""More than the kernel takes from a client that does not read."""


def on_uvloop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test on the event loop that front ends have."""

    @wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    return run


@asynccontextmanager
async def written_to(data: bytes) -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Yield a connection to whose client `data` was written, and the client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for each in (client, server):
            each.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, server)
        transport.write(data)
        yield transport, client
        transport.abort()


async def leave(
    transport: asyncio.Transport, limit_s: float | None = LIMIT_S
) -> "asyncio.Future[tuple[int | None, bytes]]":
    left: asyncio.Future[tuple[int | None, bytes]] = asyncio.get_running_loop().create_future()
    _Leaving(transport, b"GET /", lambda fd, data: left.set_result((fd, data))).go(limit_s)
    return left


async def read(client: socket.socket, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(LIMIT_S):
        while len(data) < count:
            piece = await asyncio.get_running_loop().sock_recv(client, count - len(data))
            assert piece
            data += piece
    return data


@on_uvloop
async def test_one_with_nothing_to_write_leaves_at_once() -> None:
    async with written_to(b"") as (transport, client):
        left = await leave(transport)
        fd, data = left.result()
        assert (data, transport.is_closing()) == (b"GET /", True)
        assert fd is not None
        os.write(fd, b"on")
        assert await read(client, 2) == b"on"
        os.close(fd)


@on_uvloop
async def test_one_with_something_to_write_leaves_behind_it() -> None:
    async with written_to(WRITTEN) as (transport, client):
        assert transport.get_write_buffer_size() > 0
        left = await leave(transport)
        assert not left.done()
        assert await read(client, len(WRITTEN)) == WRITTEN
        async with asyncio.timeout(LIMIT_S):
            fd, _ = await left
        assert fd is not None
        os.write(fd, b"on")
        assert await read(client, 2) == b"on"
        os.close(fd)


@on_uvloop
async def test_one_whose_client_hangs_up_meanwhile_is_given_up() -> None:
    async with written_to(WRITTEN) as (transport, client):
        left = await leave(transport)
        client.close()
        async with asyncio.timeout(LIMIT_S):
            assert (await left)[0] is None


@on_uvloop
async def test_one_whose_client_reads_nothing_is_given_up_in_time() -> None:
    async with written_to(WRITTEN) as (transport, _):
        left = await leave(transport, limit_s=0.05)
        async with asyncio.timeout(LIMIT_S):
            assert (await left)[0] is None


@on_uvloop
async def test_the_way_out_keeps_what_the_supervisor_does_not_fetch() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for each in (ours, theirs):
            each.setblocking(False)
        out = WayOut(ours)
        said = [bytes([65 + number]) * 100_000 for number in range(20)]
        for data in said:
            out.send(os.dup(theirs.fileno()), data)
        assert not out.is_empty
        fetched = []
        async with asyncio.timeout(LIMIT_S):
            while len(fetched) < len(said):
                data = b""
                fds: list[int] = []
                while not data.endswith(b"\n"):
                    try:
                        packet, got, _, _ = socket.recv_fds(theirs, 1 << 16, 1)
                    except BlockingIOError:
                        await asyncio.sleep(0)  # for the way out to send more
                        continue
                    fds += got
                    data += packet[1:] + (b"\n" if packet[:1] == b"." else b"")
                assert len(fds) == 1
                os.close(fds[0])
                fetched.append(data[:-1])
        assert fetched == said
        assert out.is_empty
