"""Digits: says which handwritten digit a picture shows."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from preprocess import NoDigitError, NoPictureError, digit_image

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import ImageBodyField, StringBodyField, WrapperBase
from aiges.utils.log import log

HERE = Path(__file__).resolve().parent

NO_PICTURE = 101
NO_DIGIT = 102
TEXTS = {
    NO_PICTURE: "payload img is not a picture that can be read",
    NO_DIGIT: "the picture shows no digit",
}


class UserRequest:
    """What a request brings."""

    img = ImageBodyField(key="img", path=str(HERE / "test_data" / "7.png"), encoding="png")


class UserResponse:
    """What an answer holds: JSON text {"result": 7, "msg": "..."}."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "svcName"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Load the model, which lies beside this file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # calls run side by side; one each is fastest
        self.model = onnxruntime.InferenceSession(
            HERE / "digits.onnx", options, providers=["CPUExecutionProvider"]
        )
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Recognise one digit."""
        picture = reqData.get("img")
        try:
            image = digit_image(picture.data if picture else b"")
        except NoPictureError as error:
            log.info("no picture: %s", error)
            return Response().response_err(NO_PICTURE)
        except NoDigitError:
            return Response().response_err(NO_DIGIT)
        (scores,) = self.model.run(["scores"], {"image": image})
        digit = int(np.argmax(scores))
        text = json.dumps({"result": digit, "msg": f"识别结果为数字: {digit}"}, ensure_ascii=False)
        result = ResponseData(key="result", type=DataText)
        result.setData(text.encode())
        response = Response()
        response.list = [result]
        return response

    def wrapperError(self, ret: int) -> str:
        """Say in words what a code means."""
        return TEXTS.get(ret, "")

    def wrapperFini(self) -> int:
        """Nothing to clean up."""
        return 0


if __name__ == "__main__":
    Wrapper().run()
