"""The control service of app protocol version 2."""

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from aiges._runtime.calling import WrapperHost
from aiges._runtime.lanes import Lanes
from aiges._runtime.replies import Input
from aiges._runtime.usage import usage
from aiges.core.types import DataEnd
from aiges_wire import frames
from aiges_wire.codes import DataType
from aiges_wire.pb import aiges_control_pb2 as pb, aiges_control_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class ControlService(aiges_control_pb2_grpc.WorkerControlServicer):
    """`aiges.control.WorkerControl`."""

    def __init__(
        self,
        host: WrapperHost,
        lanes: Lanes,
        session_path: Path,
        stop: Callable[[float], None],
    ) -> None:
        """Serve.

        Args:
            host: The wrapper.
            lanes: Where calls come in.
            session_path: Where sessions come in.
            stop: Makes the worker leave, with so many seconds for wrapperFini.
        """
        self._host = host
        self._lanes = lanes
        self._session_path = session_path
        self._stop = stop

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.Description:
        """Say what the wrapper is, and where its calls come in."""
        return pb.Description(
            schema=await self._host.schema(request.service),
            data_address=str(self._lanes.path),
            frames=frames.VERSION,
            batches=self._host.batches,
            session_address=str(self._session_path),
            sessions=self._host.session_methods is not None,
            resources=self._host.takes_resources,
        )

    async def Heartbeat(self, request: pb.HeartbeatRequest, context: Context) -> pb.Pulse:
        """Show that this process and its event loop live."""
        return pb.Pulse(
            running_calls=self._lanes.running_calls, used=usage.counts(), measured=usage.values()
        )

    async def Stop(self, request: pb.StopRequest, context: Context) -> pb.StopReply:
        """Say yes, then leave."""
        self._stop(request.grace_seconds)
        return pb.StopReply()

    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelReply:
        """Take in that nobody waits for some calls any more."""
        for tag in request.tags:
            self._lanes.cancel(tag)
        return pb.CancelReply()

    async def LoadResource(self, request: pb.Resource, context: Context) -> pb.Outcome:
        """Run wrapperLoadRes: one node, complete, with the resource's description."""
        node = Input(request.key, request.data, DataType.OTHER, DataEnd, dict(request.desc))
        code, text = await self._host.load_resource(request.id, node)
        return pb.Outcome(code=code, text=text)

    async def UnloadResource(self, request: pb.ResourceId, context: Context) -> pb.Outcome:
        """Run wrapperUnloadRes."""
        code, text = await self._host.unload_resource(request.id)
        return pb.Outcome(code=code, text=text)

    async def DumpStacks(self, request: pb.DumpRequest, context: Context) -> pb.Stacks:
        """Write down where each thread is."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = [
            f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
            for ident, frame in sys._current_frames().items()
        ]
        return pb.Stacks(text="\n".join(parts))
