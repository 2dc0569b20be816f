"""Inputs of the XSF protocol whose data lies elsewhere: attribute `dataSrc`."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp

from aiges_loader.calls import Datum
from aiges_loader.errors import BadInputError

LIMIT_S: Final = 30.0
"""For one download, all attempts together."""

AT_ONCE: Final = 16
"""Downloads of all calls together; more wait."""

_S3_NAMES: Final = ("access", "secret", "endpoint", "bucket", "key")


def url_of(item: Datum) -> str:
    """Return where the data of an input lies; "" if it came with the call.

    From "s3" nothing is fetched: the data is what came with the call, as upstream has it.

    Raises:
        BadInputError: It says where, but not well enough.
    """
    source = item.desc.get("dataSrc", "client")
    if source == "http":
        if url := item.desc.get("url"):
            return url
        raise BadInputError("input invalid http url")
    if source == "s3":
        if all(item.desc.get(name) for name in _S3_NAMES):
            return ""
        raise BadInputError("input invalid s3 tags")
    if source == "client":
        return ""
    raise BadInputError("input invalid data source")


class Downloads:
    """Fetches the data of inputs.

    Attributes:
        attempts: How often each is tried; may be replaced at any time.
        max_bytes: Longest data that is taken; likewise.
    """

    def __init__(self, *, attempts: int, max_bytes: int) -> None:
        """Make it; whoever does closes it."""
        self.attempts = attempts
        self.max_bytes = max_bytes
        self._places = asyncio.Semaphore(AT_ONCE)
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End the connections; nothing may be fetched afterwards."""
        if self._client is not None:
            await self._client.close()

    async def complete(self, inputs: Sequence[Datum]) -> tuple[Datum, ...]:
        """Put the data that lies elsewhere in its place; raise `BadInputError` if it cannot be."""
        urls = [url_of(item) for item in inputs]
        return tuple(
            [
                item._replace(data=await self._fetch(url)) if url else item
                for item, url in zip(inputs, urls, strict=True)
            ]
        )

    async def _fetch(self, url: str) -> bytes:
        problem = ""
        try:
            async with asyncio.timeout(LIMIT_S), self._places:
                for _ in range(self.attempts):
                    try:
                        return await self._get(url)
                    except (aiohttp.ClientError, ValueError, OSError) as error:
                        problem = str(error) or type(error).__name__
        except TimeoutError:
            problem = f"nothing within {LIMIT_S:g} s"
        raise BadInputError(f"http download fail with {problem}")

    async def _get(self, url: str) -> bytes:
        if self._client is None:
            # The limit above is for all; aiohttp's own would be a second one.
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout())
        async with self._client.get(url) as response:
            if response.status != 200:  # noqa: PLR2004
                raise _RefusedError(f"{response.status} {response.reason}")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > self.max_bytes:
                    raise _RefusedError(f"more than {self.max_bytes} bytes")
            return bytes(data)


class _RefusedError(ValueError):
    """There is an answer, but not the data."""
