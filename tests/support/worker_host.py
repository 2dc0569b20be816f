"""A small go-plugin host that drives `python -m aiges.serve`, for tests of the worker alone."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aiges_wire.handshake import Handshake, decode
from aiges_wire.pb import (
    aiges_control_pb2 as control_pb,
    aiges_control_pb2_grpc,
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
    grpc_stdio_pb2_grpc,
)
from support.lane_client import LaneClient

ROOT = Path(__file__).resolve().parents[2]
SOURCES = os.pathsep.join(str(ROOT / tree) for tree in ("plugin_runtime", "proto"))
LIMIT_S = 20.0
COOKIE = {"BASIC_PLUGIN": "hello"}


def environment(version: int = 1, **extra: str) -> dict[str, str]:
    """Return an environment in which a worker of this checkout starts, and nothing else of ours.

    Args:
        version: The newest of the protocol that the host offers.
        extra: Variables.
    """
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PLUGIN_", "AIGES_"))}
    versions = ",".join(str(number) for number in range(1, version + 1))
    return {**kept, "PYTHONPATH": SOURCES, **COOKIE, "PLUGIN_PROTOCOL_VERSIONS": versions, **extra}


class WorkerHost:
    """One worker process and a connection to it, by the version that it chose.

    With version 2, `once` goes over a lane.
    """

    def __init__(
        self,
        folder: Path,
        *,
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "aiges.serve", *arguments],
            cwd=folder,
            env=env if env is not None else environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.stderr = _Lines(self.process.stderr)
        self.stdout = _Lines(self.process.stdout)
        self.handshake: Handshake | None = None
        self.results: queue.Queue[pb.Response] = queue.Queue()
        self.channel: grpc.Channel | None = None
        self._lane: LaneClient | None = None

    def announced(self) -> Handshake:
        """Read the handshake line, once; return it."""
        if self.handshake is None:
            self.handshake = decode(self.stdout.next(), offered=(1, 2, 3))
        return self.handshake

    def connect(self) -> Self:
        self.handshake = self.announced()
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(self.handshake.target(), options=limits)
        self.wrapper = aiges_inner_pb2_grpc.WrapperServiceStub(self.channel)
        self.control = aiges_control_pb2_grpc.WorkerControlStub(self.channel)
        if self.version == 1:
            self._results = self.wrapper.communicate(_silence())
            threading.Thread(target=self._read_results, daemon=True).start()
        return self

    @property
    def version(self) -> int:
        """The version of the application protocol."""
        return self.announced().app_version

    def describe(self, service: str = "svcName") -> control_pb.Description:
        """Ask for what version 2 tells of itself."""
        request = control_pb.DescribeRequest(service=service)
        return self.control.Describe(request, timeout=LIMIT_S)

    def lane(self) -> LaneClient:
        """Open another lane; the caller closes it."""
        return LaneClient(self.describe().data_address)

    def _read_results(self) -> None:
        try:
            for message in self._results:
                self.results.put(message)
        except grpc.RpcError:
            return

    def health(self, service: str = "plugin") -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return int(stub.Check(request, timeout=LIMIT_S).status)

    def init(self, **config: str) -> int:
        return int(self.wrapper.wrapperInit(pb.InitRequest(config=config), timeout=LIMIT_S).ret)

    def schema(self, service: str = "svcName") -> Any:
        if self.version > 1:
            return json.loads(self.describe(service).schema)
        return json.loads(
            self.wrapper.wrapperSchema(pb.SvcId(serviceId=service), timeout=LIMIT_S).data
        )

    def once(self, data: bytes = b"hello", tag: str = "t1", **params: str) -> pb.Response:
        """Send one call and return its answer."""
        if self.version > 1:
            if self._lane is None:
                self._lane = self.lane()
            return self._lane.once(data, tag, **params)
        self.send(data, tag, **params)
        return self.results.get(timeout=LIMIT_S)

    def send(self, data: bytes = b"hello", tag: str = "t1", **params: str) -> None:
        item = pb.RequestData(key="text", data=data, len=len(data), status=3)
        request = pb.Request(tag=tag, params={"sid": tag, **params}, list=[item])
        reply = self.wrapper.wrapperOnceExec(request, timeout=LIMIT_S)
        assert reply.ret == 0

    def stdio(self) -> Iterator[bytes]:
        from google.protobuf.empty_pb2 import Empty  # noqa: PLC0415

        stub = grpc_stdio_pb2_grpc.GRPCStdioStub(self.channel)
        for piece in stub.StreamStdio(Empty(), timeout=LIMIT_S):
            assert piece.channel == 1
            yield piece.data

    def shutdown(self) -> int:
        """Ask to leave; return the exit status."""
        stub = grpc_controller_pb2_grpc.GRPCControllerStub(self.channel)
        stub.Shutdown(controller_pb.Empty(), timeout=LIMIT_S)
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lane is not None:
            self._lane.close()
        if self.channel is not None:
            self.channel.close()
        self.process.kill()
        self.process.wait(LIMIT_S)
        self.stdout.close()
        self.stderr.close()


class _Lines:
    """The lines of a pipe, read in a thread so that it never fills."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._lines: queue.Queue[bytes] = queue.Queue()
        self.seen: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._pipe:
            self.seen.append(line)
            self._lines.put(line)
        self._lines.put(b"")

    def next(self) -> bytes:
        """Return the next line, b"" at the end."""
        return self._lines.get(timeout=LIMIT_S)

    def until(self, text: str) -> str:
        """Return the first line that has `text`; fail if the pipe ends before."""
        while line := self.next():
            if text in line.decode("utf-8", "replace"):
                return line.decode("utf-8", "replace")
        raise AssertionError(f"never wrote {text!r}, but {self.text()!r}")

    def text(self) -> str:
        """Return all that was written, once the writer has ended."""
        self._thread.join(LIMIT_S)
        return b"".join(self.seen).decode("utf-8", "replace")

    def close(self) -> None:
        self._thread.join(LIMIT_S)
        self._pipe.close()


def _silence() -> Iterator[pb.Request]:
    threading.Event().wait()
    yield pb.Request()
