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


class BadValueError(CallError):
    """The request has a value that the wrapper's schema does not allow, or lacks one."""

    code = Code.BAD_VALUE
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

    def __init__(self, text: str = "service license not enough") -> None:
        super().__init__(text)


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
    """The wrapper raised, or returned something that is no answer.

    Attributes:
        step: See `SessionStepError`.
    """

    code = Code.EXEC_FAILED
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    step = Code.RESULT_FAILED


class WrapperError(CallError):
    """The wrapper answered with an error code of its own.

    Attributes:
        step: See `SessionStepError`.
    """

    step = Code.RESULT_FAILED

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.status = _status_of(code)


class SessionStepError(CallError):
    """A step of a session failed in the wrapper, which said so with a code of its own, or raised.

    Attributes:
        step: The service's number for the step: CREATE_FAILED, WRITE_FAILED, ...
    """

    def __init__(self, step: Code, code: int, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.code = code
        self.status = _status_of(code)


class ResourceError(CallError):
    """A worker did not load or unload a resource.

    Attributes:
        step: LOAD_FAILED or UNLOAD_FAILED.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, step: Code, code: int, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.code = code


class NoResourcesError(CallError):
    """The worker speaks a protocol that has no resources."""

    code = Code.BAD_OPERATION
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("a worker that speaks version 1 of the worker protocol has no resources")


class ResourceLimitError(CallError):
    """There would be too many resources, or they would be too large together."""

    code = Code.NO_INPUT
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, resource_id: str, problem: str) -> None:
        super().__init__(f"resource {resource_id} is not loaded: {problem}")


def _status_of(code: int) -> HTTPStatus:
    """Return the status for a wrapper's code: its own failure, unless it says a value was bad."""
    is_bad_value = code == Code.BAD_VALUE
    return HTTPStatus.BAD_REQUEST if is_bad_value else HTTPStatus.INTERNAL_SERVER_ERROR


class UnknownHandleError(CallError):
    """There is no such session, and of late there was none, or it has expired."""

    code = Code.UNKNOWN_HANDLE
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("service instance invalid")


class EndedHandleError(CallError):
    """The session has ended, or was dropped."""

    code = Code.ENDED_HANDLE
    status = HTTPStatus.GONE

    def __init__(self, reason: str = "service instance inactive, already release") -> None:
        super().__init__(reason)


class HandleTakenError(CallError):
    """A session of that name lives; begin another, or go on with this one."""

    code = Code.NO_LICENCE
    status = HTTPStatus.CONFLICT

    def __init__(self, handle: str) -> None:
        super().__init__(f"handle:{handle} is already stored")


class SessionTimeoutError(CallError):
    """A session is older than it may be."""

    code = Code.SESSION_TIMEOUT
    status = HTTPStatus.GATEWAY_TIMEOUT

    def __init__(self) -> None:
        super().__init__("session timeout")


class BadFrameError(CallError):
    """A message of a session is not the JSON that we expect."""

    code = Code.BAD_FRAME
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("parse request json error")


class InternalError(CallError):
    """A bug of ours; the log has it."""

    code = Code.EXEC_FAILED
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("internal error; the log says more")


class BadMessageError(CallError):
    """The data of a gRPC call is no LoaderInput."""

    code = Code.BAD_MESSAGE
    status = HTTPStatus.BAD_REQUEST


class BadOperationError(CallError):
    """A gRPC call asks for an operation that there is not."""

    code = Code.BAD_OPERATION
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("invalid service operation")


class BadInputError(CallError):
    """An input does not say what it is, or its data cannot be fetched."""

    code = Code.NO_INPUT
    status = HTTPStatus.BAD_REQUEST


class BadDownMethodError(CallError):
    """The answer shall go to a queue, and there is none."""

    code = Code.BAD_OUTPUT  # one number for both, as upstream has it
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("invalid downMethod")
