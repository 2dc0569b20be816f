"""Every error a caller can receive: a class fixes the code on the wire and the HTTP status."""

from http import HTTPStatus

from aiges_wire.codes import Code


class CallError(Exception):
    """A call that failed for a reason its caller may see. `str(error)` is the message."""

    code: int
    status: HTTPStatus


class BadRequestError(CallError):
    """The body is not a request: malformed JSON, or a part of the wrong kind."""

    code = Code.BAD_REQUEST
    status = HTTPStatus.BAD_REQUEST


class BodyTooLargeError(CallError):
    """The body is longer than `[http] maxBodyMb`, or than what the worker takes."""

    code = Code.BAD_REQUEST
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit: str) -> None:
        super().__init__(f"request body too large: {limit}")


class BadPayloadError(CallError):
    """A payload's data cannot be decoded."""

    code = Code.BAD_PAYLOAD
    status = HTTPStatus.BAD_REQUEST


class NoInputError(CallError):
    """The request has no payload."""

    code = Code.NO_INPUT
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("input invalid data")


class NoLicenceError(CallError):
    """All `[fc] max` licences are taken; nothing was begun, so the call may be tried again."""

    code = Code.NO_LICENCE
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("service license not enough")


class NoWorkerError(CallError):
    """No worker can take the call; nothing was begun, so it may be tried again elsewhere."""

    code = Code.NO_LICENCE
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str) -> None:
        super().__init__(f"no worker is ready: {reason}")


class NoWorkerYetError(NoWorkerError):
    """None became free or ready in the time that a call may wait for one."""


class DeadlineError(CallError):
    """No answer within the call's deadline."""

    code = Code.TIMEOUT
    status = HTTPStatus.GATEWAY_TIMEOUT

    def __init__(self) -> None:
        super().__init__("service exec once request timeout")


class WorkerDiedError(CallError):
    """The worker died during the call, which may or may not have done its work."""

    code = Code.WORKER_DIED
    status = HTTPStatus.BAD_GATEWAY

    def __init__(self, reason: str) -> None:
        super().__init__(f"the worker died during the call: {reason}")


class BadOutputError(CallError):
    """The wrapper produced an output that the request does not expect, or of another type."""

    code = Code.BAD_OUTPUT
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class WrapperFailedError(CallError):
    """The wrapper raised, or returned something that is no answer."""

    code = Code.EXEC_FAILED
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class WrapperError(CallError):
    """The wrapper answered with an error code of its own."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class InternalError(CallError):
    """A bug of ours; the log has it."""

    code = Code.EXEC_FAILED
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("internal error; the log says more")
