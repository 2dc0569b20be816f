"""A chat completions endpoint that behaves as the last message tells it to."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiohttp import web

LIMIT_S = 20.0
HEARTBEAT_S = 0.05

Handler = Callable[["ChatEndpoint", web.Request, str], Awaitable[web.StreamResponse]]


class ChatEndpoint:
    """Serves POST /v1/chat/completions on a loopback port, in a thread of its own.

    Attributes:
        base_url: What a client of it is given.
        requests: The headers and bodies that came.
        attempts: How often a message came.
        most: The most requests that ran at the same time.
        hung_up: How often a client left before its answer was complete.
        gate: Lets the answers to "wait" go on.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[tuple[Mapping[str, str], Any]] = []
        self.attempts: Counter[str] = Counter()
        self.running = 0
        self.most = 0
        self.hung_up = 0
        self.gate = threading.Event()
        self._changed = threading.Condition()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(LIMIT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gate.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    def forget(self) -> None:
        """Begin anew, once nothing runs: nothing has come, and the gate is closed."""
        self.gate.set()
        self.wait_for(lambda seen: seen.running == 0, "all answers end")
        self.gate.clear()
        self.requests.clear()
        self.attempts.clear()
        self.most = self.hung_up = 0

    def wait_for(self, condition: Callable[[Self], object], what: str) -> None:
        """Return once `condition` holds; it is looked at whenever a request begins or ends."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), LIMIT_S), what

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        # A handler is cancelled when its client leaves, as endpoints do to stop generating.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            self.base_url = f"http://127.0.0.1:{port}/v1"
            self._started.set_result(None)
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        message = body["messages"][-1]["content"]
        with self._changed:
            self.requests.append((dict(request.headers), body))
            self.attempts[message] += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self._changed.notify_all()
        is_complete = False
        try:
            response = await HANDLERS.get(message, words)(self, request, message)
            is_complete = True
        finally:
            with self._changed:
                self.running -= 1
                self.hung_up += not is_complete
                self._changed.notify_all()
        return response


async def begun(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(event({"role": "assistant", "content": ""}))
    return response


def event(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


END = event({}, "stop") + b"data: [DONE]\n\n"


async def words(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    response = await begun(request)
    for word in message.split(" "):
        await response.write(event({"content": f"{word} "}))
    await response.write(END)
    return response


async def cut(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    """Send every byte alone, with the line ends that Windows has."""
    response = await begun(request)
    answer = event({"content": "灯"}) + event({"content": "\u2028塔"}) + END
    for byte in (b": a comment\n\n" + answer).replace(b"\n", b"\r\n"):
        await response.write(bytes([byte]))
        await asyncio.sleep(0)
    return response


async def wait(endpoint: ChatEndpoint, request: web.Request, _: str) -> web.StreamResponse:
    """Send a piece, then signs of life until the gate opens."""
    response = await begun(request)
    await response.write(event({"content": "waited"}))
    while not endpoint.gate.is_set():
        await response.write(b": still here\n\n")
        await asyncio.sleep(HEARTBEAT_S)
    await response.write(END)
    return response


async def silent(endpoint: ChatEndpoint, *_: object) -> web.StreamResponse:
    while not endpoint.gate.is_set():  # until its client leaves, in fact
        await asyncio.sleep(HEARTBEAT_S)
    return web.Response(status=500)


async def stalls(endpoint: ChatEndpoint, request: web.Request, _: str) -> web.StreamResponse:
    response = await begun(request)
    await response.write(event({"content": "one"}))
    return await silent(endpoint)


async def breaks(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    response = await begun(request)
    await response.write(event({"content": "one"}))
    hang_up(request)
    return response


async def ends(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    """End in good order, but without saying that the answer is complete."""
    response = await begun(request)
    await response.write(event({"content": "one"}))
    return response


async def garbage(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    response = await begun(request)
    await response.write(b"data: {no json\n\n")
    return response


async def reports(_: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    response = await begun(request)
    await response.write(b'data: {"error": {"message": "out of memory"}}\n\n')
    return response


async def drops(endpoint: ChatEndpoint, request: web.Request, message: str) -> web.StreamResponse:
    """Hang up before any answer, the first two times."""
    if endpoint.attempts[message] <= 2:
        hang_up(request)
        return web.Response()
    return await words(endpoint, request, message)


def hang_up(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


def refuses(status: int, *, times: int = 1_000, retry_after: str | None = None) -> Handler:
    """Return a handler that answers `status` the first so many times."""

    async def handler(
        endpoint: ChatEndpoint, request: web.Request, message: str
    ) -> web.StreamResponse:
        if endpoint.attempts[message] > times:
            return await words(endpoint, request, message)
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        error = {"error": {"message": f"no: {status}"}}
        return web.json_response(error, status=status, headers=headers)

    return handler


HANDLERS: Mapping[str, Handler] = {
    "cut": cut,
    "wait": wait,
    "silent": silent,
    "stalls": stalls,
    "breaks": breaks,
    "ends": ends,
    "garbage": garbage,
    "reports": reports,
    "drops twice": drops,
    "429 twice": refuses(429, times=2, retry_after="0"),
    "429 for long": refuses(429, retry_after="3600"),
    "503 twice": refuses(503, times=2),
    **{str(status): refuses(status, retry_after="0") for status in (400, 401, 404, 429, 500, 503)},
    "302": refuses(302),
}
