"""Scores texts with two layers of random weights: what batching is good for.

A processor reads all 32 MiB of weights for one text as for thirty-two.
"""

import zlib

import numpy as np

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase

WIDTH = 2048
"""Of each layer."""


class UserRequest:
    """What a request brings."""

    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    """What an answer holds."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability: which of `WIDTH` classes a text belongs to, by a model that knows nothing."""

    serviceId = "svcName"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Make the weights."""
        random = np.random.default_rng(7)
        # So scaled, what a layer gives is about as large as what it gets.
        scale = np.float32(1 / np.sqrt(WIDTH))
        self.layers = [
            scale * random.standard_normal((WIDTH, WIDTH), dtype=np.float32) for _ in range(2)
        ]
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Answer one request."""
        return self.wrapperBatchExec([(params, reqData)])[0]

    def wrapperBatchExec(self, batch: list[tuple[dict[str, str], DataListCls]]) -> list[Response]:
        """Answer all requests of a batch with one pass over the weights."""
        values = np.stack([features(text_of(inputs)) for _, inputs in batch])
        for layer in self.layers:
            values = np.tanh(values @ layer)
        return [answer(f"class {best}") for best in values.argmax(axis=1)]

    def wrapperFini(self) -> int:
        """Clean up."""
        return 0


def text_of(inputs: DataListCls) -> bytes:
    """Return the text of a request, empty if it has none."""
    node = inputs.get("text")
    return node.data if node else b""


def features(text: bytes) -> np.ndarray:
    """Turn a text into `WIDTH` numbers, always the same."""
    random = np.random.default_rng(zlib.crc32(text))
    return random.standard_normal(WIDTH, dtype=np.float32)


def answer(text: str) -> Response:
    """Make a Response that holds `text`."""
    result = ResponseData(key="result", type=DataText)
    result.setData(text)
    response = Response()
    response.list = [result]
    return response


if __name__ == "__main__":
    Wrapper().run()
