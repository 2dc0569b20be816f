"""PROJECT_NAME：逐词描述一张 PNG 图片。 / Describes a PNG picture, word by word."""

import time
from collections.abc import Iterator
from pathlib import Path

from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import ImageBodyField, IntegerParamField, StringBodyField, WrapperBase

HERE = Path(__file__).resolve().parent

NO_PICTURE = 101


class UserRequest:
    """请求的参数和输入，以及测试值。 / Parameters and inputs, each with a value to test with."""

    pause = IntegerParamField(key="pause", minimum=0, maximum=1000, value=50)
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
        return 0

    def wrapperStream(
        self, params: dict[str, str], inputs: Iterator[DataListCls]
    ) -> Iterator[Response]:
        """服务一个会话：每个 yield 是一个结果。 / Serve one session: each yield is a result."""
        for request in inputs:  # 客户端每发一次 / each time that the client sends something
            picture = request.get("img")
            size = size_of(picture.data) if picture else None
            if size is None:
                yield Response().response_err(NO_PICTURE)
                return
            for word in describe(*size).split(" "):
                time.sleep(int(params.get("pause", 50)) / 1000)  # 模型的工作 / a model would work
                yield answer(f"{word} ")

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """不要流的客户端得到完整的句子。 / Clients that want no stream get the whole sentence."""
        results = list(self.wrapperStream(params, iter([reqData])))
        if results[-1].error_code:
            return results[-1]
        return answer("".join(bytes(result.list[0].data).decode() for result in results).strip())

    def wrapperError(self, ret: int) -> str:
        """错误码的文字，客户端会收到。 / What an error code means; clients get it."""
        return "img is not a PNG picture" if ret == NO_PICTURE else ""

    def wrapperFini(self) -> int:
        """释放 wrapperInit 占用的资源。 / Release what wrapperInit took."""
        return 0


def describe(width: int, height: int) -> str:
    """用一句话描述。 / Describe it in a sentence."""
    shape = "wide" if width > height else "high" if height > width else "square"
    return f"A {shape} picture of {width} by {height} pixels."


def answer(text: str) -> Response:
    """把文字放进 Response。 / Put text into a Response."""
    return Response([ResponseData(key="result", data=text)])


def size_of(png: bytes) -> tuple[int, int] | None:
    """返回宽和高，不是 PNG 则返回 None。 / Return width and height; None if it is no PNG."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") or len(png) < 24:
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


if __name__ == "__main__":
    Wrapper().run(stream=True)
