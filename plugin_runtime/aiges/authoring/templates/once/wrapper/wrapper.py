"""PROJECT_NAME：说出一张 PNG 图片有多大。 / Says how large a PNG picture is."""

from pathlib import Path

from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import ImageBodyField, StringBodyField, StringParamField, WrapperBase

HERE = Path(__file__).resolve().parent

NO_PICTURE = 101


class UserRequest:
    """请求的参数和输入，以及测试值。 / Parameters and inputs, each with a value to test with."""

    language = StringParamField(key="language", enums=["en", "zh"], value="en")
    img = ImageBodyField(key="img", path=str(HERE / "test_data" / "test.png"), encoding="png")


class UserResponse:
    """回答的输出。 / The outputs of an answer."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """能力本身。 / The capability."""

    serviceId = "PROJECT_NAME"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """在这里加载模型；0 表示成功。 / Load the model here; 0 says that all is well."""
        self.sentences = {"en": "{} pixels wide, {} high", "zh": "宽 {} 像素，高 {} 像素"}
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """回答一个请求；多个线程可能同时调用。 / Answer one request; several may run at once."""
        picture = reqData.get("img")
        size = size_of(picture.data) if picture else None
        if size is None:
            return Response().response_err(NO_PICTURE)
        sentence = self.sentences[params.get("language", "en")]
        return Response([ResponseData(key="result", data=sentence.format(*size))])

    def wrapperError(self, ret: int) -> str:
        """错误码的文字，客户端会收到。 / What an error code means; clients get it."""
        return "img is not a PNG picture" if ret == NO_PICTURE else ""

    def wrapperFini(self) -> int:
        """释放 wrapperInit 占用的资源。 / Release what wrapperInit took."""
        return 0


def size_of(png: bytes) -> tuple[int, int] | None:
    """返回宽和高，不是 PNG 则返回 None。 / Return width and height; None if it is no PNG."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") or len(png) < 24:
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


if __name__ == "__main__":
    Wrapper().run()
