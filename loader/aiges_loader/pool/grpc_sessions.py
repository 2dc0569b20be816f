"""The sessions of a version 1 worker: an RPC for each step, results by `communicate`."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final, TypeAlias

import grpc

from aiges_loader.calls import Datum
from aiges_loader.errors import CallError, SessionStepError
from aiges_loader.pool import messages
from aiges_loader.pool.open_ports import OpenPorts
from aiges_loader.pool.session_channel import MAX_STEP_BYTES, MAX_STEPS, SessionEvents
from aiges_wire.codes import ERROR_METADATA_KEY, Code
from aiges_wire.pb import aiges_inner_pb2 as pb, aiges_inner_pb2_grpc

RPC_FAILED: Final = 30002
"""The code beside the text of an RPC that failed; the original's."""

BeginTask: TypeAlias = Callable[[Coroutine[None, None, None]], None]


class GrpcSessions(OpenPorts["_Port"]):
    """One task for each session sends its steps, one after the other; see `SessionChannel`."""

    def __init__(self, channel: grpc.aio.Channel, begin_task: BeginTask) -> None:
        """Make it.

        Args:
            channel: To the worker.
            begin_task: Runs a coroutine for as long as the worker can be heard.
        """
        super().__init__()
        self._wrapper = aiges_inner_pb2_grpc.WrapperServiceStub(channel)
        self._begin_task = begin_task

    def open(
        self,
        tag: str,
        params: Mapping[str, str],
        events: SessionEvents,
        on_done: Callable[[], None],
    ) -> "_Port":
        """See `SessionChannel`."""
        port = _Port(self, self._wrapper, tag, events, on_done)
        self._remember(port)
        request = pb.CreateRequest(params=params, sid=params.get("sid", ""), tag=tag)
        self._begin_task(port.run(request))
        return port

    def take(self, message: pb.Response) -> bool:
        """Give a result to its session; return False if there is none of that tag."""
        port = self.find(message.tag)
        if port is None:
            return False
        self.heard()
        port.take(message)
        return True


class _Port:
    """One session; see `SessionPort`. All results come on one stream, so none can be held back.

    Attributes:
        tag: Its name.
        step_began_at: When the worker began with the step that it is at; 0 if it is at none.
    """

    def __init__(
        self,
        sessions: GrpcSessions,
        wrapper: aiges_inner_pb2_grpc.WrapperServiceStub,
        tag: str,
        events: SessionEvents,
        on_done: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sessions = sessions
        self._wrapper = wrapper
        self._events = events
        self._on_done = on_done
        self._is_closing = False
        self._is_over = False
        self._waiting: deque[Sequence[Datum]] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._is_paused = False
        self.tag = tag
        self.step_began_at = 0.0

    def die(self, error: CallError) -> None:
        """See `Port`."""
        self.end(error)

    @property
    def has_room(self) -> bool:
        """See `SessionPort`. While nobody takes results there is none: more would follow."""
        return (
            len(self._waiting) < MAX_STEPS
            and self._waiting_bytes < MAX_STEP_BYTES
            and not self._is_paused
        )

    def write(self, inputs: Sequence[Datum]) -> None:
        """See `SessionPort`."""
        self._waiting.append(inputs)
        self._waiting_bytes += sum(len(datum.data) for datum in inputs)
        self._news.set()

    def pause(self) -> None:
        """See `SessionPort`."""
        self._is_paused = True

    def resume(self) -> None:
        """See `SessionPort`."""
        self._is_paused = False
        self._events.room()

    def close(self) -> None:
        """See `SessionPort`."""
        self._is_closing = True
        self._news.set()

    def take(self, message: pb.Response) -> None:
        """Take a result; one without outputs says nothing."""
        if self._is_closing:
            return
        if message.ret:
            error = messages.error_of(message)
            self._events.failed(SessionStepError(Code.RESULT_FAILED, error.code, str(error)))
        elif message.list:
            self._events.result(messages.reply_of(message).outputs)

    async def run(self, request: pb.CreateRequest) -> None:
        """Own the session at the worker, from its creation to its destruction."""
        handle = await self._step(Code.CREATE_FAILED, self._wrapper.wrapperCreate(request))
        if handle is None:
            while not self._is_over and not self._is_closing:
                await self._wait()
            self.end(None)
            return
        self._events.room()
        while not self._is_closing:
            if not self._waiting:
                await self._wait()
                continue
            inputs = self._waiting.popleft()
            self._waiting_bytes -= sum(len(datum.data) for datum in inputs)
            message = pb.WriteMessage(
                handle=handle.handle, req=messages.inputs_of(self.tag, inputs)
            )
            done = await self._step(Code.WRITE_FAILED, self._wrapper.wrapperWrite(message))
            if done is not None:
                self._events.room()
        await self._step(Code.OK, self._wrapper.wrapperDestroy(pb.Handle(handle=handle.handle)))
        self.end(None)

    def end(self, error: CallError | None) -> None:
        """Say that the worker is done with it, once."""
        if self._is_over:
            return
        self._is_over = True
        self._is_closing = True
        self._news.set()
        self._sessions.forget(self)
        self._events.ended(error)
        self._on_done()

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _step(
        self, step: Code, rpc: "grpc.aio.UnaryUnaryCall[object, pb.Handle | pb.Ret]"
    ) -> "pb.Handle | None":
        """Do one step; return what it gave, or None and say why it failed. OK: nobody asks."""
        self.step_began_at = self._loop.time()
        try:
            reply = await rpc
            code = reply.err_code if isinstance(reply, pb.Handle) else reply.ret
            text = _text_of(await rpc.trailing_metadata()) if code else ""
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return None  # the connection is gone, and whoever notices why ends all sessions
            code, text = RPC_FAILED, str(error.details())
        finally:
            self.step_began_at = 0.0
        self._sessions.heard()
        if code and step is not Code.OK:
            self._events.failed(SessionStepError(step, code, text or f"wrapper error {code}"))
            return None
        return reply if isinstance(reply, pb.Handle) else pb.Handle()


def _text_of(metadata: "grpc.aio.Metadata | None") -> str:
    for key, value in metadata or ():
        if key == ERROR_METADATA_KEY and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return ""
