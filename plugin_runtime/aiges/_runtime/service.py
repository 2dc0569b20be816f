"""The gRPC services of a worker. User code is called by calling.py, converted by convert.py."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import grpc

from aiges._runtime import convert, pb_convert
from aiges._runtime.calling import WrapperHost
from aiges._runtime.lanes import Lanes
from aiges._runtime.replies import Failure, Reply
from aiges._runtime.sessions import NOT_TAKEN, Sessions
from aiges._runtime.stdio import Output
from aiges_wire.codes import BEGUN_METADATA_KEY, ERROR_METADATA_KEY, Code
from aiges_wire.pb import (
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_broker_pb2 as broker_pb,
    grpc_broker_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2 as stdio_pb,
    grpc_stdio_pb2_grpc,
)

log = logging.getLogger("aiges.worker")

_BEGUN = ((BEGUN_METADATA_KEY, "1"),)

Context = grpc.aio.ServicerContext[Any, Any]


class Results:
    """Answers on their way to the supervisor, in the order in which they were made."""

    def __init__(self, *, only_late: bool) -> None:
        """Make an empty queue.

        Args:
            only_late: Calls are answered by lane; what comes here is what came too late there.
        """
        self._only_late = only_late
        self._loop = asyncio.get_running_loop()
        self._queue: deque[pb.Response] = deque()
        self._changed = asyncio.Event()
        self._reader: object | None = None
        self._finished = False

    def put(self, message: pb.Response) -> None:
        """Queue one answer; on the event loop only.

        A host that speaks version 2 has no `communicate`: what comes late there, behind the answer
        that went by lane, interests nobody.
        """
        if self._only_late and self._reader is None:
            log.debug("late answer dropped tag=%s", message.tag)
            return
        self._queue.append(message)
        self._changed.set()

    def put_from_thread(self, message: pb.Response) -> None:
        """Queue one answer from any other thread."""
        self._loop.call_soon_threadsafe(self.put, message)

    def finish(self) -> None:
        """Let the stream end once it has given everything away."""
        self._finished = True
        self._changed.set()

    async def stream(self) -> AsyncIterator[pb.Response]:
        """Yield answers until `finish`. A newer stream ends the older, which has lost its peer."""
        me = self._reader = object()
        self._changed.set()
        while self._reader is me:
            if self._queue:
                yield self._queue.popleft()
            elif self._finished:
                return
            else:
                self._changed.clear()
                await self._changed.wait()


class WrapperService(aiges_inner_pb2_grpc.WrapperServiceServicer):
    """`aiges.WrapperService`, version 1: answers travel on `communicate`."""

    def __init__(self, host: WrapperHost, sessions: Sessions, results: Results) -> None:
        self._host = host
        self._sessions = sessions
        self._results = results

    async def communicate(
        self, request_iterator: AsyncIterator[pb.Request], context: Context
    ) -> AsyncIterator[pb.Response]:
        """Stream every answer; what the supervisor would say here is defined as nothing."""
        await context.send_initial_metadata(_BEGUN)
        async for message in self._results.stream():
            yield message

    async def wrapperInit(self, request: pb.InitRequest, context: Context) -> pb.Ret:
        """Load the wrapper and run its wrapperInit."""
        return pb.Ret(ret=await self._host.init(request.config))

    async def wrapperSchema(self, request: pb.SvcId, context: Context) -> pb.Schema:
        """Describe the wrapper."""
        return pb.Schema(data=await self._host.schema(request.serviceId))

    async def wrapperOnceExec(self, request: pb.Request, context: Context) -> pb.Response:
        """Run one call; its answer is queued before this empty reply is sent."""
        await context.send_initial_metadata(_BEGUN)
        inputs = pb_convert.inputs_of(request.list)
        reply = await self._host.once(request.tag, dict(request.params), inputs)
        if reply is not None:
            self._results.put(pb_convert.message_of(request.tag, reply))
        return pb.Response(tag=request.tag)

    async def wrapperCreate(self, request: pb.CreateRequest, context: Context) -> pb.Handle:
        """Begin a session, under a handle of ours: those of wrappers need not be unique."""
        tag = request.tag or request.sid
        outlet = _Communicate(tag, self._results)
        opened = await self._host.in_thread(
            self._sessions.open, tag, request.sid, dict(request.params), outlet
        )
        if isinstance(opened, Failure):
            return pb.Handle(err_code=_told(context, opened))
        return pb.Handle(handle=tag)

    async def wrapperWrite(self, request: pb.WriteMessage, context: Context) -> pb.Ret:
        """Give a session its next inputs."""
        session = self._sessions.find(request.handle)
        if session is None:
            return pb.Ret(ret=_told(context, _no_session(request.handle)))
        inputs = pb_convert.inputs_of(request.req.list)
        failure = await self._host.in_thread(session.write, inputs)
        return pb.Ret(ret=_told(context, failure))

    async def wrapperDestroy(self, request: pb.Handle, context: Context) -> pb.Ret:
        """End a session."""
        session = self._sessions.find(request.handle)
        if session is None:
            return pb.Ret(ret=_told(context, _no_session(request.handle)))
        await self._host.in_thread(session.close)
        return pb.Ret()


class _Communicate:
    """The results of one session, on the stream that is for all."""

    def __init__(self, tag: str, results: Results) -> None:
        self._tag = tag
        self._results = results

    def send(self, reply: Reply) -> bool:
        """See `Outlet`."""
        self._results.put_from_thread(pb_convert.message_of(self._tag, reply))
        return True


def _no_session(handle: str) -> Failure:
    return Failure(Code.EXEC_FAILED, f"there is no session {handle!r}")


def _told(context: Context, failure: Failure | None) -> int:
    """Return a failure's code, 0 for none; its text goes beside, to peers that look for it."""
    if failure is None:
        return 0
    context.set_trailing_metadata(((ERROR_METADATA_KEY, failure.text.encode()),))
    return failure.code


class StdioService(grpc_stdio_pb2_grpc.GRPCStdioServicer):
    """go-plugin's stdio: what user code printed."""

    def __init__(self, output: Output) -> None:
        self._output = output

    async def StreamStdio(
        self, request: object, context: Context
    ) -> AsyncIterator[stdio_pb.StdioData]:
        """Stream captured stdout until the worker leaves."""
        async for chunk in self._output.stream():
            yield stdio_pb.StdioData(channel=stdio_pb.StdioData.STDOUT, data=chunk)


class ControllerService(grpc_controller_pb2_grpc.GRPCControllerServicer):
    """go-plugin's controller."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    async def Shutdown(self, request: controller_pb.Empty, context: Context) -> controller_pb.Empty:
        """Say yes, then leave."""
        log.debug("the host asked for shutdown")
        self._stop.set()
        return controller_pb.Empty()


class BrokerService(grpc_broker_pb2_grpc.GRPCBrokerServicer):
    """go-plugin's broker, which hosts open at once and hold: we have nothing to broker."""

    def __init__(self, leaving: asyncio.Event) -> None:
        self._leaving = leaving

    async def StartStream(
        self, request_iterator: AsyncIterator[broker_pb.ConnInfo], context: Context
    ) -> AsyncIterator[broker_pb.ConnInfo]:
        """Hold the stream until one side leaves."""
        await self._leaving.wait()
        return
        yield  # makes this a stream


def add_all(
    server: grpc.aio.Server, wrapper: WrapperService, output: Output, stop: asyncio.Event
) -> None:
    """Give `server` what go-plugin hosts and version 1 ask for; `stop` is set by a Shutdown."""
    aiges_inner_pb2_grpc.add_WrapperServiceServicer_to_server(wrapper, server)
    grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(StdioService(output), server)
    grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(ControllerService(stop), server)
    grpc_broker_pb2_grpc.add_GRPCBrokerServicer_to_server(BrokerService(stop), server)


def sink(host: WrapperHost, results: Results, sessions: Sessions, lanes: Lanes | None) -> Any:  # noqa: ANN401
    """Make the function that `callback` calls, from any thread, with (response, tag)."""

    def deliver(response: object, tag: str) -> int:
        reply: Reply
        try:
            reply = host.reply_of(response)
        except convert.NoAnswerError as error:
            if isinstance(error, convert.EmptyAnswerError) and sessions.knows(tag):
                log.warning("callback got a Response with an empty list: not sent")
                return NOT_TAKEN
            log.error("callback %s", error)  # noqa: TRY400 - it says all there is to say
            reply = Failure(Code.EXEC_FAILED, f"callback {error}")
        except Exception as error:  # whatever it is made of: the client waits for an answer
            log.exception("callback cannot send what it was given")
            reply = Failure(Code.EXEC_FAILED, f"callback: {type(error).__name__}: {error}")
        taken = sessions.push(tag, reply)
        if taken is not None:
            return taken
        if lanes is None or not lanes.answer(tag, reply):
            results.put_from_thread(pb_convert.message_of(tag, reply))
        return 0

    return deliver
