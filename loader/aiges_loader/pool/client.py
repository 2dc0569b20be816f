"""One worker as its owner steers it, over gRPC: health, start, description, output, stop.

With grpc_calls.py and messages.py the only user of the protobuf stubs in the supervisor.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aiges_loader.errors import NoResourcesError, ResourceError
from aiges_loader.pool import messages
from aiges_loader.pool.channel import CallChannel
from aiges_loader.pool.grpc_calls import GrpcCalls
from aiges_loader.pool.lane_calls import LaneCalls
from aiges_loader.pool.lane_sessions import LaneSessions
from aiges_loader.pool.process import Stream
from aiges_loader.pool.reported import since
from aiges_loader.pool.resources import Load, Unload
from aiges_loader.pool.session_channel import SessionChannel
from aiges_wire import frames
from aiges_wire.codes import Code
from aiges_wire.handshake import Handshake
from aiges_wire.pb import (
    aiges_control_pb2 as control_pb,
    aiges_control_pb2_grpc,
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2 as stdio_pb,
    grpc_stdio_pb2_grpc,
)

VERSION_WITH_LANES: Final = 2

CANCEL_LIMIT_S: Final = 1.0
"""How long a worker may take to hear that nobody waits for some calls."""

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


class WorkerClient:
    """A connection to one worker.

    Attributes:
        calls: What carries its calls; from `describe` on.
        sessions: What carries its sessions; likewise.
        takes_resources: Its wrapper loads resources, or may do so; known likewise.
        on_reported: Gets what user code used since it last said so, and what it measured.
        data_addresses: Where it listens for both, as gRPC targets; none if not apart from the rest.
    """

    calls: CallChannel
    sessions: SessionChannel
    takes_resources: bool
    data_addresses: tuple[str, ...] = ()
    on_reported: Callable[[Mapping[str, int], Mapping[str, float]], None]

    def __init__(
        self,
        handshake: Handshake,
        on_output: Callable[[Stream, bytes], None],
        *,
        concurrency: int,
    ) -> None:
        """Make a channel; enter me to use it.

        Args:
            handshake: Where the worker listens, and what it speaks.
            on_output: Gets what GRPCStdio streams.
            concurrency: Calls at once.
        """
        self._has_lanes = handshake.app_version >= VERSION_WITH_LANES
        self._concurrency = concurrency
        self._channel = grpc.aio.insecure_channel(handshake.target(), options=_OPTIONS)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._wrapper = aiges_inner_pb2_grpc.WrapperServiceStub(self._channel)
        self._control = aiges_control_pb2_grpc.WorkerControlStub(self._channel)
        self._on_output = on_output
        self.on_reported = lambda _used, _measured: None
        self._used: dict[str, int] = {}
        self._over_grpc: GrpcCalls | None = None
        self._over_lanes: LaneCalls | None = None
        self._session_lanes: LaneSessions | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "WorkerClient":
        """Begin to listen: version 1 opens `communicate` before anything else."""
        self._output = asyncio.create_task(self._read_output(), name="worker-output")
        if not self._has_lanes:
            self._over_grpc = GrpcCalls(self._channel)
            self._over_grpc.open()
            self.calls = self._over_grpc
            self.sessions = self._over_grpc.sessions
        return self

    def fail_all(self, reason: str) -> tuple[str, ...]:
        """End every call and session: the worker is dead or as good as. Return their names."""
        return (*self.calls.fail_all(reason), *self.sessions.fail_all(reason))

    async def __aexit__(self, *_: object) -> None:
        """Hang up; calls still running fail."""
        if self._over_grpc is not None:
            await self._over_grpc.close()
        if self._over_lanes is not None:
            self._over_lanes.fail_all("the connection was closed")
            self._over_lanes.close()
        if self._session_lanes is not None:
            self._session_lanes.fail_all("the connection was closed")
        for task in (self._output, *self._telling):
            task.cancel()
        await asyncio.wait([self._output, *self._telling])
        await self._channel.close()
        with suppress(asyncio.CancelledError):
            self._output.result()  # a bug of ours would show here

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

    async def trouble(self, limit_s: float) -> str:
        """Say what keeps us from the worker, after `limit_s` at the latest; "" if nothing does."""
        try:
            await self._health.Check(_PLUGIN_HEALTH, timeout=limit_s)
        except grpc.aio.AioRpcError as error:
            return messages.brief(error)
        return ""

    async def answers(self, limit_s: float) -> bool:
        """Say whether the worker gives a sign of life within `limit_s` seconds."""
        try:
            if self._has_lanes:
                pulse = await self._control.Heartbeat(
                    control_pb.HeartbeatRequest(), timeout=limit_s
                )
                self._report(pulse)
            else:
                await self._health.Check(_PLUGIN_HEALTH, timeout=limit_s)
        except grpc.aio.AioRpcError:
            return False
        return True

    def _report(self, pulse: control_pb.Pulse) -> None:
        if pulse.used or pulse.measured:
            before, self._used = self._used, dict(pulse.used)
            self.on_reported(since(before, self._used), dict(pulse.measured))

    async def init(self, config: Mapping[str, str]) -> None:
        """Start the wrapper; raise `InitFailedError` or `WorkerCallError`."""
        request = pb.InitRequest(config=config)
        try:
            reply = await self._wrapper.wrapperInit(request, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"wrapperInit: {messages.brief(error)}") from None
        if reply.ret != 0:
            raise InitFailedError(reply.ret)

    async def describe(self, service: str) -> str:
        """Ask for the wrapper's schema, and with version 2 for its lanes.

        Raises:
            WorkerCallError: It does not answer, or speaks other frames.
        """
        if not self._has_lanes:
            try:
                reply = await self._wrapper.wrapperSchema(pb.SvcId(serviceId=service))
            except grpc.aio.AioRpcError as error:
                raise WorkerCallError(f"wrapperSchema: {messages.brief(error)}") from None
            self.takes_resources = True  # it cannot be asked; trying will say why not
            return str(reply.data)
        try:
            found = await self._control.Describe(control_pb.DescribeRequest(service=service))
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"Describe: {messages.brief(error)}") from None
        if found.frames != frames.VERSION:
            raise WorkerCallError(f"its frames are version {found.frames}, not {frames.VERSION}")
        addresses = (found.data_address, found.session_address)
        self.takes_resources = found.resources
        self.data_addresses = tuple(f"unix:{address}" for address in addresses if address)
        self.calls = self._over_lanes = LaneCalls(
            found.data_address,
            self._concurrency,
            batches=found.batches,
            on_abandoned=self._tell_abandoned,
        )
        self.sessions = self._session_lanes = LaneSessions(
            found.session_address if found.sessions else "", self._over_lanes.hang_up
        )
        try:
            self._over_lanes.open()
        except OSError as error:
            raise WorkerCallError(f"no lane to it can be opened: {error.strerror}") from None
        return str(found.schema)

    async def take_step(self, step: Load | Unload) -> None:
        """Have the wrapper load or unload a resource; the caller sets the limit.

        Raises:
            ResourceError: It did not.
            NoResourcesError: The worker knows no such request.
            WorkerCallError: The worker did not answer.
        """
        if not self._has_lanes:
            raise NoResourcesError
        try:
            if isinstance(step, Load):
                new = step.resource
                resource = control_pb.Resource(id=new.id, key=new.key, data=new.data, desc=new.desc)
                outcome = await self._control.LoadResource(resource)
            else:
                outcome = await self._control.UnloadResource(control_pb.ResourceId(id=step.id))
        except grpc.aio.AioRpcError as error:
            raise WorkerCallError(f"{step.method}: {messages.brief(error)}") from None
        if outcome.code:
            raise ResourceError(step.failure, outcome.code, outcome.text)

    async def shutdown(self, limit_s: float, *, grace_s: float) -> bool:
        """Ask the worker to leave; say whether it may do so, False if it knows no such request.

        Go plugins cut the connection instead of answering, and one that is slow may still leave.

        Args:
            limit_s: For the answer.
            grace_s: For wrapperFini.
        """
        if self._has_lanes:
            await self.answers(limit_s)  # what was used in its last moments counts as well
        try:
            if self._has_lanes:
                await self._control.Stop(
                    control_pb.StopRequest(grace_seconds=grace_s), timeout=limit_s
                )
            else:
                stub = grpc_controller_pb2_grpc.GRPCControllerStub(self._channel)
                await stub.Shutdown(controller_pb.Empty(), timeout=limit_s)
        except grpc.aio.AioRpcError as error:
            log.debug("shutdown answered code=%s", error.code().name)
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    def _tell_abandoned(self, sids: list[str]) -> None:
        """Tell the worker for which calls nobody waits any more."""
        task = asyncio.create_task(self._cancel(sids), name="worker-cancel")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _cancel(self, sids: list[str]) -> None:
        try:
            request = control_pb.CancelRequest(tags=sids)
            await self._control.Cancel(request, timeout=CANCEL_LIMIT_S)
        except grpc.aio.AioRpcError as error:  # it is busy, gone, or knows no such thing
            log.debug("cancel was not heard code=%s calls=%d", error.code().name, len(sids))

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
