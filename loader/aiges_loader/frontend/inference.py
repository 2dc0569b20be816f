"""One request for one answer, from the bytes of its body to those of the answer's."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import BodyTooLargeError, CallError, DeadlineError
from aiges_loader.frontend import codec
from aiges_loader.frontend.request_tally import NO_ANSWER, RequestTally
from aiges_wire.codes import Code

_VARIANTS: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}

CONVERTED_AT_ONCE_BYTES: Final = 256 << 10
"""What is larger is decoded or encoded in a thread, so that one client does not hold up others."""


class Backend(Protocol):
    """What inference needs of the pool."""

    @property
    def is_ready(self) -> bool:
        """Say whether enough workers take calls."""

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the routes need of the configuration.

    Attributes:
        service: The service's name; its route is /v1/<service>.
        header_pass: Names of request headers (members of `header`) that become params.
        timeout_s: Deadline of a call, from its request head on.
        max_body_bytes: Of one request.
        legacy_status: Answer 500 for every error, as the original does.
        restart_wait_s: How long a request waits for the first worker to come up.
    """

    service: str
    header_pass: tuple[str, ...]
    timeout_s: float
    max_body_bytes: int
    legacy_status: bool
    restart_wait_s: float


class Asked:
    """A request that has begun and is counted until it ends.

    Attributes:
        sid: Its name.
        began_at: Monotonic seconds.
        deadline_at: Likewise.
        ended: It has an answer, or needs none any more.
    """

    __slots__ = ("began_at", "deadline_at", "ended", "sid")

    def __init__(self, sid: str, began_at: float, deadline_at: float) -> None:
        self.sid = sid
        self.began_at = began_at
        self.deadline_at = deadline_at
        self.ended = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a client gets: JSON.

    Attributes:
        status: Of HTTP.
        body: The JSON.
        retry: The client may come again in a moment.
        hang_up: The rest of the request is not worth reading.
    """

    status: int
    body: bytes
    retry: bool = False
    hang_up: bool = False


class Inference:
    """Answers requests for inference, and counts them.

    Attributes:
        settings: May be replaced at any time.
        inputs: Keys that come first among a request's inputs, in this order.
        tally: What happened so far.
    """

    def __init__(self, backend: Backend, settings: HttpSettings) -> None:
        """Make it."""
        self.settings = settings
        self.inputs: tuple[str, ...] = ()
        self.tally = RequestTally()
        self._backend = backend

    def begin(self) -> Asked:
        """Count a request whose head has come; `answer`, `fail` or `drop` follows."""
        now = time.monotonic()
        self.tally.begin()
        return Asked(new_sid(), now, now + self.settings.timeout_s)

    async def answer(self, asked: Asked, body: bytes) -> HttpAnswer:
        """Run the call that `body` asks for. The caller keeps the deadline."""
        try:
            request = await self._decode(body, asked)
            reply = await self._backend.once(request.call)
            encoded = await self._encode(reply, asked.sid, request.expectations)
        except CallError as error:
            return self.fail(asked, error)
        self._end(asked, Code.OK)
        return HttpAnswer(HTTPStatus.OK, encoded)

    def fail(self, asked: Asked, error: CallError) -> HttpAnswer:
        """Answer a request that failed."""
        self._end(asked, error.code)
        return self.failure(error, asked.sid)

    def late(self, asked: Asked) -> HttpAnswer:
        """Answer a request whose deadline has passed."""
        return self.fail(asked, DeadlineError())

    def drop(self, asked: Asked) -> None:
        """Count a request that gets no answer, because its client has gone; nothing if it has."""
        if not asked.ended:
            self._end(asked, NO_ANSWER)

    def failure(self, error: CallError, sid: str) -> HttpAnswer:
        """Say what a client gets for an error."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR if self.settings.legacy_status else error.status
        return HttpAnswer(
            status,
            codec.encode_error(error, sid),
            retry=error.status is HTTPStatus.SERVICE_UNAVAILABLE,
            hang_up=isinstance(error, BodyTooLargeError),
        )

    def _end(self, asked: Asked, code: int | str) -> None:
        asked.ended = True
        self.tally.end(code, time.monotonic() - asked.began_at)

    async def _decode(self, body: bytes, asked: Asked) -> codec.Request:
        decode = partial(
            codec.decode_request,
            body,
            sid=asked.sid,
            header_pass=self.settings.header_pass,
            declared_inputs=self.inputs,
            deadline_at=asked.deadline_at,
        )
        if len(body) <= CONVERTED_AT_ONCE_BYTES:
            return decode()
        return await asyncio.get_running_loop().run_in_executor(None, decode)

    async def _encode(
        self, reply: Reply, sid: str, expectations: Mapping[str, codec.Expectation]
    ) -> bytes:
        size = 0
        for output in reply.outputs:
            size += len(output.data)
        if size <= CONVERTED_AT_ONCE_BYTES:
            return codec.encode_reply(reply, sid, expectations)
        encode = partial(codec.encode_reply, reply, sid, expectations)
        return await asyncio.get_running_loop().run_in_executor(None, encode)


def new_sid() -> str:
    """Make the name of a call: a random UUID, in a third of the time that `uuid.uuid4` takes."""
    digits = os.urandom(16).hex()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
