"""Sessions for clients that speak plain HTTP: one request, its results as server-sent events."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from aiges_loader.errors import CallError, NoInputError, SessionTimeoutError
from aiges_loader.frontend.session_frames import ResultWriter, error_frame
from aiges_loader.frontend.ws_api import SessionApi
from aiges_loader.sessions.session import Result, Session
from aiges_wire.codes import DataStatus

FIRST_RESULT_S: Final = 1.0
"""So long an error can still be an HTTP status; then the answer begins, without a result."""

COMMENT_S: Final = 15.0
"""How often a client that waits is told that we are there."""

MEDIA_TYPE: Final = "text/event-stream"

log = logging.getLogger(__name__)


def is_wanted(request: web.BaseRequest) -> bool:
    """Say whether a client asks for events."""
    return MEDIA_TYPE in request.headers.get("Accept", "").lower()


async def serve(
    api: SessionApi, request: web.BaseRequest, body: bytes, sid: str, fields: Mapping[str, str]
) -> web.StreamResponse:
    """Open a session with the inputs of `body`, and send each of its results as an event.

    An event's data is what a WebSocket client would get as a frame; an error that comes later than
    the first result is an event called "error", and the last.

    Args:
        api: The sessions.
        request: What is answered.
        body: Its body, the first and only message of the session.
        sid: Names the session.
        fields: Header fields of the answer.

    Raises:
        CallError: The session cannot be opened, or fails before it has a result.
    """
    frame = api.described.first_frame(body)
    if not frame.inputs:
        raise NoInputError
    until = asyncio.get_running_loop().time() + api.settings.session_timeout_s
    writer = ResultWriter(sid, frame.expectations, api.described.attribute_kinds)
    session = await api.open(sid, frame, base=1)
    try:
        # Nothing follows: whatever the client says of their status, these inputs are complete.
        complete = [datum._replace(status=DataStatus.ONCE) for datum in frame.inputs]
        await session.write(1, complete)
        first = await session.read(FIRST_RESULT_S)
        data = writer.result(first) if first is not None else b""
        response = web.StreamResponse(
            headers={**fields, "Content-Type": MEDIA_TYPE, "Cache-Control": "no-cache"}
        )
        response.force_close()
        await response.prepare(request)
        if first is not None:
            await response.write(_event(data))
        if first is None or not first.is_last:
            await _send_rest(session, writer, response, sid, until)
        await response.write_eof()
        return response
    finally:
        session.abort()


async def _send_rest(
    session: Session, writer: ResultWriter, response: web.StreamResponse, sid: str, until: float
) -> None:
    loop = asyncio.get_running_loop()
    result: Result | None = None
    try:
        while result is None or not result.is_last:
            left = until - loop.time()
            if left <= 0:
                raise SessionTimeoutError
            result = await session.read(min(COMMENT_S, left))
            await response.write(b":\n\n" if result is None else _event(writer.result(result)))
    except CallError as error:
        await response.write(b"event: error\n" + _event(error_frame(error, sid)))


def _event(data: bytes) -> bytes:
    """Write an event; JSON on one line needs no care for line ends."""
    return b"data: " + data + b"\n\n"
