"""The XSF services of the gRPC port: calls and sessions of clients, commands of operators."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, Self
from weakref import WeakKeyDictionary

import grpc
from google.protobuf.message import DecodeError

from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.config.settings import decimal_integer
from aiges_loader.errors import (
    BadOperationError,
    CallError,
    DeadlineError,
    EndedHandleError,
    HandleTakenError,
    InternalError,
    NoInputError,
    NoLicenceError,
    NoWorkerError,
    UnknownHandleError,
)
from aiges_loader.frontend import xsf_messages as messages
from aiges_loader.frontend.downloads import Downloads
from aiges_loader.frontend.request_tally import NO_ANSWER, RequestTally
from aiges_loader.frontend.token_bucket import TokenBucket
from aiges_loader.frontend.toolbox import ToolBox, ToolBoxError
from aiges_loader.frontend.xsf_handles import Handles
from aiges_loader.frontend.xsf_messages import Answer, Asked, Package, StreamOutputs
from aiges_loader.pool.resources import Resource
from aiges_loader.sessions.session import Opening, Result
from aiges_wire.codes import Code
from aiges_wire.pb import xsf_pb2 as xsf

log = logging.getLogger(__name__)

SERVICES: Final = ("utils.XsfCall", "utils.ToolBox")

_TOO_FAST: Final = "request traffic exceeds limit,and rateFallback not defined"
_NOTHING_TO_DO: Final = frozenset({"AIHotword", "AIDetect"})
_SESSION_STEPS: Final = frozenset({"AIIn", "AIOut", "AIExcp"})

Context = Any  # grpc.aio's is generic in what the handlers of one method take and give


class Session(Protocol):
    """One stream, as the engine gives it; `abort` may be called on one that has ended."""

    async def write(self, number: int, inputs: Sequence[Datum]) -> None:
        """Take a package; raise the error by which the session has failed."""

    def read_now(self) -> Result | None:
        """Return the next result if it is there."""

    async def read(self, limit_s: float | None) -> Result | None:
        """Wait for the next result; None: nothing in time."""

    def abort(self) -> None:
        """End it, whatever it is doing."""


class Backend(Protocol):
    """What runs calls and sessions."""

    @property
    def licences_taken(self) -> int:
        """How many calls and sessions hold a licence."""

    @property
    def licences_limit(self) -> int:
        """How many licences there are."""

    def set_licences(self, limit: int) -> None:
        """Have another number of licences; with fewer, nothing that has one loses it."""

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""

    async def open(self, opening: Opening) -> Session:
        """Begin a session; raise `CallError`."""

    def find(self, handle: str) -> Session:
        """Find a session; raise `UnknownHandleError` or `EndedHandleError`."""

    def remember(self, handle: str) -> None:
        """Take a handle for one whose session has ended."""


class Resources(Protocol):
    """What loads resources into workers."""

    async def takes_resources(self) -> bool:
        """Say whether there are wrappers that load any; raise `CallError`."""

    async def load(self, resource: Resource) -> None:
        """Load one everywhere, or raise `CallError`."""

    async def unload(self, resource_id: str) -> None:
        """Unload one everywhere if it is loaded, or raise `CallError`."""


@dataclass(frozen=True, slots=True)
class XsfSettings:
    """What the services need of the configuration.

    Attributes:
        header_pass: Names of headers that become params.
        http_attempts: How often the download of an input is tried.
        max_download_bytes: Longest input that is downloaded.
    """

    header_pass: tuple[str, ...]
    http_attempts: int
    max_download_bytes: int


class XsfApi:
    """Answers `utils.XsfCall` and `utils.ToolBox`.

    Leaving it as a context ends its connections to where inputs come from.

    Attributes:
        draining: The service was told to end: nothing new is begun.
        running: Calls of clients that have begun and have no answer yet.
    """

    def __init__(  # noqa: PLR0913 - what the services rest on
        self,
        backend: Backend,
        settings: XsfSettings,
        *,
        resources: Resources,
        address: str,
        port: int,
        bucket: TokenBucket,
        tally: RequestTally,
        is_ready: Callable[[], bool],
    ) -> None:
        """Make it.

        Args:
            backend: Runs what is asked for.
            settings: To begin with.
            resources: Loads resources.
            address: IPv4 address at which clients reach the service.
            port: Likewise.
            bucket: Limits the rate of calls.
            tally: Counts the once calls.
            is_ready: Says whether the service takes calls.
        """
        self.draining = False
        self.running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._backend = backend
        self._settings = settings
        self._resources = resources
        self._downloads = Downloads(
            attempts=settings.http_attempts, max_bytes=settings.max_download_bytes
        )
        self._peer = f"{address}:{port}"
        self._handles = Handles(address, port, first=secrets.randbelow(1 << 24))
        self._bucket = bucket
        self._tally = tally
        self._began_at = time.monotonic()
        self._toolbox = ToolBox(is_ready, self._age_s)
        self._once_handles: set[str] = set()
        self._outputs: WeakKeyDictionary[Session, StreamOutputs] = WeakKeyDictionary()
        self._most_licences = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._downloads.close()

    @property
    def settings(self) -> XsfSettings:
        """What the services need of the configuration; may be replaced at any time."""
        return self._settings

    @settings.setter
    def settings(self, settings: XsfSettings) -> None:
        self._settings = settings
        self._downloads.attempts = settings.http_attempts
        self._downloads.max_bytes = settings.max_download_bytes

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Say which methods are answered by what."""
        methods = {"utils.XsfCall": ("call", self.call), "utils.ToolBox": ("cmdserver", self.tool)}
        return tuple(
            grpc.method_handlers_generic_handler(
                service, {name: grpc.unary_unary_rpc_method_handler(answer)}
            )
            for service, (name, answer) in methods.items()
        )

    async def drain(self, limit_s: float) -> None:
        """Begin nothing new, and wait until what has begun has an answer."""
        self.draining = True
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("gRPC calls go on running=%d after=%gs", self.running, limit_s)

    def _age_s(self) -> float:
        return time.monotonic() - self._began_at

    # The two methods, bytes to bytes:

    async def call(self, data: bytes, context: Context) -> bytes:
        """Answer one call of a client."""
        if not self._bucket.take(time.monotonic()):
            await _abort(context, grpc.StatusCode.UNKNOWN, _TOO_FAST)
        try:
            asked = messages.decode_request(data)
        except messages.BadRequestBytesError as error:
            await _abort_unreadable(context, error)
        handle = asked.handle or self._handles.make(self._age_s())
        with self._counted():
            try:
                answer = await self._answer(asked, handle)
            except NoLicenceError as error:
                answer = messages.failure(self._refusal(error))
            except CallError as error:
                answer = messages.failure(error)
            except Exception:  # a bug of ours
                log.exception("gRPC call failed op=%s", asked.op)
                answer = messages.failure(InternalError())
        return messages.encode_answer(answer, handle=handle, peer=self._peer)

    async def tool(self, data: bytes, context: Context) -> bytes:
        """Answer one command of an operator."""
        try:
            asked = xsf.Request.FromString(data)
        except DecodeError as error:
            await _abort_unreadable(context, error)
        try:
            body = self._toolbox.answer(asked.query, asked.headers)
        except ToolBoxError as error:
            await _abort(context, grpc.StatusCode.UNKNOWN, str(error))
        return xsf.Response(body=body).SerializeToString()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.running -= 1
            if not self.running:
                self._idle.set()

    # Operations:

    async def _answer(self, asked: Asked, handle: str) -> Answer:
        if asked.op == "ping":
            return Answer(None)
        if asked.op == "AILBType":
            self._change_licences(asked)
            return messages.empty_output("")
        if asked.op in _SESSION_STEPS:
            return await (self._begin if asked.opens else self._go_on)(asked, handle)
        if asked.op == "AILoad":
            return await self._load(asked)
        if asked.op == "AIUnLoad":
            return await self._unload(asked)
        if asked.op in _NOTHING_TO_DO:
            return messages.empty_output(self._package(asked).service_id)
        raise BadOperationError

    def _package(self, asked: Asked) -> Package:
        return messages.decode_package(asked.data, header_pass=self._settings.header_pass)

    async def _begin(self, asked: Asked, handle: str) -> Answer:
        package = self._package(asked)
        self._refuse_if_draining()
        if handle in self._once_handles:
            raise HandleTakenError(handle)
        if package.once and asked.op != "AIExcp":
            return await self._counted_once(asked, handle, package)
        session = await self._backend.open(Opening(handle, package.params, package.number))
        self._outputs[session] = StreamOutputs(package.expectations)
        with _ended_by_errors(session):
            return await self._step(asked, session, package)

    async def _go_on(self, asked: Asked, handle: str) -> Answer:
        session = self._backend.find(handle)
        with _ended_by_errors(session):
            return await self._step(asked, session, self._package(asked))

    def _refuse_if_draining(self) -> None:
        if self.draining:
            raise NoWorkerError("the service is stopping")

    def _change_licences(self, asked: Asked) -> None:
        number = decimal_integer(asked.params.get("authzNo", ""))
        if number is None or number < 1:
            log.warning("AILBType ignored authzNo=%r", asked.params.get("authzNo"))
            return
        self._note_licences()
        self._backend.set_licences(number)
        log.info("AILBType licences=%d taken=%d", number, self._backend.licences_taken)

    # Resources:

    async def _load(self, asked: Asked) -> Answer:
        package = messages.decode_resource(asked.data)
        if package.inputs:
            self._refuse_if_draining()
            if await self._resources.takes_resources():  # else nothing, as upstream
                (content,) = await self._downloads.complete(package.inputs)
                await self._resources.load(messages.resource_of(package, content))
        return messages.empty_output(package.service_id)

    async def _unload(self, asked: Asked) -> Answer:
        package = messages.decode_resource(asked.data)
        if package.id:
            self._refuse_if_draining()
            await self._resources.unload(package.id)
        return messages.empty_output(package.service_id)

    # Once calls:

    async def _counted_once(self, asked: Asked, handle: str, package: Package) -> Answer:
        began_at = time.monotonic()
        code: int | str = NO_ANSWER
        self._tally.begin()
        try:
            answer = await self._once(asked, handle, package)
            code = Code.OK
        except CallError as error:
            code = error.code
            raise
        else:
            return answer
        finally:
            self._tally.end(code, time.monotonic() - began_at)

    async def _once(self, asked: Asked, handle: str, package: Package) -> Answer:
        if self._lives(handle):
            raise HandleTakenError(handle)
        self._once_handles.add(handle)
        is_refused = False
        try:
            return await self._run_once(asked, handle, package)
        except CallError as error:
            is_refused = error.code == Code.NO_LICENCE
            raise
        finally:
            self._once_handles.remove(handle)
            if not is_refused:
                self._backend.remember(handle)

    async def _run_once(self, asked: Asked, handle: str, package: Package) -> Answer:
        if not package.inputs or asked.op == "AIOut":  # which brings nothing
            raise NoInputError
        if not asked.wait_s:
            raise DeadlineError
        deadline_at = time.monotonic() + asked.wait_s
        try:
            async with asyncio.timeout(asked.wait_s):
                inputs = await self._downloads.complete(package.inputs)
                reply = await self._backend.once(Call(handle, package.params, inputs, deadline_at))
        except TimeoutError:
            raise DeadlineError from None
        output = messages.once_output(reply, package.service_id, package.expectations)
        return Answer(output.SerializeToString())

    # Sessions:

    async def _step(self, asked: Asked, session: Session, package: Package) -> Answer:
        result = None
        if asked.op == "AIExcp":
            session.abort()
        elif asked.op == "AIOut":
            result = await _next_result(session, asked.wait_s)
        else:
            inputs = await self._downloads.complete(package.inputs)
            await session.write(package.number, inputs)
            if not asked.opens:  # else nothing can have come of it yet
                result = await _next_result(session, 0.0)
        if result is None:
            return messages.empty_output(package.service_id)
        output = self._outputs[session].output(result.outputs, package.service_id)
        return Answer(output.SerializeToString())

    def _lives(self, handle: str) -> bool:
        try:
            self._backend.find(handle)
        except (UnknownHandleError, EndedHandleError):
            return False
        return True

    # Refusals:

    def _note_licences(self) -> None:
        self._most_licences = max(self._most_licences, self._backend.licences_limit)

    def _refusal(self, error: NoLicenceError) -> CallError:
        """Say it differently where there were once more licences, as upstream does."""
        self._note_licences()
        taken, limit = self._backend.licences_taken, self._backend.licences_limit
        if taken < self._most_licences:
            return NoLicenceError(f"lack of license -> now:{taken},max:{limit}")
        return error


@contextmanager
def _ended_by_errors(session: Session) -> Iterator[None]:
    try:
        yield
    except CallError:
        session.abort()
        raise


async def _next_result(session: Session, wait_s: float) -> Result | None:
    """Wait for a result that says something; some workers send some that do not."""
    until = time.monotonic() + wait_s
    while True:
        left_s = until - time.monotonic()
        result = await session.read(left_s) if left_s > 0 else session.read_now()
        if result is None or result.outputs or result.is_last:
            return result


async def _abort_unreadable(context: Context, error: Exception) -> NoReturn:
    text = f"grpc: error unmarshalling request: {error}"
    await _abort(context, grpc.StatusCode.INTERNAL, text)


async def _abort(context: Context, code: grpc.StatusCode, text: str) -> NoReturn:
    await context.abort(code, text)
    raise AssertionError("abort returned")
