"""Text generation as a stream: a language model goes on with a text, token by token.

The model is small enough to be read (`model.py`); put your own in its place. What stays: how
parameters are checked, how tokens become text (`pieces.py`), and that work ends when nobody waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model import load
from pieces import Pieces

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData, callback_metric
from aiges.sdk import (
    IntegerParamField,
    NumberParamField,
    StringBodyField,
    StringParamField,
    WrapperBase,
    current_call,
)
from aiges.utils.log import log

HERE = Path(__file__).resolve().parent

HIGHEST_TEMPERATURE = 2.0
MOST_TOKENS = 4096
HIGHEST_SEED = 2**31 - 1

BAD_PARAMETER = 101
CANCELLED = 102
TEXTS = {
    BAD_PARAMETER: f"temperature is 0 to {HIGHEST_TEMPERATURE:g}, max_tokens a whole number "
    f"from 1 to {MOST_TOKENS}, seed one from 0 to {HIGHEST_SEED}",
    CANCELLED: "nobody waits for the text any more",
}


class UserRequest:
    """What a request brings."""

    temperature = NumberParamField(
        key="temperature", minimum=0, maximum=HIGHEST_TEMPERATURE, value=0.5
    )
    max_tokens = IntegerParamField(key="max_tokens", minimum=1, maximum=MOST_TOKENS, value=64)
    seed = IntegerParamField(key="seed", minimum=0, maximum=HIGHEST_SEED, value=1)
    stop = StringParamField(key="stop", description="text that ends the output; it is not sent")
    text = StringBodyField(key="text", value=b"One evening in winter")


class UserResponse:
    """What an answer holds: what follows the text of the request."""

    result = StringBodyField(key="result")


class BadParameterError(ValueError):
    """A parameter is not what it may be."""


@dataclass(frozen=True)
class Options:
    """What a request asks for."""

    temperature: float
    max_tokens: int
    seed: int
    stop: str


def options_from(params: dict[str, str]) -> Options:
    """Read the parameters of a request; what is missing has its default.

    Raises:
        BadParameterError: Naming the parameter at fault.
    """
    return Options(
        temperature=number(params, "temperature", 0.5, 0.0, HIGHEST_TEMPERATURE),
        max_tokens=int(number(params, "max_tokens", 64, 1, MOST_TOKENS, whole=True)),
        seed=int(number(params, "seed", 1, 0, HIGHEST_SEED, whole=True)),
        stop=params.get("stop", ""),
    )


def number(  # noqa: PLR0913, PLR0917 - a row of a table
    params: dict[str, str], name: str, default: float, low: float, high: float, whole: bool = False
) -> float:
    """Read a number from `low` to `high`."""
    text = params.get(name, default)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        raise BadParameterError(f"{name} is {text!r}, no number") from None
    if not low <= value <= high:
        raise BadParameterError(f"{name} is {value}, not within {low} and {high}")
    return value


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "textgen"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Load the model, which lies beside this file."""
        self.model = load(HERE / "model.json.gz")
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = ""
    ) -> Response:
        """Answer with all of the text at once."""
        try:
            options = options_from(params)
        except BadParameterError as error:
            log.info("refused: %s", error)
            return Response().response_err(BAD_PARAMETER)
        text = "".join(self.generate(prompt_of([reqData]), options, usrTag))
        call = current_call()
        if call is not None and call.is_cancelled:
            return Response().response_err(CANCELLED)
        return answer(text)

    def wrapperStream(
        self, params: dict[str, str], inputs: Iterator[DataListCls], sid: str = ""
    ) -> Iterator[Response]:
        """Answer piece by piece, once the prompt is complete."""
        try:
            options = options_from(params)
        except BadParameterError as error:
            log.info("refused: %s", error)
            yield Response().response_err(BAD_PARAMETER)
            return
        is_empty = True
        for text in self.generate(prompt_of(inputs), options, sid):
            is_empty = False
            yield answer(text)
        if is_empty:  # the stop text came first, and a session has one result at least
            yield answer("")

    def generate(self, prompt: str, options: Options, tag: str) -> Iterator[str]:
        """Yield pieces of text, none of them empty, while somebody waits for them."""
        call = current_call()
        pieces = Pieces([options.stop])
        tokens = self.model.generate(prompt, temperature=options.temperature, seed=options.seed)
        count = 0
        try:
            while count < options.max_tokens and not pieces.is_stopped:
                if call is not None and call.is_cancelled:
                    log.info("cancelled after %d tokens", count)
                    return
                count += 1
                if text := pieces.add(next(tokens)):
                    yield text
            if text := pieces.finish():
                yield text
        finally:  # also when the generator is closed: what was made was used
            callback_metric(tag, "completion_tokens", count)

    def wrapperError(self, ret: int) -> str:
        """Say what an error code means."""
        return TEXTS.get(ret, "")

    def wrapperFini(self) -> int:
        """Nothing to clean up."""
        return 0


def prompt_of(packages: Iterator[DataListCls] | list[DataListCls]) -> str:
    """Join what came as `text`; a package may end within a character."""
    nodes = [package.get("text") for package in packages]
    return b"".join(node.data for node in nodes if node).decode("utf-8", "replace")


def answer(text: str) -> Response:
    """Make a result; of a generator's, the runtime sets the status."""
    result = ResponseData(key="result", type=DataText)
    result.setData(text)
    response = Response()
    response.list = [result]
    return response


if __name__ == "__main__":
    Wrapper().run(stream=True)
