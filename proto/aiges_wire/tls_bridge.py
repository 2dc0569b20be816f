"""Carry the bytes of connections between a TLS address and a private cleartext Unix socket.

gRPC speaks on the cleartext side; asyncio's TLS stands on the other. HTTP/2 is not looked at.
"""

import asyncio
import logging
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

DIAL_LIMIT_S: Final = 10.0
"""How long one connection to the far side may take, TLS handshake included."""

LAST_BYTES_S: Final = 0.3
"""How long connections that are closing may take to give away what they still hold."""

_PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: Linux's struct ucred

Dial = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]
"""Connects to the far side and gives the connection a protocol; raises OSError."""

Listen = Callable[[Callable[[], asyncio.Protocol]], Awaitable[asyncio.AbstractServer]]
"""Listens on the near side and gives each connection a protocol."""

Admit = Callable[[asyncio.BaseTransport], bool]
"""Judges a connection just made, TLS handshake included."""

log = logging.getLogger(__name__)


@asynccontextmanager
async def bridge(listen: Listen, dial: Dial, *, admit: Admit) -> AsyncIterator[None]:
    """Carry each connection made to `listen` to one made by `dial`, until the end of the block.

    Connections that `admit` refuses are cut; if `dial` fails, so are those that it was for. At the
    end, what was read is still delivered, for `LAST_BYTES_S`.
    """
    connections = _Connections(dial, admit)
    server = await listen(connections.near_end)
    try:  # no task group: errors of the block shall pass as they are
        yield
    finally:
        server.close()
        await connections.close()


def presents(certificate: bytes) -> Admit:
    """Admit TLS connections whose far side showed exactly this certificate (DER)."""

    def admit(transport: asyncio.BaseTransport) -> bool:
        session = transport.get_extra_info("ssl_object")
        return session is not None and session.getpeercert(binary_form=True) == certificate

    return admit


def comes_from_this_process(transport: asyncio.BaseTransport) -> bool:
    """Admit Unix connections that this very process has made."""
    # A socket of our own over the same file: what loops hand out cannot always be asked.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
        credentials = connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size
        )
    pid, _, _ = _PEER_CREDENTIALS.unpack(credentials)
    return bool(pid == os.getpid())


class _End(asyncio.Protocol):
    """One of the two connections of a pair: what it reads, the other writes."""

    def __init__(self, connections: "_Connections", other: "_End | None") -> None:
        self.other = other
        self.lost = False
        self.early = b""  # read before there is another end; uvloop cannot be paused at once
        self.transport: asyncio.Transport
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are of no such class
        self._connections.made(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
        else:
            self.early += data

    def pause_writing(self) -> None:
        if self.other is not None and not self.other.lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.lost:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.other is not None:
            self.other.transport.close()  # after it has written what we read
        self._connections.gone(self)


class _Connections:
    """The open ends of a bridge, and the tasks that dial for new ones."""

    def __init__(self, dial: Dial, admit: Admit) -> None:
        self._dial = dial
        self._admit = admit
        self._dialling: set[asyncio.Task[None]] = set()
        self._open: set[_End] = set()
        self._closed = asyncio.Event()
        self._closed.set()

    def near_end(self) -> _End:
        """Make the protocol of an accepted connection."""
        return _End(self, None)

    def made(self, end: _End) -> None:
        """Keep count; dial for an accepted connection."""
        self._open.add(end)
        self._closed.clear()
        if end.other is not None:
            return
        if not self._admit(end.transport):
            log.warning("connection refused: it is not the other side that we know")
            end.transport.abort()
            return
        end.transport.pause_reading()
        task = asyncio.create_task(self._join(end), name="tls-bridge-dial")
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    def gone(self, end: _End) -> None:
        """Keep count."""
        self._open.discard(end)
        if not self._open:
            self._closed.set()

    async def close(self) -> None:
        """Let what was read be delivered, then cut what is left."""
        if self._dialling:
            for task in self._dialling:
                task.cancel()
            await asyncio.wait(self._dialling)
        try:
            async with asyncio.timeout(LAST_BYTES_S):
                await self._closed.wait()
        except TimeoutError:
            for end in self._open:
                end.transport.abort()
            await self._closed.wait()

    async def _join(self, near: _End) -> None:
        far = _End(self, near)  # it may read, and be lost, before the next line goes on
        try:
            async with asyncio.timeout(DIAL_LIMIT_S):
                await self._dial(lambda: far)
        except (OSError, TimeoutError) as error:
            log.warning("cannot reach the other side: %s", error or type(error).__name__)
            near.transport.abort()
            return
        except asyncio.CancelledError:
            near.transport.abort()
            raise
        if near.lost:
            far.transport.close()
        elif not far.lost:
            near.other = far
            far.transport.write(near.early)
            near.transport.resume_reading()


def tls_dial(network: str, address: str, context: ssl.SSLContext, server_name: str) -> Dial:
    """Return a dial to a handshake's address: a path ("unix") or host:port ("tcp")."""
    loop = asyncio.get_running_loop()

    async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
        if network == "unix":
            return await loop.create_unix_connection(
                protocol, address, ssl=context, server_hostname=server_name
            )
        host, _, port = address.rpartition(":")
        return await loop.create_connection(
            protocol,
            host.strip("[]") or "127.0.0.1",
            int(port),
            ssl=context,
            server_hostname=server_name,
        )

    return dial
