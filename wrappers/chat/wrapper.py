"""A chat by proxy: forwards to an endpoint of OpenAI's kind, streams its answer back.

The endpoint is asked from an event loop in a thread of its own, and results go out by `callback`,
so that one worker holds many chats: `wrapperWrite` and `wrapperOnceExecAsync` only start a task.
"""

import asyncio
import json
import os
import threading
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from endpoint import Endpoint
from faults import TEXTS, ChatError, Fault
from settings import Settings, SettingsError, settings_from

from aiges.core.types import DataBegin, DataContinue, DataEnd, DataText, Once
from aiges.dto import DataListCls, Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import (
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    RunningCall,
    StringBodyField,
    WrapperBase,
    current_call,
)
from aiges.utils.log import log

LARGEST_MESSAGES = 1 << 20
HIGHEST_TEMPERATURE = 2.0
DEFAULTS: dict[str, float] = {"temperature": 1.0, "max_tokens": 512}

LOOK_AGAIN_S = 0.1
"""How often a single call asks whether anybody still waits for it."""

STOP_LIMIT_S = 5.0

Body = dict[str, Any]


class UserRequest:
    """What a request brings."""

    temperature = NumberParamField(
        key="temperature", minimum=0, maximum=2, value=DEFAULTS["temperature"]
    )
    max_tokens = IntegerParamField(
        key="max_tokens", minimum=1, maximum=1_000_000, value=int(DEFAULTS["max_tokens"])
    )
    messages = JsonBodyField(key="messages", value=[{"role": "user", "content": "Hello!"}])


class UserResponse:
    """What an answer holds: the words of the assistant."""

    result = StringBodyField(key="result")


@dataclass
class Chat:
    """A session, from wrapperCreate to wrapperDestroy."""

    params: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    work: "Future[None] | None" = None

    def take(self, package: DataListCls) -> Body | None:
        """Take a package; return what to ask the endpoint once the messages are complete.

        Raises:
            ChatError: They are not what they may be.
        """
        node = package.get("messages")
        if node is None:
            raise ChatError(Fault.BAD_MESSAGES, "the input messages is missing")
        self.data += node.data
        if len(self.data) > LARGEST_MESSAGES:
            raise ChatError(Fault.BAD_MESSAGES, f"over {LARGEST_MESSAGES} bytes of messages")
        return body_of(self.params, bytes(self.data)) if node.status in (DataEnd, Once) else None


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "chat"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Read the settings and start the event loop; the endpoint need not be there yet."""
        try:
            settings = settings_from(config, os.environ)
        except SettingsError as error:
            log.error("%s", error)
            return 1
        self.chats: dict[str, Chat] = {}
        self.proxy = Proxy(settings)
        log.info("forwards to %s", settings)
        return 0

    # A session: its answer comes piece by piece.

    def wrapperCreate(
        self, params: dict[str, str], sid: str, persId: int = 0, usrTag: str = ""
    ) -> SessionCreateResponse:
        """Open a session."""
        created = SessionCreateResponse()
        created.handle = usrTag or sid
        self.chats[created.handle] = Chat(params)
        return created

    def wrapperWrite(self, handle: str, reqData: DataListCls) -> int:
        """Take messages, which may come in packages; ask once they are complete."""
        chat = self.chats[handle]
        try:
            body = chat.take(reqData)
        except ChatError as error:
            log.info("refused: %s", error)
            return error.fault
        if body is not None:
            chat.work = self.proxy.start_stream(handle, body)
        return 0

    def wrapperDestroy(self, handle: str) -> int:
        """Close a session: if its answer is not complete, nobody wants the rest of it."""
        work = self.chats.pop(handle).work
        if work is not None:
            work.cancel()
        return 0

    # A single call: its answer comes as a whole.

    def wrapperOnceExecAsync(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str, persId: int = 0
    ) -> int:
        """Take a call, to be answered by `callback`."""
        try:
            body = Chat(params).take(reqData)
        except ChatError as error:
            log.info("refused: %s", error)
            return error.fault
        if body is None:
            log.info("refused: the messages of a call are not marked as complete")
            return Fault.BAD_MESSAGES
        self.proxy.start_once(usrTag, current_call(), body)
        return 0

    def wrapperError(self, ret: int) -> str:
        """Say what an error code means."""
        return TEXTS.get(Fault(ret), "") if ret in set(Fault) else ""

    def wrapperFini(self) -> int:
        """Hang up on the endpoint."""
        self.proxy.close()
        return 0


class Proxy:
    """The event loop, in its thread, with the tasks that answer.

    A task answers its client whatever becomes of the endpoint: who is not answered waits.
    """

    def __init__(self, settings: Settings) -> None:
        """Start the thread; return when it takes tasks."""
        self._settings = settings
        started: Future[None] = Future()
        # A daemon: a local run, `python wrapper.py`, never calls wrapperFini.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="proxy", daemon=True
        )
        self._thread.start()
        started.result(STOP_LIMIT_S)

    def start_stream(self, tag: str, body: Body) -> "Future[None]":
        """Answer a session; cancelling what this returns hangs up on the endpoint."""
        return asyncio.run_coroutine_threadsafe(self._stream(tag, body), self._loop)

    def start_once(self, tag: str, call: RunningCall | None, body: Body) -> None:
        """Answer a call, for as long as somebody waits for it."""
        asyncio.run_coroutine_threadsafe(self._once(tag, call, body), self._loop)

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_LIMIT_S)
        if self._thread.is_alive():
            log.warning("the proxy's thread still runs after %s s", STOP_LIMIT_S)

    # In the thread:

    async def _serve(self, started: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        # The endpoint counts the chats, so the session need not count connections.
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            self._endpoint = Endpoint(self._settings, session)
            started.set_result(None)
            await self._stop.wait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # they have reported themselves

    async def _stream(self, tag: str, body: Body) -> None:
        status = DataBegin
        try:
            async with aclosing(self._endpoint.deltas(body)) as deltas:
                async for text in deltas:
                    if callback(answer(text, status), tag) != 0:
                        return  # nobody takes it any more
                    status = DataContinue
        except ChatError as error:
            self._report(tag, error)
        except Exception:
            log.exception("sid=%s: a chat failed", tag)
            callback(Response().response_err(Fault.INTERNAL), tag)
        else:
            callback(answer("", DataEnd), tag)

    async def _once(self, tag: str, call: RunningCall | None, body: Body) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                watch = asyncio.create_task(expire_when_cancelled(call, limit))
                try:
                    text = "".join([text async for text in self._endpoint.deltas(body)])
                finally:
                    watch.cancel()
        except TimeoutError:
            # The call's place in this worker is free only once it is answered.
            self._report(tag, ChatError(Fault.CANCELLED, "the client has gone"))
        except ChatError as error:
            self._report(tag, error)
        except Exception:
            log.exception("sid=%s: a chat failed", tag)
            callback(Response().response_err(Fault.INTERNAL), tag)
        else:
            callback(answer(text), tag)

    def _report(self, tag: str, error: ChatError) -> None:
        log.warning("sid=%s code=%d: %s", tag, error.fault, error)
        callback(Response().response_err(error.fault), tag)


async def expire_when_cancelled(call: RunningCall | None, limit: asyncio.Timeout) -> None:
    """Let `limit` pass once nobody waits for `call`; some hosts do not say, and give none."""
    if call is None:
        return
    while not call.is_cancelled:  # noqa: ASYNC110 - it can be asked, but does not tell
        await asyncio.sleep(LOOK_AGAIN_S)
    limit.reschedule(0)


def body_of(params: dict[str, str], data: bytes) -> Body:
    """Make what is sent to the endpoint, but for the model.

    Raises:
        ChatError: The messages or a parameter are not what they may be.
    """
    try:
        messages = json.loads(data)
    except ValueError as error:
        raise ChatError(Fault.BAD_MESSAGES, f"messages is no JSON: {error}") from None
    if not isinstance(messages, list) or not messages:
        raise ChatError(Fault.BAD_MESSAGES, f"messages is no JSON list: {data[:100]!r}")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ChatError(Fault.BAD_MESSAGES, f"a message has no role: {str(message)[:100]}")
    try:
        temperature = float(params.get("temperature", DEFAULTS["temperature"]))
        max_tokens = int(params.get("max_tokens", DEFAULTS["max_tokens"]))
    except ValueError as error:
        raise ChatError(Fault.BAD_PARAMETER, str(error)) from None
    if not 0 <= temperature <= HIGHEST_TEMPERATURE or max_tokens < 1:
        problem = f"temperature {temperature}, max_tokens {max_tokens}"
        raise ChatError(Fault.BAD_PARAMETER, problem)
    return {"messages": messages, "temperature": temperature, "max_tokens": max_tokens}


def answer(text: str, status: int = Once) -> Response:
    """Make a result."""
    result = ResponseData(key="result", type=DataText, status=status)
    result.setData(text)
    response = Response()
    response.list = [result]
    return response


if __name__ == "__main__":
    Wrapper().run(stream=True)
