"""A worker with a mind of its own: `fake_worker.py MODE`. Speaks the protocol, badly on request.

MODE is how it starts. How it treats a call is in the call's parameter `do`. Modes that begin with
"lanes" speak version 2, the others version 1. "fixed PORT" always listens there, whoever else does;
"fixed PORT FILE" starts well only while there is no FILE, and makes one. "port-in FILE" listens at
the port that FILE names, if there is one.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from aiges_wire import frames
from aiges_wire.pb import (
    aiges_control_pb2 as control_pb,
    aiges_control_pb2_grpc,
    aiges_inner_pb2 as pb,
    aiges_inner_pb2_grpc,
    grpc_controller_pb2 as controller_pb,
    grpc_controller_pb2_grpc,
)

MODE = sys.argv[1] if len(sys.argv) > 1 else "serves"
HAS_LANES = MODE.startswith("lanes")
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


class Control(aiges_control_pb2_grpc.WorkerControlServicer):
    """What version 2 asks for beside lanes."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def Describe(self, request: Any, context: Any) -> control_pb.Description:
        return control_pb.Description(
            schema=f'{{"service": "{request.service}"}}',
            data_address="/nonexistent/lane" if MODE == "lanes-nowhere" else self.path,
            frames=9 if MODE == "lanes-future" else frames.VERSION,
        )

    async def Heartbeat(self, request: Any, context: Any) -> control_pb.Pulse:
        return control_pb.Pulse()

    async def Stop(self, request: Any, context: Any) -> control_pb.StopReply:
        STOP.set()
        return control_pb.StopReply()


async def lane(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one lane, by the book or not."""
    while True:
        try:
            head = await reader.readexactly(frames.HEADER_BYTES)
        except asyncio.IncompleteReadError:
            return
        header = frames.read_header(head)
        meta = frames.read_call(header, await reader.readexactly(header.meta_bytes))
        data = await reader.readexactly(header.data_bytes)
        do, spent_us = meta.params["do"], 10
        if do.startswith("sleep "):
            await asyncio.sleep(float(do.removeprefix("sleep ")))
            spent_us = 1_000_000
        elif do == "hang":
            await asyncio.sleep(60)
        elif do == "exit":
            os._exit(7)
        usual = frames.answer(header.call, meta.items, spent_us=spent_us) + data
        whole = fair_answer(do, header.call) or foul_answer(do, header.call, usual)
        if do == "piecemeal":
            for byte in whole[:-1]:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            whole = whole[-1:]
        writer.write(whole)
        await writer.drain()
        if do == "answer and exit":
            os._exit(7)
        if do in ("cut", "hang up"):
            writer.close()
            return


def fair_answer(do: str, call: int) -> bytes:
    """Return an answer by the book, if it is not to be the usual one."""
    match do:
        case "pid":
            data = str(os.getpid()).encode()
            return frames.answer(call, [("text", len(data), 0, 3, {})]) + data
        case "big":
            items = [("a", 1 << 20, 0, 3, {}), ("b", 2 << 20, 2, 3, {})]
            return frames.answer(call, items) + bytes(range(256)) * 4096 * 3
        case "empty":
            return frames.answer(call, [])
        case "refuse" | "raise" | "error":
            code = 100 if do == "error" else 30003
            return frames.failure(call, code, "boom" if do == "raise" else "")
    return b""


def foul_answer(do: str, call: int, usual: bytes) -> bytes:
    """Return what no worker should send; the usual answer if `do` is nothing of that kind."""
    most = b"\xff" * 8
    return {
        "noise": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "other version": usual[:1] + b"\x09" + usual[2:],
        "other kind": b"\x63" + usual[1:],
        "a call": frames.call(call, "t", {}, []),
        "too much meta": usual[:8] + most[:4] + usual[12:],
        "too much data": usual[:24] + most + usual[32:],
        "no JSON": usual.replace(b"[[", b"[{"),
        "other meta": frames.failure(call, 5, "x").replace(b"[5,", b"[x,"),
        "other shape": frames.failure(call, 5, "x").replace(b'"x"', b"[0]"),
        "wrong sizes": usual.replace(b'"text",5', b'"text",4'),
        "wrong call": frames.answer(call + 1, []),
        "twice": usual + usual,
        "cut": usual[:-2],
    }.get(do, usual)


class OneHealth(health.aio.HealthServicer):
    """Answers once, then no more: like a server whose threads are all in calls."""

    asked = 0

    async def Check(self, request: Any, context: Any) -> Any:
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(60)
        return await super().Check(request, context)


def wanted_port() -> int:
    """Return the port to listen at, 0 for any."""
    match MODE.split():
        case ["fixed", port, *_]:
            return int(port)
        case ["port-in", file] if Path(file).exists():
            return int(Path(file).read_text())
    return 0


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
    lanes = None
    if HAS_LANES:
        path = f"{tempfile.mkdtemp(dir=os.environ['PLUGIN_UNIX_SOCKET_DIR'])}/data.sock"
        aiges_control_pb2_grpc.add_WorkerControlServicer_to_server(Control(path), server)
        lanes = await asyncio.start_unix_server(lane, path)
    port = server.add_insecure_port(f"{'[::1]' if MODE == 'ipv6' else '127.0.0.1'}:{wanted_port()}")
    await server.start()
    host = {"ipv6": "[::1]", "localhost": "localhost"}.get(MODE, "127.0.0.1")
    line = f"1|{2 if HAS_LANES else 1}|tcp|{host}:{port}|grpc"
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
    if lanes is not None:
        lanes.close()
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
            if MODE.startswith("fixed ") and len(MODE.split()) > 2:
                marker = Path(MODE.split()[2])
                if marker.exists():
                    sys.exit(4)
                marker.touch()
            asyncio.run(serve())


if __name__ == "__main__":
    main()
