"""Speaks to the endpoint: how many at once, how long, how often. Belongs to one event loop."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
from events import Events, delta_of
from faults import ChatError, Fault, TryAgainError
from settings import Settings

FIRST_PAUSE_S = 0.5
MOST_SHOWN = 500
"""Bytes of an error's body that are read, for the log."""

FAULTS: Mapping[int, Fault] = {
    HTTPStatus.UNAUTHORIZED: Fault.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: Fault.NOT_ALLOWED,
    HTTPStatus.TOO_MANY_REQUESTS: Fault.TOO_MANY_REQUESTS,
}

DID_NOTHING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""After these another attempt is worth its cost. After 500 or 504 the work may have been done."""


class Endpoint:
    """One endpoint, for as many chats as the settings allow at the same time."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        """Use `session`, whose owner closes it."""
        self._settings = settings
        self._session = session
        self._places = asyncio.Semaphore(settings.max_concurrent)

    async def deltas(self, body: Mapping[str, Any]) -> AsyncGenerator[str, None]:
        """Ask for a chat completion and yield its text as it comes, none of the pieces empty.

        Closing the generator, or cancelling the task, hangs up on the endpoint.

        Args:
            body: The request but for the model: messages, temperature and the like.

        Raises:
            ChatError: It cannot be had, or broke off.
        """
        async with self._place(), self._answer(body) as answer:
            events = Events()
            try:
                async for data in answer.content.iter_any():
                    for event in events.feed(data):
                        delta = delta_of(event)
                        if delta.text:
                            yield delta.text
                        if delta.is_last:
                            return
            except TimeoutError:
                raise ChatError(Fault.TOO_SLOW, "the answer takes too long, or stopped") from None
            except aiohttp.ClientError as error:
                raise ChatError(Fault.BROKEN, f"the answer broke off: {error!r}") from None
        raise ChatError(Fault.BROKEN, "the answer ended without saying that it is complete")

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        limit_s = self._settings.queue_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._places.acquire()
        except TimeoutError:
            raise ChatError(Fault.BUSY, f"no chat came to its end within {limit_s} s") from None
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _answer(self, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request, again if that is safe, until there is an answer to read."""
        attempt = 1
        while True:
            try:
                answer = await self._ask(body)
                break
            except TryAgainError as error:
                pause_s = pause_before(attempt + 1, error.after_s, random.random())  # noqa: S311
                if attempt == self._settings.attempts or pause_s > self._settings.longest_pause_s:
                    raise
            await asyncio.sleep(pause_s)
            attempt += 1
        async with answer:  # hangs up unless all of it was read
            yield answer

    async def _ask(self, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        settings = self._settings
        try:
            answer = await self._session.post(
                f"{settings.base_url}/chat/completions",
                json={**body, "model": settings.model, "stream": True},
                headers={"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {},
                timeout=aiohttp.ClientTimeout(
                    total=settings.total_timeout_s,
                    sock_connect=settings.connect_timeout_s,
                    sock_read=settings.read_timeout_s,
                ),
                allow_redirects=False,  # a key is for the endpoint that is configured
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise TryAgainError(Fault.UNREACHABLE, f"no connection: {error!r}") from None
        except TimeoutError:
            raise ChatError(Fault.TOO_SLOW, "no answer in time") from None
        except aiohttp.ClientConnectionError as error:
            raise TryAgainError(Fault.UNREACHABLE, f"no connection: {error!r}") from None
        except aiohttp.ClientError as error:
            raise ChatError(Fault.BROKEN, f"no HTTP: {error!r}") from None
        if answer.status == HTTPStatus.OK:
            return answer
        async with answer:
            try:
                said = await answer.content.read(MOST_SHOWN)
            except (TimeoutError, aiohttp.ClientError) as error:
                said = repr(error).encode()
        raise refusal(answer.status, answer.headers.get("Retry-After", ""), said)


def refusal(status: int, retry_after: str, said: bytes) -> ChatError:
    """Say what an answer of another status than 200 means."""
    is_theirs = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    fault = FAULTS.get(status, Fault.FAILED if is_theirs else Fault.REFUSED)
    message = f"status {status}: {said.decode('utf-8', 'replace')!r}"
    if status not in DID_NOTHING:
        return ChatError(fault, message)
    return TryAgainError(fault, message, float(retry_after) if retry_after.isdecimal() else None)


def pause_before(attempt: int, after_s: float | None, chance: float) -> float:
    """Return the seconds to wait before an attempt, 2 being the first that is a repetition.

    Args:
        attempt: Its number.
        after_s: What the endpoint asks for.
        chance: From 0 to 1, so that those who were refused together do not come back together.
    """
    if after_s is not None:
        return after_s
    return FIRST_PAUSE_S * 2.0 ** (attempt - 2) * (0.5 + chance / 2)
