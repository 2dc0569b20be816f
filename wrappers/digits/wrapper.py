"""Digits: says which handwritten digit a picture shows.

The pattern of every classifier: bring the picture into the form that the model was trained on
(`preprocess.py`), run the model, name the best class.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from preprocess import MAX_PIXELS, NoDigitError, NoPictureError, digit_image

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import BooleanParamField, ImageBodyField, StringBodyField, WrapperBase
from aiges.utils.log import log

HERE = Path(__file__).resolve().parent

NO_PICTURE = 101
NO_DIGIT = 102
TEXTS = {
    NO_PICTURE: "payload img is not a picture that can be read (PNG, JPEG and other common "
    f"formats, at most {MAX_PIXELS // 1_000_000} million pixels); the log says why",
    NO_DIGIT: "the picture shows no digit",
}


class UserRequest:
    """What a request brings."""

    detail = BooleanParamField(key="detail", default=False)
    img = ImageBodyField(key="img", path=str(HERE / "test_data" / "7.png"), encoding="png")


class UserResponse:
    """What an answer holds: JSON text {"result": 7, "msg": "..."}, and more if asked for."""

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
            if picture is None:
                raise NoPictureError("the input img is missing")  # noqa: TRY301
            image = digit_image(picture.data)
        except NoPictureError as error:
            log.info("no picture: %s", error)
            return Response().response_err(NO_PICTURE)
        except NoDigitError:
            return Response().response_err(NO_DIGIT)
        (scores,) = self.model.run(["scores"], {"image": image})
        text = answer_text(scores[0], is_detailed=str(params.get("detail")).lower() == "true")
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


def answer_text(scores: NDArray[np.float32], *, is_detailed: bool) -> str:
    """Write the answer as JSON.

    Args:
        scores: How likely each digit is, all in all 1.
        is_detailed: Whether to say how sure the model is, and what it thinks of each digit. The
            answer is shorter otherwise because clients of long ago know it so.
    """
    digit = int(np.argmax(scores))
    content: dict[str, object] = {"result": digit, "msg": f"识别结果为数字: {digit}"}
    if is_detailed:
        likelihoods = [round(float(score), 4) for score in scores]
        content |= {"confidence": likelihoods[digit], "scores": likelihoods}
    return json.dumps(content, ensure_ascii=False)


if __name__ == "__main__":
    Wrapper().run()
