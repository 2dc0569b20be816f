"""The gRPC port: health for probes that speak it, reflection, and what is served besides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from aiges_loader.frontend.listening import ListenError, bind

_REFLECTION_V1: Final = "grpc.reflection.v1.ServerReflection"
"""The same messages as v1alpha's under another name; the library has only the older one."""


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """The gRPC listener.

    Attributes:
        host: Name or address.
        port: 0 for any free one.
        key: Where it is configured, for errors.
        max_receive_bytes: Largest request.
        max_send_bytes: Largest reply.
        share: Let other processes bind the same port (SO_REUSEPORT).
    """

    host: str
    port: int
    key: str
    max_receive_bytes: int
    max_send_bytes: int
    share: bool


class GrpcApi:
    """A gRPC server of the service, bound when made, answering once started.

    Leaving it as a context ends it at once, if `stop` has not.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, settings: GrpcSettings) -> None:
        """Bind; raise `ListenError` if that fails."""
        host, port = settings.host, settings.port
        if not settings.share:
            # grpc's own error does not say why; a bound socket does.
            bind(host, port, what="gRPC", key=settings.key).close()
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_receive_bytes),
                ("grpc.max_send_message_length", settings.max_send_bytes),
                ("grpc.so_reuseport", int(settings.share)),
            ]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ListenError("gRPC", address, settings.key, str(error)) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Left running, the library would look for its event loop when that has gone.
        await self._server.stop(None)

    def serve(self, services: Sequence[str], handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Answer calls of `services` by `handlers`, and say what there is. Once, before `start`."""
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._server.add_generic_rpc_handlers(tuple(handlers))
        for name in (reflection.SERVICE_NAME, _REFLECTION_V1):
            self._server.add_generic_rpc_handlers((_reflection(name, names),))

    async def start(self) -> None:
        """Answer, at first that the service is not ready."""
        await self.set_ready(ready=False)
        await self._server.start()

    async def stop(self, limit_s: float) -> None:
        """Refuse new calls and let running ones finish."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(limit_s)

    async def set_ready(self, *, ready: bool) -> None:
        """Tell health checks."""
        status = health_pb2.HealthCheckResponse
        await self._health.set("", status.SERVING if ready else status.NOT_SERVING)


def _reflection(name: str, services: Sequence[str]) -> grpc.GenericRpcHandler:
    method = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(services).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
