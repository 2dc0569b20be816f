"""The numbers both sides put on the wire. Never renumbered, never reused."""

from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """`code` of an answer: the service's own errors are 10000.., a worker's are 30001.. .

    A wrapper's own codes, any other number, travel beside these.
    """

    OK = 0
    BAD_REQUEST = 10000  # the body is not the JSON we expect
    BAD_PAYLOAD = 10001  # a payload's data cannot be decoded
    BAD_OPERATION = 10003
    UNKNOWN_HANDLE = 10008  # of a session that never was, or has expired
    NO_INPUT = 10009
    ENDED_HANDLE = 10101  # of a session that has ended, or was dropped
    TIMEOUT = 10102
    BAD_OUTPUT = 10106  # the wrapper produced what the request does not expect
    BAD_VALUE = 10107  # a value is none of those that the wrapper declares
    WORKER_DIED = 10109
    NO_LICENCE = 10110  # all licences taken, or no worker to take the call: try elsewhere, or later

    SESSION_TIMEOUT = 10114  # a WebSocket session is older than it may be
    BAD_FRAME = 10163  # a WebSocket message is not the JSON we expect
    BAD_MESSAGE = 10401  # the data of a gRPC call is no LoaderInput

    LOAD_FAILED = 10903  # the step that failed; the worker's own code stands beside
    UNLOAD_FAILED = 10904
    CREATE_FAILED = 10905
    WRITE_FAILED = 10907
    READ_FAILED = 10908
    CALL_FAILED = 10909
    RESULT_FAILED = 10910

    INIT_FAILED = 30001  # the wrapper cannot be loaded, or raised while it was
    INIT_REFUSED = 30002  # wrapperInit returned something other than 0
    EXEC_FAILED = 30003  # the wrapper raised, or returned something that is no answer


class DataType(IntEnum):
    """What a piece of data is; `RequestData.type`."""

    TEXT = 0
    AUDIO = 1
    IMAGE = 2
    VIDEO = 3
    OTHER = 4


class DataStatus(IntEnum):
    """Where in its stream a piece of data stands; `RequestData.status`."""

    BEGIN = 0
    CONTINUE = 1
    END = 2
    ONCE = 3


RESOURCE_PARAM: Final = "patch_id"
"""Param of a request, and attribute of a resource, that is the id of a resource."""

WRAPPER_ERROR_KEY: Final = "aiges.error"
"""Key of the one item that carries an error's text in a Response whose `ret` is not 0.

Peers of version 1 ignore the list of such a Response, so the text is ours to send.
"""

BEGUN_METADATA_KEY: Final = "aiges-begun"
"""gRPC initial metadata of our worker, with any value.

On `communicate` it says: I tell when a call begins. On `wrapperOnceExec`: this one begins now. A
call that a dying worker had not begun can be given to another.
"""

ERROR_METADATA_KEY: Final = "aiges-error-bin"
"""gRPC trailing metadata of our worker: the text, in UTF-8, beside a code that is not 0."""
