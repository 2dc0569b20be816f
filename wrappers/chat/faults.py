"""What can go wrong, by the code that clients get."""

from enum import IntEnum


class Fault(IntEnum):
    """The codes of this wrapper; `TEXTS` has their words."""

    BAD_MESSAGES = 101
    BAD_PARAMETER = 102
    UNREACHABLE = 111
    NOT_ALLOWED = 112
    TOO_MANY_REQUESTS = 113
    REFUSED = 114
    FAILED = 115
    TOO_SLOW = 116
    BROKEN = 117
    BUSY = 118
    CANCELLED = 119
    INTERNAL = 120


TEXTS = {
    Fault.BAD_MESSAGES: "messages is no JSON list of objects with a role, or is over 1 MiB",
    Fault.BAD_PARAMETER: "temperature is 0 to 2, max_tokens a whole number from 1",
    Fault.UNREACHABLE: "the chat endpoint cannot be reached",
    Fault.NOT_ALLOWED: "the chat endpoint does not accept the service's key",
    Fault.TOO_MANY_REQUESTS: "the chat endpoint takes no more requests for now",
    Fault.REFUSED: "the chat endpoint refuses the request",
    Fault.FAILED: "the chat endpoint failed",
    Fault.TOO_SLOW: "the chat endpoint does not answer in time",
    Fault.BROKEN: "the chat endpoint's answer broke off, or cannot be read",
    Fault.BUSY: "too many chats at the same time",
    Fault.CANCELLED: "nobody waits for the answer any more",
    Fault.INTERNAL: "the service itself failed; its log says how",
}


class ChatError(Exception):
    """A chat cannot go on; the message is for the log, the fault for the client."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class TryAgainError(ChatError):
    """The same request may go well later: nothing of an answer has come.

    Attributes:
        after_s: How long the endpoint wants to be left alone; None if it does not say.
    """

    def __init__(self, fault: Fault, message: str, after_s: float | None = None) -> None:
        super().__init__(fault, message)
        self.after_s = after_s
