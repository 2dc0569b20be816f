"""Sessions for session_load.py: every result says which one it is and when it was sent."""

import threading
import time

from aiges.core.types import DataContinue, DataEnd, DataText
from aiges.dto import DataListCls, Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import StringBodyField, WrapperBase


class UserRequest:
    """What a package brings: "one NUMBER", or "many COUNT"."""

    text = StringBodyField(key="text", value=b"one 0")


class UserResponse:
    """What a result holds: "NUMBER NANOSECONDS", the latter by the machine's monotonic clock."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "svcName"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Nothing to prepare."""
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Answer one request."""
        return result(0, DataEnd)

    def wrapperCreate(
        self, params: dict[str, str], sid: str, persId: int = 0, usrTag: str = ""
    ) -> SessionCreateResponse:
        """Begin a session."""
        created = SessionCreateResponse()
        created.handle = usrTag
        return created

    def wrapperWrite(self, handle: str, req: DataListCls, sid: str) -> int:
        """Answer a package with one result, or with as many as it asks for."""
        node = req.list[0]
        order, _, number = node.data.partition(b" ")
        if order == b"many":
            threading.Thread(target=flood, args=(handle, int(number)), daemon=True).start()
        else:
            last = node.status >= DataEnd
            callback(result(int(number), DataEnd if last else DataContinue), handle)
        return 0

    def wrapperDestroy(self, handle: str) -> int:
        """End a session."""
        return 0

    def wrapperFini(self) -> int:
        """Nothing to clean up."""
        return 0


def flood(handle: str, count: int) -> None:
    """Send results as fast as they are taken; end when they no longer are."""
    for number in range(count):
        status = DataEnd if number == count - 1 else DataContinue
        if callback(result(number, status), handle):
            return


def result(number: int, status: int) -> Response:
    """Make a result that says when it was made."""
    item = ResponseData(key="result", type=DataText, status=status)
    item.setData(b"%d %d" % (number, time.monotonic_ns()))
    response = Response()
    response.list = [item]
    return response
