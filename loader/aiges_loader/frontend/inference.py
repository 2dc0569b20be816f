"""One request for one answer, from the bytes of its body to those of the answer's."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, TypeVar

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError, DeadlineError, InternalError
from aiges_loader.frontend import codec
from aiges_loader.frontend.request_tally import NO_ANSWER, RequestTally
from aiges_wire.codes import Code

log = logging.getLogger(__name__)

T = TypeVar("T")

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

    def begin(
        self, call: Call, resolve: Callable[[Reply | CallError], None]
    ) -> Callable[[], None] | None:
        """Begin one call if it has to wait for nothing; None: it has to.

        Args:
            call: The call.
            resolve: Gets the outcome, never before this returns; must not raise.

        Returns:
            What is to be called when nobody waits for the outcome any more.
        """


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
        validate: Check requests against the wrapper's schema.
    """

    service: str
    header_pass: tuple[str, ...]
    timeout_s: float
    max_body_bytes: int
    legacy_status: bool
    restart_wait_s: float
    validate: bool


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


class HttpAnswer(NamedTuple):
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


class Started:
    """A request that is being answered.

    What can be done at once is done at once, without a task: a turn of the event loop costs as much
    as all else that happens here. Whatever has to wait gets a task.
    """

    __slots__ = ("_asked", "_done", "_expectations", "_inference", "_stop")

    def __init__(
        self, inference: "Inference", asked: Asked, body: bytes, done: Callable[[HttpAnswer], None]
    ) -> None:
        """Begin.

        Args:
            inference: Whose request it is.
            asked: The request.
            body: Its body.
            done: Gets the answer, unless `cancel` comes before; never before this returns.
        """
        self._inference = inference
        self._asked = asked
        self._done = done
        self._expectations: Mapping[str, codec.Expectation] = {}
        self._stop: Callable[[], object]
        if len(body) > CONVERTED_AT_ONCE_BYTES:
            self._in_task(inference.answer(asked, body))
            return
        try:
            request = inference.decode(body, asked)
            self._expectations = request.expectations
            begun = inference.backend.begin(request.call, self._ended)
        except CallError as error:
            self._finish_soon(inference.fail(asked, error))
        except Exception:  # a bug of ours
            log.exception("inference failed")
            self._finish_soon(inference.fail(asked, InternalError()))
        else:
            if begun is None:
                self._in_task(inference.answer_decoded(asked, request))
            else:
                self._stop = begun

    def cancel(self) -> None:
        """Stop: nobody waits for the answer any more."""
        self._done = _ignore
        self._stop()

    def _ended(self, outcome: Reply | CallError) -> None:
        """Make the answer of an outcome; a bug in that must not reach the worker's channel."""
        inference, asked = self._inference, self._asked
        self._stop = _nothing
        try:
            if isinstance(outcome, CallError):
                answer = inference.fail(asked, outcome)
            elif outcome.size > CONVERTED_AT_ONCE_BYTES:
                self._in_task(inference.encoded_in_thread(asked, outcome, self._expectations))
                return
            else:
                answer = inference.encoded(asked, outcome, self._expectations)
            self._finish(answer)
        except Exception:
            log.exception("inference failed")
            if not asked.ended:
                self._finish(inference.fail(asked, InternalError()))

    def _in_task(self, work: Coroutine[None, None, HttpAnswer]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._task_ended)
        self._stop = task.cancel

    def _task_ended(self, task: "asyncio.Task[HttpAnswer]") -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._finish(task.result())
        else:
            log.error("inference failed", exc_info=error)  # a bug of ours
            self._finish(self._inference.fail(self._asked, InternalError()))

    def _finish_soon(self, answer: HttpAnswer) -> None:
        self._stop = asyncio.get_running_loop().call_soon(self._finish, answer).cancel

    def _finish(self, answer: HttpAnswer) -> None:
        self._done(answer)


def _ignore(answer: HttpAnswer) -> None:
    """Stand for somebody who waits no more."""


def _nothing() -> None:
    """Stand for what has ended by itself."""


class Inference:
    """Answers requests for inference, and counts them.

    Attributes:
        settings: May be replaced at any time.
        inputs: Keys that come first among a request's inputs, in this order.
        check: Refuses what the wrapper's schema does not allow; None: nothing is checked.
        tally: What happened so far.
        backend: Runs the calls.
    """

    def __init__(self, backend: Backend, settings: HttpSettings) -> None:
        """Make it."""
        self.settings = settings
        self.inputs: tuple[str, ...] = ()
        self.check: codec.Check | None = None
        self.tally = RequestTally()
        self.backend = backend

    def begin(self) -> Asked:
        """Count a request whose head has come; `answer`, `fail` or `drop` follows."""
        now = time.monotonic()
        self.tally.begin()
        return Asked(new_sid(), now, now + self.settings.timeout_s)

    async def answer(self, asked: Asked, body: bytes) -> HttpAnswer:
        """Run the call that `body` asks for. The caller keeps the deadline."""
        try:
            if len(body) <= CONVERTED_AT_ONCE_BYTES:
                request = self.decode(body, asked)
            else:
                request = await _in_thread(self.decode, body, asked)
        except CallError as error:
            return self.fail(asked, error)
        return await self.answer_decoded(asked, request)

    async def answer_decoded(self, asked: Asked, request: codec.Request) -> HttpAnswer:
        """Run a call."""
        try:
            reply = await self.backend.once(request.call)
        except CallError as error:
            return self.fail(asked, error)
        if reply.size <= CONVERTED_AT_ONCE_BYTES:
            return self.encoded(asked, reply, request.expectations)
        return await self.encoded_in_thread(asked, reply, request.expectations)

    def decode(self, body: bytes, asked: Asked) -> codec.Request:
        """Read the call that a body asks for; raise `CallError`."""
        return codec.decode_request(
            body,
            sid=asked.sid,
            header_pass=self.settings.header_pass,
            declared_inputs=self.inputs,
            deadline_at=asked.deadline_at,
            check=self.check,
        )

    def encoded(
        self, asked: Asked, reply: Reply, expectations: Mapping[str, codec.Expectation]
    ) -> HttpAnswer:
        """Answer with a reply."""
        try:
            body = codec.encode_reply(reply, asked.sid, expectations)
        except CallError as error:
            return self.fail(asked, error)
        self._end(asked, Code.OK)
        return HttpAnswer(HTTPStatus.OK, body)

    async def encoded_in_thread(
        self, asked: Asked, reply: Reply, expectations: Mapping[str, codec.Expectation]
    ) -> HttpAnswer:
        """Answer with a large reply."""
        try:
            body = await _in_thread(codec.encode_reply, reply, asked.sid, expectations)
        except CallError as error:
            return self.fail(asked, error)
        self._end(asked, Code.OK)
        return HttpAnswer(HTTPStatus.OK, body)

    def fail(self, asked: Asked, error: CallError) -> HttpAnswer:
        """Answer a request that failed."""
        self._end(asked, error.code)
        return self.failure(error, asked.sid)

    def late(self, asked: Asked) -> HttpAnswer:
        """Answer a request whose deadline has passed."""
        return self.fail(asked, DeadlineError())

    def done(self, asked: Asked) -> None:
        """Count a request that has been answered well, by somebody else."""
        self._end(asked, Code.OK)

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
            hang_up=error.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )

    def _end(self, asked: Asked, code: int | str) -> None:
        asked.ended = True
        self.tally.end(code, time.monotonic() - asked.began_at)


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def new_sid() -> str:
    """Make the name of a call: a random UUID, in a third of the time that `uuid.uuid4` takes."""
    digits = os.urandom(16).hex()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
