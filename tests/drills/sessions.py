"""Drills with sessions in flight."""

import asyncio
import base64
import json
import os
import signal
import time
from typing import Any

import aiohttp

from drills.results import Result, Scale, service
from support.service import Service

LIMIT_S = 30.0
DIED = 10109
EXPECTED = {"result": {"data_type": "text", "encoding": "utf8", "format": "plain"}}


class Client:
    """One session over WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, status: int) -> None:
        """Send an input."""
        text = {"status": status, "text": base64.b64encode(b"x").decode()}
        frame = {"parameter": {"svcName": EXPECTED}, "payload": {"text": text}}
        await self._socket.send_str(json.dumps(frame))

    async def hear(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = await self._socket.receive_json(timeout=LIMIT_S)
        return frame

    async def begin(self) -> None:
        """Open the session, and wait for its first result."""
        await self.say(1)
        while "payload" not in await self.hear():
            pass


def sessions_client() -> aiohttp.ClientSession:
    """Make a client with as many connections as anybody wants."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def connected(http: aiohttp.ClientSession, running: Service, count: int) -> list[Client]:
    url = f"http://127.0.0.1:{running.http_port}/v1/svcName"
    clients = [Client(await http.ws_connect(url)) for _ in range(count)]
    await asyncio.gather(*(client.begin() for client in clients))
    return clients


def kill_a_worker_with_sessions(scale: Scale) -> Result:
    """kill -9 of a worker: its sessions are told so at once, and the next ones are served."""
    count = scale.clients

    async def drill(running: Service) -> tuple[set[int], float]:
        async with asyncio.timeout(LIMIT_S), sessions_client() as http:
            clients = await connected(http, running, count)
            began = time.monotonic()
            os.kill(running.worker_pid(), signal.SIGKILL)
            codes = {frame["header"]["code"] for frame in [await c.hear() for c in clients]}
            told_s = time.monotonic() - began
            await connected(http, running, 1)
            return codes, told_s

    with service(fc={"max": count}) as running:
        codes, told_s = asyncio.run(drill(running))
        kept = codes == {DIED} and told_s < LIMIT_S / 10
        return Result(kept, f"{count} sessions, all told within {1000 * told_s:.0f} ms: {codes}")


def stop_with_sessions(scale: Scale) -> Result:
    """SIGTERM: sessions go on to their end."""
    count = scale.clients

    async def drill(running: Service) -> tuple[int, int]:
        async with asyncio.timeout(LIMIT_S), sessions_client() as http:
            clients = await connected(http, running, count)
            running.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(running.wait_for, "finishing what has begun")
            ended = 0
            for client in clients:
                await client.say(2)
                while (frame := await client.hear())["header"]["status"] != 2:
                    pass
                ended += frame["header"]["code"] == 0
        return ended, await asyncio.to_thread(running.wait)

    with service(fc={"max": count}) as running:
        ended, status = asyncio.run(drill(running))
        return Result(
            ended == count and status == 0, f"{ended} of {count} ended well; exit status {status}"
        )
