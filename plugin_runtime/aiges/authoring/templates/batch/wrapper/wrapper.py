"""PROJECT_NAME：说出 PNG 图片有多大，一次多张。 / Says how large PNG pictures are, many at once.

aiges.toml 的 [batch] maxSize 决定一次最多几个请求： / So many requests at most come together:

    AIGES__BATCH__MAXSIZE=8 aiges run
"""

from pathlib import Path

from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import ImageBodyField, StringBodyField, WrapperBase

HERE = Path(__file__).resolve().parent

NO_PICTURE = 101


class UserRequest:
    """请求的参数和输入，以及测试值。 / Parameters and inputs, each with a value to test with."""

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

    def wrapperBatchExec(self, batch: list[tuple[dict[str, str], DataListCls]]) -> list[Response]:
        """回答若干请求，顺序不变。 / Answer several requests, in their order.

        模型在这里一次处理全部图片。 / A model would take all pictures in one go here.
        """
        pictures = [inputs.get("img") for _, inputs in batch]
        sizes = [size_of(picture.data) if picture else None for picture in pictures]
        return [answer(size) for size in sizes]

    def wrapperError(self, ret: int) -> str:
        """错误码的文字，客户端会收到。 / What an error code means; clients get it."""
        return "img is not a PNG picture" if ret == NO_PICTURE else ""

    def wrapperFini(self) -> int:
        """释放 wrapperInit 占用的资源。 / Release what wrapperInit took."""
        return 0


def answer(size: tuple[int, int] | None) -> Response:
    """回答一个请求；出错只影响它自己。 / Answer one request; an error is its own only."""
    if size is None:
        return Response().response_err(NO_PICTURE)
    width, height = size
    return Response([ResponseData(key="result", data=f"{width} by {height} pixels")])


def size_of(png: bytes) -> tuple[int, int] | None:
    """返回宽和高，不是 PNG 则返回 None。 / Return width and height; None if it is no PNG."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") or len(png) < 24:
        return None
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


if __name__ == "__main__":
    Wrapper().run()
