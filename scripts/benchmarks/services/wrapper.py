"""The work as a wrapper: what aiges-loader runs."""

from work import WORKS, matmul_all

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import ImageBodyField, StringBodyField, WrapperBase


class UserRequest:
    """What a request may bring: one of the two."""

    text = StringBodyField(key="text", value=b"hello")
    img = ImageBodyField(key="img")


class UserResponse:
    """What an answer holds."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "svcName"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Choose the work by `[wrapper] work`."""
        self.work = WORKS[config["work"]]
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Answer one request."""
        return answer_of(self.work(reqData.list[0].data))

    def wrapperBatchExec(self, batch: list[tuple[dict[str, str], DataListCls]]) -> list[Response]:
        """Answer several requests: the work is matmul where [batch] is on."""
        return [answer_of(text) for text in matmul_all([i.list[0].data for _, i in batch])]

    def wrapperFini(self) -> int:
        """Nothing to clean up."""
        return 0


def answer_of(text: str) -> Response:
    """Make a Response that holds `text`."""
    result = ResponseData(key="result", type=DataText)
    result.setData(text.encode())
    response = Response()
    response.list = [result]
    return response
