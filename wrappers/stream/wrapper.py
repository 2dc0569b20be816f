"""Text that comes back piece by piece: several results for one input, as a language model gives.

`wrapperStream` is a generator; the runtime keeps what it needs of the session. The same with
callbacks, as older wrappers have it and hosts of old ask for it, takes three methods and a thread:

    def wrapperCreate(self, params, sid, persId=0, usrTag=""):
        created = SessionCreateResponse()
        created.handle = usrTag
        return created

    def wrapperWrite(self, handle, reqData):
        text = reqData.get("text").data.decode("utf-8", "replace")
        threading.Thread(target=self.answer, args=(handle, text), daemon=True).start()
        return 0  # at once: the next input, and wrapperDestroy, wait for this method

    def answer(self, handle, text):
        for piece in pieces(text):
            callback(response_of(piece, DataContinue), handle)  # of aiges.dto, from any thread
        callback(response_of("", DataEnd), handle)  # here the wrapper must say what is the last

    def wrapperDestroy(self, handle):
        return 0
"""

import re
import time
from collections.abc import Iterator

from aiges.core.types import DataText, Once
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import IntegerParamField, StringBodyField, WrapperBase

LONGEST_PAUSE_MS = 1000
BAD_PAUSE = 101


class UserRequest:
    """What a request brings."""

    pause = IntegerParamField(key="pause", minimum=0, maximum=LONGEST_PAUSE_MS, value=50)
    text = StringBodyField(
        key="text", value="Every word is a result of its own. 每个字都是一个结果。".encode()
    )


class UserResponse:
    """What an answer holds."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "stream"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Prepare; 0 says that all is well."""
        return 0

    def wrapperStream(
        self, params: dict[str, str], inputs: Iterator[DataListCls]
    ) -> Iterator[Response]:
        """Serve one session: yield results while inputs come."""
        pause_ms = str(params.get("pause", 50))
        if not pause_ms.isdecimal() or int(pause_ms) > LONGEST_PAUSE_MS:
            yield Response().response_err(BAD_PAUSE)
            return
        for package in inputs:
            node = package.get("text")
            for piece in pieces(node.data.decode("utf-8", "replace") if node else ""):
                time.sleep(int(pause_ms) / 1000)  # a model would work on the next piece here
                yield response_of(piece)

    def wrapperError(self, ret: int) -> str:
        """Say what an error code means."""
        return f"pause is 0 to {LONGEST_PAUSE_MS} milliseconds" if ret == BAD_PAUSE else ""

    def wrapperFini(self) -> int:
        """Clean up."""
        return 0


def pieces(text: str) -> list[str]:
    """Split text into words, each with the space behind it, and Chinese characters."""
    return re.findall(r"[\u4e00-\u9fff]\s*|[^\s\u4e00-\u9fff]+\s*|\s+", text) or [""]


def response_of(piece: str, status: int = Once) -> Response:
    """Make a result of one piece; of a generator's, Once says that the runtime knows better."""
    result = ResponseData(key="result", type=DataText, status=status)
    result.setData(piece)
    response = Response()
    response.list = [result]
    return response


if __name__ == "__main__":
    Wrapper().run(stream=True)
