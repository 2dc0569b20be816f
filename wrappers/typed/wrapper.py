"""Text in another shape: a wrapper whose types say what a request brings and an answer holds."""

from typing import Annotated, Literal, NamedTuple

from aiges.typed import Body, CodedError, Json, Param, Text, TypedWrapper

NOTHING_TO_SHAPE = 101


class Shaped(NamedTuple):
    """The outputs: `result` is text, `counts` is JSON."""

    result: Text
    counts: Json


class Wrapper(TypedWrapper):
    """The capability."""

    serviceId = "typed"
    version = "v1"

    def infer(
        self,
        text: Annotated[Text, Body(value="Types say it all. 类型说明一切。")],
        mode: Literal["upper", "lower", "reversed"] = "upper",
        times: Annotated[int, Param(minimum=1, maximum=10, description="how often")] = 1,
    ) -> Shaped:
        """Answer one request: `text` is an input, `mode` and `times` are parameters."""
        if not text.text.strip():
            raise CodedError(NOTHING_TO_SHAPE, "there is no text to shape")
        match mode:
            case "upper":
                shaped = text.text.upper()
            case "lower":
                shaped = text.text.lower()
            case "reversed":
                shaped = text.text[::-1]
        counts = {"characters": len(text.text), "words": len(text.text.split())}
        return Shaped(Text(shaped * times), Json(counts))


if __name__ == "__main__":
    Wrapper().run()
