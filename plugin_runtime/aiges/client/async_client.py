"""The client for asyncio."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit

from aiges.client.data import (
    Data,
    Expect,
    Input,
    Numbering,
    Package,
    Params,
    Piece,
    Result,
    expectations,
)
from aiges.client.description import Description
from aiges.client.errors import AnswerTimeoutError, ClientError, SessionEndedError
from aiges.client.json_messages import Opening
from aiges.client.transport import Transport, TransportSession
from aiges.client.web import WebSocketTransport, WebTransport
from aiges.client.xsf import XsfTransport
from aiges_wire.codes import DataStatus

TIMEOUT_S: Final = 120.0
"""How long to wait for an answer, or for the next result, unless somebody says otherwise."""

CONNECT_TIMEOUT_S: Final = 10.0

Packages: TypeAlias = Iterable[Package] | AsyncIterable[Package]
"""Packages one after the other; data and mappings are one package, not many."""

_ONE_PACKAGE: Final = (bytes, str, Input, Mapping)

_SCHEMES: Final = ("http", "https", "ws", "wss", "grpc")


class AsyncClient:
    """Makes calls and opens sessions; connections are kept and used again.

    Use it in `async with`, or `close` it. It belongs to the event loop of its first call.
    """

    def __init__(
        self,
        url: str,
        *,
        description: Description | None = None,
        header: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """Say where the service is; nothing is sent yet.

        Args:
            url: `http://host:port`: calls over HTTP, sessions over server-sent events if their
                input is one package, else over WebSocket. `ws://host:port`: all over WebSocket.
                `grpc://host:port`: all over XSF gRPC. `https` and `wss` are the same over TLS. A
                path is the route to use.
            description: What the service is; None: it is asked for that, which one that is reached
                over gRPC cannot answer.
            header: Members of each request's header, such as appid.
            timeout_s: Longest wait for an answer, and for the next result of a session.
            connect_timeout_s: Longest wait for a connection.

        Raises:
            ValueError: The URL is none of these.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.netloc:
            raise ValueError(f"expected http, https, ws, wss or grpc://host:port, got {url!r}")
        self.timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._header = dict(header or {})
        self._route = parts.path.removesuffix("/")
        self._transport = _transport(parts.scheme, parts.netloc, connect_timeout_s)
        self._description = description
        self._describing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections, and with them all sessions."""
        await self._transport.close()

    async def describe(self) -> Description:
        """Say what the service is; it is asked once.

        Raises:
            ClientError: It does not answer, or not with what describes a service.
        """
        async with self._describing:
            if self._description is None:
                async with _limit(self.timeout_s, "no description came"):
                    self._description = await self._transport.describe()
            return self._description

    async def once(
        self,
        inputs: Package | None = None,
        /,
        *,
        params: Params | None = None,
        expect: Expect | None = None,
        timeout_s: float | None = None,
        **named: Data,
    ) -> Result:
        """Make one call: `once(text="hello", params={"mode": "title"})`.

        Args:
            inputs: Data by the name of its input, or data alone if the service has one input.
            params: What the wrapper gets beside it.
            expect: Outputs that may come; None: all that the service has.
            timeout_s: Longest wait for the answer; None: the client's.
            named: As `inputs`.

        Raises:
            ClientError: Its class says what went wrong, and whether to try again.
            ValueError: No input, or one without a name where the service has several.
        """
        limit_s = self._limit_s(timeout_s)
        description = await self.describe()
        numbering = Numbering(description.inputs)
        pieces = numbering.pieces(_package(inputs, named), is_last=True)
        opening = self._opening(description, params, expect)
        async with _limit(limit_s, "no answer came"):
            return await self._transport.once(self._path(description), opening, pieces, limit_s)

    async def stream(
        self,
        inputs: Package | Packages | None = None,
        /,
        *,
        params: Params | None = None,
        expect: Expect | None = None,
        timeout_s: float | None = None,
        **named: Data,
    ) -> AsyncGenerator[Result]:
        """Open a session, send all inputs, and yield its results as they come.

        The session ends with its last result, or when the iteration is left: by `break` as soon as
        the iterator is closed, for which `contextlib.aclosing` is there, by cancellation at once.

        Args:
            inputs: Packages one after the other, sent as they come; or one package. The last one
                of a list is marked as such; behind other iterables' an empty one follows.
            params: What the wrapper gets beside it.
            expect: Outputs that may come; None: all that the service has.
            timeout_s: Longest wait for each result; None: the client's.
            named: One package, by the names of its inputs.

        Raises:
            ClientError: Its class says what went wrong, and whether to try again.
            ValueError: No input, or one without a name where the service has several.
        """
        if inputs is None or isinstance(inputs, _ONE_PACKAGE):
            package = _package(inputs, named)
            async with self._opened(package, params, expect, timeout_s) as session:
                async for result in session:
                    yield result
            return
        if named:
            raise ValueError("inputs are either packages or named")
        async with self._opened(None, params, expect, timeout_s) as session:
            feeding = asyncio.create_task(_feed(session, inputs), name="stream-inputs")
            try:
                while (found := await _next_result(session, feeding)) is not None:
                    yield found
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])

    def session(
        self,
        *,
        params: Params | None = None,
        expect: Expect | None = None,
        timeout_s: float | None = None,
    ) -> "AbstractAsyncContextManager[Session]":
        """Open a session that is written and read as one likes; leaving the context ends it.

        Args:
            params: What the wrapper gets.
            expect: Outputs that may come; None: all that the service has.
            timeout_s: Longest wait for each result, and for room to send; None: the client's.

        Raises:
            ClientError: It cannot be opened.
        """
        return self._opened(None, params, expect, timeout_s)

    async def load_resource(
        self,
        resource_id: str,
        content: Data,
        *,
        name: str = "resource",
        timeout_s: float | None = None,
    ) -> None:
        """Have all workers of the service load a resource, in place of one that has its id.

        It is there for calls and sessions whose param `patch_id` is its id, until it is unloaded or
        the service stops. A service whose wrapper loads none does nothing, and does not say so.

        Args:
            resource_id: Its name; one of C plugins is a number.
            content: What the wrapper gets; an `Input` also has attributes.
            name: The key under which the wrapper gets it.
            timeout_s: Longest wait; None: the client's. The service may load it all the same.

        Raises:
            ClientError: It is not loaded, in none of the workers.
            ValueError: The id is empty, or the URL is none of grpc.
        """
        given = content if isinstance(content, Input) else Input(content)
        data = given.data.encode() if isinstance(given.data, str) else given.data
        piece = Piece(name, data, given.kind or "other", DataStatus.ONCE, given.attributes)
        transport, limit_s = self._for_resources(resource_id), self._limit_s(timeout_s)
        async with _limit(limit_s, "the resource was not loaded"):
            await transport.load_resource(resource_id, piece, limit_s)

    async def unload_resource(self, resource_id: str, *, timeout_s: float | None = None) -> None:
        """Have all workers unload a resource; nothing happens if there is none of that id.

        Args:
            resource_id: Its name.
            timeout_s: Longest wait; None: the client's.

        Raises:
            ClientError: It is still there, in all workers.
            ValueError: The id is empty, or the URL is none of grpc.
        """
        transport, limit_s = self._for_resources(resource_id), self._limit_s(timeout_s)
        async with _limit(limit_s, "the resource was not unloaded"):
            await transport.unload_resource(resource_id, limit_s)

    def _for_resources(self, resource_id: str) -> XsfTransport:
        if not resource_id:
            raise ValueError("a resource needs an id")
        if not isinstance(self._transport, XsfTransport):
            raise ValueError("resources are loaded over gRPC: expected grpc://host:port")  # noqa: TRY004 - the URL's value
        return self._transport

    def _limit_s(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else timeout_s

    @asynccontextmanager
    async def _opened(
        self,
        package: Package | None,
        params: Params | None,
        expect: Expect | None,
        timeout_s: float | None,
    ) -> "AsyncIterator[Session]":
        limit_s = self._limit_s(timeout_s)
        description = await self.describe()
        numbering = Numbering(description.inputs)
        is_complete = package is not None
        pieces: tuple[Piece, ...] = ()
        if package is not None:
            pieces = numbering.pieces(package, is_last=True)
        opening = self._opening(description, params, expect)
        async with _limit(limit_s, "no session was opened"):
            transported = await self._transport.open(
                self._path(description), opening, pieces, is_complete=is_complete
            )
        try:
            yield Session(transported, numbering, limit_s)
        finally:
            await transported.close()

    def _path(self, description: Description) -> str:
        return self._route or description.route

    def _opening(
        self, description: Description, params: Params | None, expect: Expect | None
    ) -> Opening:
        wanted = expectations(description.outputs if expect is None else expect)
        if not wanted:
            raise ValueError("nothing is expected, and the service's outputs are not known")
        return Opening(description.service_id, self._header, params or {}, wanted)


class Session:
    """An open session: inputs are sent, and results come, in any order of the two.

    Iterating over it gives its results, up to the last.
    """

    def __init__(
        self, transported: TransportSession, numbering: Numbering, timeout_s: float
    ) -> None:
        """Take over what a transport has opened; `AsyncClient.session` does that."""
        self._transported = transported
        self._numbering = numbering
        self._timeout_s = timeout_s
        self._has_ended = False

    async def send(
        self, inputs: Package | None = None, /, *, last: bool = False, **named: Data
    ) -> None:
        """Send a package.

        Args:
            inputs: As for a call.
            last: Nothing follows. Without inputs this just ends those that have begun.
            named: As for a call.

        Raises:
            ClientError: The session has failed; `receive` may know better why.
            ValueError: No input; or one without a name where the service has several.
        """
        if last and inputs is None and not named:
            if not self._numbering.has_begun:
                raise ValueError("no input has begun that could end")
            pieces = self._numbering.ends()
            if not pieces:  # their statuses have said so
                return
        else:
            pieces = self._numbering.pieces(_package(inputs, named), is_last=last)
        async with _limit(self._timeout_s, "nothing could be sent"):
            await self._transported.send(pieces)

    async def receive(self) -> Result:
        """Wait for the next result.

        Raises:
            ClientError: The session has failed or ended, or no result came in time.
        """
        if self._has_ended:
            raise SessionEndedError("the last result has been received")
        async with _limit(self._timeout_s, "no result came"):
            result = await self._transported.receive()
        self._has_ended = result.is_last
        return result

    @property
    def has_ended(self) -> bool:
        """Whether the last result has been received."""
        return self._has_ended

    async def __aiter__(self) -> AsyncIterator[Result]:
        while not self._has_ended:
            yield await self.receive()


def _transport(scheme: str, address: str, connect_timeout_s: float) -> Transport:
    match scheme:
        case "grpc":
            return XsfTransport(address, connect_timeout_s=connect_timeout_s)
        case "ws" | "wss":
            base = f"{scheme.replace('ws', 'http')}://{address}"
            return WebSocketTransport(base, connect_timeout_s=connect_timeout_s)
        case _:
            return WebTransport(f"{scheme}://{address}", connect_timeout_s=connect_timeout_s)


def _package(inputs: Package | None, named: Mapping[str, Data]) -> Package:
    """Return the one package that both ways of naming inputs make."""
    if inputs is None and not named:
        raise ValueError("no input was given")
    if inputs is None:
        return named
    if named and not isinstance(inputs, Mapping):
        raise ValueError("data without a name stands alone")
    return {**inputs, **named} if isinstance(inputs, Mapping) else inputs


async def _feed(session: Session, packages: Packages) -> None:
    """Send all packages and mark the end."""
    if isinstance(packages, Sequence):
        for number, package in enumerate(packages, 1):
            await session.send(package, last=number == len(packages))
        if not packages:
            raise ValueError("no input was given")
        return
    if isinstance(packages, AsyncIterable):
        async for package in packages:
            await session.send(package)
    else:
        for package in packages:
            await session.send(package)
    await session.send(last=True)


async def _next_result(session: Session, feeding: "asyncio.Task[None]") -> Result | None:
    """Wait for a result, and for inputs that fail; None after the last."""
    if session.has_ended:
        return None
    receiving = asyncio.create_task(session.receive(), name="stream-result")
    try:
        if not feeding.done():
            await asyncio.wait([receiving, feeding], return_when=asyncio.FIRST_COMPLETED)
        problem = feeding.exception() if feeding.done() else None
        if problem is not None and not isinstance(problem, ClientError):
            raise problem  # of whoever makes the inputs
        # A session that takes no more inputs has failed, and what it sent last says why.
        return await receiving
    finally:
        receiving.cancel()
        await asyncio.wait([receiving])


@asynccontextmanager
async def _limit(limit_s: float, what: str) -> AsyncIterator[None]:
    """Let nothing take longer than this."""
    scope = asyncio.timeout(limit_s)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise AnswerTimeoutError(f"{what} within {limit_s:g} s") from None
