"""Echo: what comes as text goes back as text."""

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase


class UserRequest:
    """What a request brings."""

    text = StringBodyField(key="text", value=b"hello")


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
        """Prepare; 0 says that all is well."""
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Answer one request."""
        node = reqData.get("text")
        result = ResponseData(key="result", type=DataText)
        result.setData(node.data if node else b"")
        response = Response()
        response.list = [result]
        return response

    def wrapperFini(self) -> int:
        """Clean up."""
        return 0


if __name__ == "__main__":
    Wrapper().run()
