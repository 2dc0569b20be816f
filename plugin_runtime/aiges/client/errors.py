"""What can go wrong with a call or a stream: one class for each thing a caller can do about it."""

from collections.abc import Mapping
from typing import ClassVar, Final

from aiges_wire.codes import Code


class ClientError(Exception):
    """A call or stream failed.

    Attributes:
        message: What happened, in words.
        code: The service's number for it; 0 if the service did not say anything.
        sid: The service's name for the call; "" if it has none.
        can_retry: The same call may go well if it is made again, at once or a little later.
        may_have_run: The wrapper may have done its work, or a part of it: try again only if that
            may be done twice.
    """

    can_retry: ClassVar[bool] = False
    may_have_run: ClassVar[bool] = False

    def __init__(self, message: str, *, code: int = 0, sid: str = "") -> None:
        told = f" (code {code})" if code else ""
        super().__init__(f"{message}{told}")
        self.message = message
        self.code = code
        self.sid = sid


class UnreachableError(ClientError):
    """There is no connection to the service; nothing was begun."""

    can_retry = True


class ConnectionLostError(ClientError):
    """The connection ended before the answer, or the last result, had come."""

    can_retry = True
    may_have_run = True


class AnswerTimeoutError(ClientError, TimeoutError):
    """The client has waited as long as it was told to."""

    can_retry = True
    may_have_run = True


class UnexpectedAnswerError(ClientError):
    """What came back is not of the protocol: perhaps this is another service, or another route."""


class ServiceError(ClientError):
    """The service answered with a code other than 0."""


class RefusedRequestError(ServiceError):
    """The request is not as the service wants it; it will be refused again."""


class BusyError(ServiceError):
    """All licences are taken, or no worker is ready; nothing was begun."""

    can_retry = True


class ServiceTimeoutError(ServiceError):
    """The service gave up: the call's deadline, or the session's longest life, has passed."""

    can_retry = True
    may_have_run = True


class WorkerDiedError(ServiceError):
    """The worker died during the call; another one takes its place."""

    can_retry = True
    may_have_run = True


class SessionEndedError(ServiceError):
    """The session has ended, has expired, or never was."""


class BadOutputError(ServiceError):
    """The wrapper produced an output that the call does not expect, or one of another type."""

    may_have_run = True


class WrapperError(ServiceError):
    """The wrapper answered with a code of its own, or raised an exception (code 30003)."""

    may_have_run = True


_CLASSES: Final[Mapping[int, type[ServiceError]]] = {
    Code.BAD_REQUEST: RefusedRequestError,
    Code.BAD_PAYLOAD: RefusedRequestError,
    Code.BAD_OPERATION: RefusedRequestError,
    Code.NO_INPUT: RefusedRequestError,
    Code.BAD_FRAME: RefusedRequestError,
    Code.BAD_MESSAGE: RefusedRequestError,
    Code.NO_LICENCE: BusyError,
    Code.TIMEOUT: ServiceTimeoutError,
    Code.SESSION_TIMEOUT: ServiceTimeoutError,
    Code.WORKER_DIED: WorkerDiedError,
    Code.ENDED_HANDLE: SessionEndedError,
    Code.UNKNOWN_HANDLE: SessionEndedError,
    Code.BAD_OUTPUT: BadOutputError,
}


def service_error(code: int, message: str, sid: str) -> ServiceError:
    """Make the error that stands for a code of the service; any other number is the wrapper's."""
    return _CLASSES.get(code, WrapperError)(message, code=code, sid=sid)
