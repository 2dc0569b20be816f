"""The calls of a worker that speaks version 1: over gRPC, answers by `communicate`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence

import grpc

from aiges_loader.calls import Call
from aiges_loader.errors import CallError, WorkerDiedError, WrapperFailedError
from aiges_loader.pool import messages
from aiges_loader.pool.channel import Asked
from aiges_loader.pool.grpc_sessions import GrpcSessions
from aiges_loader.pool.pending import NotBegunError, Pending, Resolve
from aiges_wire.codes import BEGUN_METADATA_KEY
from aiges_wire.pb import aiges_inner_pb2 as pb, aiges_inner_pb2_grpc

log = logging.getLogger(__name__)


class GrpcCalls:
    """Sends calls as RPCs, and hands out the answers that come on one stream for all."""

    ahead = 0  # the threads of such a worker take calls as they come
    batches = False

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Make it; `open` begins."""
        self._loop = asyncio.get_running_loop()
        self._wrapper = aiges_inner_pb2_grpc.WrapperServiceStub(channel)
        # As a stream of one reply: for a unary call the library withholds the initial metadata,
        # by which the worker says that it begins, until the reply is there.
        self._once_exec = channel.unary_stream(
            "/aiges.WrapperService/wrapperOnceExec",
            request_serializer=pb.Request.SerializeToString,
            response_deserializer=pb.Response.FromString,
        )
        self._pending: dict[str, Pending] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.sessions = GrpcSessions(channel, self._begin_task)
        self._tells_beginnings = False
        self.last_answer_at = self._loop.time()
        self.broken: asyncio.Future[str] = self._loop.create_future()

    def open(self) -> None:
        """Begin to listen: the protocol opens `communicate` before anything else."""
        self._listening = asyncio.create_task(self._listen(), name="worker-results")

    async def close(self) -> None:
        """Stop listening; calls still running fail."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self.fail_all("the connection was closed")
        self.sessions.fail_all("the connection was closed")
        if not self._listening.cancelled():
            self._listening.result()  # a bug of ours would show here

    @property
    def listens(self) -> bool:
        """Say whether answers of the worker can still come."""
        return self._tasks is not None

    def begin(self, call: Call, resolve: Resolve, on_done: Callable[[], None]) -> Pending:
        """Have one call run; see `CallChannel`."""
        if self._tasks is None:
            raise AssertionError("asked for a call though it does not listen")
        pending = Pending(call.sid, resolve, self._loop.time(), on_done)
        self._pending[call.sid] = pending
        self._tasks.create_task(self._send(call), name="worker-call")
        return pending

    def _begin_task(self, work: Coroutine[None, None, None]) -> None:
        """Do `work` for as long as the worker can be heard."""
        if self._tasks is None:
            work.close()
            raise AssertionError("asked for a session though it does not listen")
        self._tasks.create_task(work, name="worker-session")

    def abandon(self, pending: Pending) -> None:
        """Take in that nobody waits for that call any more."""
        pending.abandoned = True
        if pending.returned and self._pending.get(pending.sid) is pending:
            self._finish(pending.sid)

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Refuse: version 1 has no batches."""
        raise AssertionError("asked for a batch though it takes none")

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

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call that the worker has, for it is dead or as good as; return their sids."""
        sids = tuple(self._pending)
        for sid in sids:
            begun = self._pending[sid].begun or not self._tells_beginnings
            self._fail(sid, WorkerDiedError(reason) if begun else NotBegunError(reason))
        return sids

    async def _listen(self) -> None:
        """Read results until the worker hangs up; then `broken` is set.

        The RPCs of running calls are children of this task and end with it.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                reason = await self._read_results()
                if not self.broken.done():
                    self.broken.set_result(reason)
                self._tasks = None  # no more calls; those that run end with their connection
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

    def _answered(self, message: pb.Response) -> None:
        self._shows_life(message.tag)
        pending = self._pending.get(message.tag)
        if pending is None:
            if self.sessions.take(message):
                return
            log.debug("answer for unknown call tag=%s", message.tag)
            return
        if message.ret != 0:
            self._fail(message.tag, messages.error_of(message))
            return
        if not message.list:  # an answer without data is no answer
            self._fail(message.tag, WrapperFailedError("the wrapper answered without any output"))
            return
        pending.end(messages.reply_of(message))
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
        if pending is not None:
            pending.end(error)
        self._finish(sid)


async def _silence() -> AsyncIterator[pb.Request]:
    """The supervisor's half of `communicate`: open for ever, without a word."""
    await asyncio.Event().wait()
    yield pb.Request()


def _says_begun(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    return any(key == BEGUN_METADATA_KEY for key, _ in metadata or ())
