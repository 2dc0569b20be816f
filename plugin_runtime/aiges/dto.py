"""What passes between the runtime and a wrapper: requests, replies, and `callback`."""

import json
import logging
import queue
from collections.abc import Mapping
from types import MappingProxyType

from aiges._runtime import results
from aiges._runtime.usage import usage
from aiges.core.types import (
    AUDIO,
    IMAGE,
    PROCESS_MODE,
    STRING,
    THREAD_MODE,
    VIDEO,
    DataAudio,
    DataBegin,
    DataContinue,
    DataEnd,
    DataImage,
    DataOnce,
    DataText,
    DataVideo,
    Once,
    Status,
    Types,
)

__all__ = [
    "AUDIO",
    "IMAGE",
    "PROCESS_MODE",
    "STRING",
    "THREAD_MODE",
    "VIDEO",
    "DataAudio",
    "DataBegin",
    "DataContinue",
    "DataEnd",
    "DataImage",
    "DataListCls",
    "DataListNode",
    "DataOnce",
    "DataText",
    "DataVideo",
    "Once",
    "Response",
    "ResponseData",
    "SessionCreateResponse",
    "Status",
    "Types",
    "callback",
    "callback_metric",
    "callback_metric_ex",
    "callback_trace",
    "init_rq",
]

_metrics_log = logging.getLogger("aiges.metrics")

result_Queue: "queue.Queue[Response] | None" = None
"""Where `callback` puts results while nothing hosts the wrapper; `init_rq` makes it."""


class DataListNode:
    """One input of a request.

    Attributes:
        key: Name of the input.
        data: Its content, decoded.
        len: Size of `data` in bytes.
        type: DataText, DataAudio, DataImage or DataVideo.
        status: DataBegin, DataContinue, DataEnd or Once.
        desc: The client's attributes of this input, such as encoding.
    """

    def __init__(self) -> None:
        self.key = ""
        self.data = b""
        self.len = 0
        self.type = DataText
        self.status = Once
        self.desc: dict[str, str] = {}

    def get_data(self) -> bytes:
        """Return `data`."""
        return self.data

    def __repr__(self) -> str:
        return (
            f"DataListNode(key={self.key!r}, type={self.type}, status={self.status}, "
            f"len={self.len})"
        )


class DataListCls:
    """The inputs of a request, in the order of the request.

    Attributes:
        list: The inputs.
    """

    def __init__(self) -> None:
        self.list: list[DataListNode] = []

    def get(self, key: str) -> DataListNode | None:
        """Return the first input called `key`, or None."""
        return next((node for node in self.list if node.key == key), None)

    def __repr__(self) -> str:
        return f"DataListCls({self.list!r})"


class ResponseData:
    """One output of a reply. Every attribute may be assigned.

    Attributes:
        key: Name of the output.
        data: Its content; text is sent as UTF-8.
        len: Size of `data`. What is sent is measured again.
        type: DataText, DataAudio, DataImage or DataVideo.
        status: DataBegin, DataContinue, DataEnd or Once.
        desc: Attributes that a session's client gets beside it, such as encoding.
    """

    desc: Mapping[str, str] = MappingProxyType({})

    def __init__(  # noqa: PLR0913 - contract
        self,
        key: str = "",
        data: bytes | bytearray | memoryview | str = b"",
        length: int = 0,
        type: int = DataText,  # noqa: A002 - wrappers pass it by this name
        status: int = Once,
        *,
        len: int = 0,  # noqa: A002 - the other name of `length`
    ) -> None:
        self.key = key
        self.data: bytes | bytearray | memoryview | str
        self.len: int
        self.setData(data)
        if length or len:
            self.len = length or len
        self.type = type
        self.status = status

    def setData(self, data: bytes | bytearray | memoryview | str) -> None:
        """Take `data`, text as UTF-8, and measure it in bytes.

        Raises:
            TypeError: It is neither text nor bytes.
        """
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")  # models may give half a character
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"setData needs bytes or str, got {type(data).__name__}")
        self.data = data
        self.len = data.nbytes if isinstance(data, memoryview) else len(data)

    def setDataType(self, data_type: int) -> None:
        """Set `type`; raise ValueError unless it is one of the four numbers."""
        if data_type not in Types:
            raise ValueError(
                f"Please specify the correct data type: one of {sorted(Types)}, not {data_type!r}"
            )
        self.type = data_type

    def toJSON(self) -> str:
        """Write the attributes as JSON; bytes become text, for reading rather than for sending."""
        return _to_json(self)

    def __repr__(self) -> str:
        return (
            f"ResponseData(key={self.key!r}, type={self.type}, status={self.status}, "
            f"len={self.len})"
        )


_Outputs = list[ResponseData]  # inside Response, `list` is an argument


class Response:
    """A reply: outputs, or an error code, in which case the outputs do not count.

    Attributes:
        list: The outputs; a new reply has one, empty.
        error_code: 0, or the number that `wrapperError` has a text for.
        error_text: What the client gets beside the code, in place of `wrapperError`'s text.
    """

    error_text: str = ""

    def __init__(self, list: _Outputs | None = None) -> None:  # noqa: A002 - wrappers use it
        self.list: _Outputs = [ResponseData()] if list is None else list
        self.error_code = 0

    def response_err(self, error_code: int, text: str = "") -> "Response":
        """Turn this reply into an error, and return it.

        Args:
            error_code: Any number but 0.
            text: For the client; "" is the text that `wrapperError` has for the code.
        """
        self.error_code = error_code
        if text:
            self.error_text = text
        return self

    def toJSON(self) -> str:
        """Write the reply as JSON; bytes become text, for reading rather than for sending."""
        return _to_json(self)

    def __repr__(self) -> str:
        return f"Response(error_code={self.error_code}, list={self.list!r})"


class SessionCreateResponse:
    """What `wrapperCreate` returns.

    Attributes:
        handle: The wrapper's own name for the session, given back to its other methods.
        error_code: 0, or the number that `wrapperError` has a text for.
    """

    def __init__(self) -> None:
        self.handle = ""
        self.error_code = 0

    def toJSON(self) -> str:
        """Write the attributes as JSON."""
        return _to_json(self)


def init_rq() -> "queue.Queue[Response]":
    """Make the queue that `callback` fills while nothing hosts the wrapper, and return it."""
    global result_Queue  # noqa: PLW0603 - the name is contract
    result_Queue = queue.Queue()
    return result_Queue


def callback(response: Response, sid: str) -> int:
    """Send a result to the client, from any thread.

    Args:
        response: The result.
        sid: The usrTag or the sid of the request; either will do.

    Returns:
        0 if the result was taken.

    Raises:
        RuntimeError: Nothing hosts the wrapper, and `init_rq` was not called.
    """
    if results.connected():
        return results.push(response, sid)
    if result_Queue is None:
        raise RuntimeError("callback outside a worker needs init_rq() to be called first")
    for item in response.list:
        kind, status = Types.get(item.type, item.type), Status.get(item.status, item.status)
        print(f"callback sid={sid} key={item.key} len={item.len} type={kind} status={status}")
    result_Queue.put(response)
    return 0


def callback_metric(usrTag: str, meterKey: str, count: int) -> int:
    """Report that a request used `count` of `meterKey`, at least 0.

    The sum for each key is the metric `aiges_used_total`; the report is logged at level DEBUG.
    """
    usage.count(meterKey, count)
    _metrics_log.debug("metric tag=%s key=%s count=%s", usrTag, meterKey, count)
    return 0


def callback_metric_ex(usrTag: str, appId: str, channel: str, key: str, count: int) -> int:
    """Report usage on behalf of an application and channel; see `callback_metric`."""
    usage.count(key, count)
    _metrics_log.debug(
        "metric tag=%s app=%s channel=%s key=%s count=%s", usrTag, appId, channel, key, count
    )
    return 0


def callback_trace(usrTag: str, key: str, value: str) -> int:
    """Add a fact to the trace of a request. It is logged, at level DEBUG."""
    _metrics_log.debug("trace tag=%s key=%s value=%s", usrTag, key, value)
    return 0


def _to_json(value: object) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return vars(value)
