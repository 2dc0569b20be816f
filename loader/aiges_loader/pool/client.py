"""Typed calls to one worker over gRPC. The only user of the protobuf stubs in the supervisor."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError, WorkerDiedError, WrapperFailedError
from aiges_loader.pool import messages
from aiges_loader.pool.process import Stream
from aiges_wire.codes import BEGUN_METADATA_KEY, Code
from aiges_wire.handshake import Handshake
from aiges_wire.pb import (
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2 as stdio_pb,
    grpc_stdio_pb2_grpc,
)

log = logging.getLogger(__name__)

_PLUGIN_HEALTH: Final = health_pb2.HealthCheckRequest(service="plugin")

_OPTIONS: Final = [
    ("grpc.enable_http_proxy", 0),  # else even 127.0.0.1 goes to http_proxy
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.client_idle_timeout_ms", (1 << 31) - 1),
]
"""What a local peer needs; the last: an idle channel would have to find its socket file again."""


class WorkerCallError(Exception):
    """A worker did not do what it was asked while it was being started."""


class InitFailedError(WorkerCallError):
    """wrapperInit answered with a code."""

    def __init__(self, code: int) -> None:
        reason = (
            "the wrapper could not be loaded, or raised"
            if code == Code.INIT_FAILED
            else "wrapperInit did not return 0"
        )
        super().__init__(f"wrapperInit failed, ret: {code}: {reason}; its own lines say more")
        self.code = code


class NotBegunError(Exception):
    """The worker died before it began the call: another one may do it."""


class _Pending:
    """One call that a worker has, until the worker is done with it."""

    __slots__ = ("abandoned", "answer", "began_at", "begun", "on_done", "returned")

    def __init__(self, answer: asyncio.Future[Reply], on_done: Callable[[], None]) -> None:
        self.answer = answer
        self.on_done = on_done
        self.began_at = answer.get_loop().time()  # corrected when the worker says when
        self.begun = False  # the worker has said that it began, or it follows from its answers
        self.abandoned = False  # nobody waits for the answer any more
        self.returned = False  # the RPC has ended well; only the answer is missing


class WorkerClient:
    """A connection to one worker.

    Attributes:
        broken: Resolves with a reason when the worker stops talking to us though it may live.
        last_answer_at: When it last answered any call, by the clock of the loop.
    """

    def __init__(self, handshake: Handshake, on_output: Callable[[Stream, bytes], None]) -> None:
        """Make a channel; enter me to use it.

        Args:
            handshake: Where the worker listens.
            on_output: Gets what GRPCStdio streams.
        """
        self._loop = asyncio.get_running_loop()
        self._channel = grpc.aio.insecure_channel(handshake.target(), options=_OPTIONS)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._wrapper = aiges_inner_pb2_grpc.WrapperServiceStub(self._channel)
        # As a stream of one reply: for a unary call the library withholds the initial metadata,
        # by which the worker says that it begins, until the reply is there.
        self._once_exec = self._channel.unary_stream(
            "/aiges.WrapperService/wrapperOnceExec",
            request_serializer=pb.Request.SerializeToString,
            response_deserializer=pb.Response.FromString,
        )
        self._on_output = on_output
        self._pending: dict[str, _Pending] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._tells_beginnings = False
        self.last_answer_at = self._loop.time()
        self.broken: asyncio.Future[str] = self._loop.create_future()

    async def __aenter__(self) -> "WorkerClient":
        """Begin to listen: the protocol opens `communicate` before anything else."""
        self._listening = asyncio.create_task(self._listen(), name="worker-results")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up; calls still running fail."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self.fail_all("the connection was closed")
        await self._channel.close()
        if not self._listening.cancelled():
            self._listening.result()  # a bug of ours would show here

    @property
    def listens(self) -> bool:
        """Say whether answers of the worker can still come."""
        return self._tasks is not None

    async def connect(self) -> None:
        """Wait until the worker answers a health check; the caller sets the limit.

        Raises:
            WorkerCallError: The worker answers, but not that it serves.
        """
        try:
            reply = await self._health.Check(_PLUGIN_HEALTH, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"health check: {messages.brief(error)}") from None
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            raise WorkerCallError(f"health check: status {reply.status}, expected SERVING")

    async def answers(self, limit_s: float) -> bool:
        """Say whether the worker answers a health check within `limit_s` seconds."""
        try:
            await self._health.Check(_PLUGIN_HEALTH, timeout=limit_s)
        except grpc.aio.AioRpcError:
            return False
        return True

    def longest_call_s(self) -> float:
        """Return for how long the worker has had its oldest call in user code, 0 if it has none.

        A call of which we do not know that it has begun may wait for one of the worker's threads,
        and cannot have got it earlier than when another call was answered.
        """
        began = (
            call.began_at if call.begun else max(call.began_at, self.last_answer_at)
            for call in self._pending.values()
        )
        return max((self._loop.time() - at for at in began), default=0.0)

    async def init(self, config: Mapping[str, str]) -> None:
        """Start the wrapper; raise `InitFailedError` or `WorkerCallError`."""
        request = pb.InitRequest(config=config)
        try:
            reply = await self._wrapper.wrapperInit(request, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"wrapperInit: {messages.brief(error)}") from None
        if reply.ret != 0:
            raise InitFailedError(reply.ret)

    async def schema(self, service: str) -> str:
        """Ask for the wrapper's description; raise `WorkerCallError`."""
        try:
            reply = await self._wrapper.wrapperSchema(pb.SvcId(serviceId=service))
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"wrapperSchema: {messages.brief(error)}") from None
        return str(reply.data)

    async def once(self, call: Call, on_done: Callable[[], None]) -> Reply:
        """Run one call and return its reply.

        Args:
            call: With a sid that no other call here has.
            on_done: Called exactly once, when the worker is done with the call: after this returns
                or raises, or later if the caller was cancelled and the worker still works.

        Raises:
            CallError: As the worker or its wrapper failed.
            NotBegunError: The worker died first.
        """
        if self._tasks is None:
            raise AssertionError("asked for a call though it does not listen")
        pending = _Pending(self._loop.create_future(), on_done)
        self._pending[call.sid] = pending
        self._tasks.create_task(self._send(call), name="worker-call")
        try:
            return await pending.answer
        finally:
            pending.abandoned = True  # also when answered: then nothing is pending any more
            if pending.returned:
                self._finish(call.sid)

    async def shutdown(self, limit_s: float) -> bool:
        """Ask the worker to leave; say whether it may do so, False if it knows no such request.

        Go plugins cut the connection instead of answering, and one that is slow may still leave.
        """
        stub = grpc_controller_pb2_grpc.GRPCControllerStub(self._channel)
        try:
            await stub.Shutdown(controller_pb.Empty(), timeout=limit_s)
        except grpc.aio.AioRpcError as error:
            log.debug("shutdown answered code=%s", error.code().name)
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call that the worker has, for it is dead or as good as; return their sids."""
        sids = tuple(self._pending)
        for sid in sids:
            pending = self._pending[sid]
            begun = pending.begun or not self._tells_beginnings
            self._fail(sid, WorkerDiedError(reason) if begun else NotBegunError(reason))
        return sids

    async def _listen(self) -> None:
        """Read results and output until the worker hangs up; then `broken` is set.

        The RPCs of running calls are children of this task and end with it.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                output = tasks.create_task(self._read_output(), name="worker-output")
                self._break(await self._read_results())
                self._tasks = None  # no more calls; those that run end with their connection
                output.cancel()
        finally:
            self._tasks = None

    async def _read_results(self) -> str:
        """Take answers as they come; return why there will be no more."""
        try:
            stream = self._wrapper.communicate(_silence(), wait_for_ready=True)
            self._tells_beginnings = _says_begun(await stream.initial_metadata())
            async for message in stream:
                self._answered(message)
        except grpc.aio.AioRpcError as error:
            return f"the stream of results broke: {messages.brief(error)}"
        return "the worker ended the stream of results"

    async def _read_output(self) -> None:
        stub = grpc_stdio_pb2_grpc.GRPCStdioStub(self._channel)
        # google.protobuf.Empty is registered by the import of the stubs above.
        from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415

        streams = {
            stdio_pb.StdioData.STDOUT: Stream.STDOUT,
            stdio_pb.StdioData.STDERR: Stream.STDERR,
        }
        try:
            async for piece in stub.StreamStdio(Empty(), wait_for_ready=True):
                if piece.channel in streams:
                    self._on_output(streams[piece.channel], piece.data)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:  # a worker need not have it
                log.debug("output stream ended code=%s", error.code().name)

    def _break(self, reason: str) -> None:
        if not self.broken.done():
            self.broken.set_result(reason)

    def _answered(self, message: pb.Response) -> None:
        self._shows_life(message.tag)
        pending = self._pending.get(message.tag)
        if pending is None:
            log.debug("answer for unknown call tag=%s", message.tag)
            return
        if message.ret != 0:
            self._fail(message.tag, messages.error_of(message))
            return
        if not message.list:  # an answer without data is no answer
            self._fail(message.tag, WrapperFailedError("the wrapper answered without any output"))
            return
        if not pending.answer.done():
            pending.answer.set_result(messages.reply_of(message))
        self._finish(message.tag)

    async def _send(self, call: Call) -> None:
        """Run the RPC of one call. Its reply says at most that there will be no answer."""
        rpc = self._once_exec(messages.request_of(call))
        try:
            if self._tells_beginnings and _says_begun(await rpc.initial_metadata()):
                self._has_begun(call.sid)
            (reply,) = [reply async for reply in rpc] or [pb.Response()]
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                self._shows_life(call.sid)
                self._fail(call.sid, messages.rpc_error(error))
            # Unavailable: the connection is gone, and whoever notices why ends all calls with it.
            return
        self._shows_life(call.sid)
        pending = self._pending.get(call.sid)
        if pending is None:
            return
        if reply.ret != 0:
            self._fail(call.sid, messages.error_of(reply))
        elif pending.abandoned:
            self._finish(call.sid)
        else:
            pending.returned = True

    def _shows_life(self, answered: str) -> None:
        """Note an answer. Calls whose beginning no one tells begin in the order they were sent."""
        self.last_answer_at = self._loop.time()
        if self._tells_beginnings or answered not in self._pending:
            return
        for sid in self._pending:
            if sid == answered:
                return
            self._has_begun(sid)

    def _has_begun(self, sid: str) -> None:
        pending = self._pending.get(sid)
        if pending and not pending.begun:
            pending.begun = True
            pending.began_at = self._loop.time()

    def _finish(self, sid: str) -> None:
        pending = self._pending.pop(sid, None)
        if pending is not None:
            pending.on_done()

    def _fail(self, sid: str, error: CallError | NotBegunError) -> None:
        pending = self._pending.get(sid)
        if pending is not None and not pending.answer.done():
            pending.answer.set_exception(error)
        self._finish(sid)


async def _silence() -> AsyncIterator[pb.Request]:
    """The supervisor's half of `communicate`: open for ever, without a word."""
    await asyncio.Event().wait()
    yield pb.Request()


def _says_begun(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    return any(key == BEGUN_METADATA_KEY for key, _ in metadata or ())
