"""A worker with a mind of its own: `fake_worker.py MODE`. Speaks the protocol, badly on request.

MODE is how it starts. How it treats a call is in the call's parameter `do`.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from aiges_wire.pb import (
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
)

MODE = sys.argv[1] if len(sys.argv) > 1 else "serves"
STOP = asyncio.Event()


class Service(aiges_inner_pb2_grpc.WrapperServiceServicer):
    def __init__(self) -> None:
        self.results: asyncio.Queue[pb.Response] = asyncio.Queue()
        self.one_at_a_time = asyncio.Lock()

    async def communicate(self, requests: Any, context: Any) -> AsyncIterator[pb.Response]:
        if MODE == "tells-beginnings":
            await context.send_initial_metadata((("aiges-begun", "1"),))
        while True:
            yield await self.results.get()

    async def wrapperInit(self, request: pb.InitRequest, context: Any) -> pb.Ret:
        if MODE == "init-hangs":
            await asyncio.sleep(60)
        if MODE == "init-dies":
            os._exit(9)
        if MODE == "init-killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if MODE == "init-raises":
            raise RuntimeError("no model")
        code = int(MODE.removeprefix("init-")) if MODE.startswith("init-3") else 0
        return pb.Ret(ret=code)

    async def wrapperSchema(self, request: pb.SvcId, context: Any) -> pb.Schema:
        return pb.Schema(data=f'{{"service": "{request.serviceId}"}}')

    async def wrapperOnceExec(self, request: pb.Request, context: Any) -> pb.Response:
        do = request.params["do"]
        if do.startswith("die once "):  # before the call begins
            die_once(Path(do.removeprefix("die once ")))
        if MODE == "tells-beginnings":
            await context.send_initial_metadata((("aiges-begun", "1"),))
        answer = pb.Response(
            tag=request.tag,
            list=[pb.ResponseData(key=i.key, data=i.data, status=3) for i in request.list],
        )
        if do.startswith("queue "):
            async with self.one_at_a_time:
                await asyncio.sleep(float(do.removeprefix("queue ")))
        elif do.startswith("sleep "):
            await asyncio.sleep(float(do.removeprefix("sleep ")))
        elif do == "exit":
            os._exit(7)
        elif do == "pid":
            answer.list[0].data = str(os.getpid()).encode()
        elif do == "hang":
            await asyncio.sleep(60)
        elif do == "refuse":
            return pb.Response(ret=30003)
        elif do == "raise":
            raise ValueError("boom")
        elif do == "forget":
            return pb.Response()
        elif do == "error":
            answer = pb.Response(tag=request.tag, ret=100)
        elif do == "empty":
            answer = pb.Response(tag=request.tag)
        elif do == "twice":
            await self.results.put(answer)
        elif do == "late":
            asyncio.get_running_loop().call_later(0.1, self.results.put_nowait, answer)
            return pb.Response()
        elif do == "stranger":
            await self.results.put(pb.Response(tag="nobody", list=answer.list))
        await self.results.put(answer)
        return pb.Response()


def die_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        os._exit(7)


class Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):
    async def Shutdown(self, request: Any, context: Any) -> controller_pb.Empty:
        if MODE != "ignores-shutdown":
            STOP.set()
        return controller_pb.Empty()


class OneHealth(health.aio.HealthServicer):
    """Answers once, then no more: like a server whose threads are all in calls."""

    asked = 0

    async def Check(self, request: Any, context: Any) -> Any:
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(60)
        return await super().Check(request, context)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    if MODE == "ignores-shutdown":
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
    server = grpc.aio.server()
    aiges_inner_pb2_grpc.add_WrapperServiceServicer_to_server(Service(), server)
    if MODE != "no-controller":
        grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(Controller(), server)
    if MODE != "no-health":
        healths = OneHealth() if MODE == "mute" else health.aio.HealthServicer()
        status = health_pb2.HealthCheckResponse
        serving = status.NOT_SERVING if MODE == "not-serving" else status.SERVING
        await healths.set("other" if MODE == "unknown-health" else "plugin", serving)
        health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    port = server.add_insecure_port(f"{'[::1]' if MODE == 'ipv6' else '127.0.0.1'}:0")
    await server.start()
    host = {"ipv6": "[::1]", "localhost": "localhost"}.get(MODE, "127.0.0.1")
    line = f"1|1|tcp|{host}:{port}|grpc"
    if MODE == "drips":
        for letter in line:
            print(letter, end="", flush=True)
    print(line if MODE != "drips" else "", end="" if MODE == "no-newline" else "\n", flush=True)
    if MODE in ("no-newline", "hangs-up"):
        os.close(1)
    if MODE == "orphans":  # leaves a child behind that holds our stdout and stderr open
        child = subprocess.Popen(["/bin/sleep", "60"])
        print(f"orphan={child.pid}", file=sys.stderr, flush=True)
    if MODE == "floods":
        print("x" * 3_000_000, flush=True)
        print("flooded", file=sys.stderr, flush=True)
    await STOP.wait()
    await server.stop(0.1)


def main() -> None:
    match MODE:
        case "silent":
            time.sleep(60)
        case "noise":
            print("hello, I log to stdout", flush=True)
            time.sleep(60)
        case "dies":
            print("a last word", file=sys.stderr, flush=True)
            sys.exit(3)
        case "closes-stdout":
            os.close(1)
            time.sleep(60)
        case "nobody-there":
            print("1|1|unix|/nonexistent/p.sock|grpc|", flush=True)
            time.sleep(60)
        case "future":
            print("1|9|unix|/p.sock|grpc|", flush=True)
            time.sleep(60)
        case _:
            asyncio.run(serve())


if __name__ == "__main__":
    main()
