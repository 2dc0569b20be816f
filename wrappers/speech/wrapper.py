"""Speech events: audio comes in while it is recorded, and events go out as soon as they are heard.

The pattern of every recogniser that streams: a session is a generator, each package of audio is fed
to something that keeps its own state (`listening.py`), and whatever is certain by then is a result.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from listening import Event, Listener

from aiges.core.types import DataText
from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import (
    AudioBodyField,
    IntegerParamField,
    NumberParamField,
    StringBodyField,
    WrapperBase,
    current_call,
)
from aiges.utils.log import log

HERE = Path(__file__).resolve().parent

THRESHOLD_DB = (3.0, 40.0)
HANGOVER_MS = (40, 5000)

BAD_PARAMETER = 101
TEXTS = {
    BAD_PARAMETER: f"threshold_db is {THRESHOLD_DB[0]:g} to {THRESHOLD_DB[1]:g}, hangover_ms a "
    f"whole number from {HANGOVER_MS[0]} to {HANGOVER_MS[1]}"
}


class UserRequest:
    """What a request brings: PCM of 16 kHz, one channel, 16 bits, low byte first."""

    threshold_db = NumberParamField(
        key="threshold_db", minimum=THRESHOLD_DB[0], maximum=THRESHOLD_DB[1], value=9
    )
    hangover_ms = IntegerParamField(
        key="hangover_ms", minimum=HANGOVER_MS[0], maximum=HANGOVER_MS[1], value=300
    )
    audio = AudioBodyField(key="audio", path=str(HERE / "test_data" / "hello-5.pcm"))


class UserResponse:
    """What an answer holds: JSON text {"heard_ms": 1000, "events": [...]}."""

    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    """The capability."""

    serviceId = "speech"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Nothing to load; a recogniser would load its model here, once for all sessions."""
        return 0

    def wrapperStream(
        self, params: dict[str, str], inputs: Iterator[DataListCls]
    ) -> Iterator[Response]:
        """Serve one session: events while audio comes, and a last result in any case."""
        try:
            listener = listener_for(params)
        except ValueError as error:
            log.info("refused: %s", error)
            yield Response().response_err(BAD_PARAMETER)
            return
        for package in inputs:
            if events := listener.hear(audio_of(package)):
                yield answer(listener, events)
        call = current_call()
        if call is None or not call.is_cancelled:  # else the input did not end, it broke off
            yield answer(listener, listener.finish())

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        """Hear a whole recording."""
        try:
            listener = listener_for(params)
        except ValueError as error:
            log.info("refused: %s", error)
            return Response().response_err(BAD_PARAMETER)
        events = listener.hear(audio_of(reqData))
        return answer(listener, [*events, *listener.finish()])

    def wrapperError(self, ret: int) -> str:
        """Say what an error code means."""
        return TEXTS.get(ret, "")

    def wrapperFini(self) -> int:
        """Nothing to clean up."""
        return 0


def listener_for(params: dict[str, str]) -> Listener:
    """Make a listener of a request's parameters.

    Raises:
        ValueError: Naming the parameter that is wrong.
    """
    threshold_db = float(params.get("threshold_db", 9))
    hangover_ms = int(params.get("hangover_ms", 300))
    if not THRESHOLD_DB[0] <= threshold_db <= THRESHOLD_DB[1]:
        raise ValueError(f"threshold_db is {threshold_db}")
    if not HANGOVER_MS[0] <= hangover_ms <= HANGOVER_MS[1]:
        raise ValueError(f"hangover_ms is {hangover_ms}")
    return Listener(threshold_db=threshold_db, hangover_ms=hangover_ms)


def audio_of(package: DataListCls) -> bytes:
    """Return the bytes of a package, which may end within a sample; none if it has no audio."""
    node = package.get("audio")
    return node.data if node else b""


def answer(listener: Listener, events: Sequence[Event]) -> Response:
    """Write events as JSON."""
    result = ResponseData(key="result", type=DataText)
    content = {"heard_ms": listener.heard_ms, "events": [as_json(event) for event in events]}
    result.setData(json.dumps(content))
    response = Response()
    response.list = [result]
    return response


def as_json(event: Event) -> dict[str, str | int]:
    """Write an event as clients get it."""
    fields: dict[str, str | int] = {
        "event": "begin" if event.begins else "end",
        "what": event.kind.value,
        "ms": event.at_ms,
    }
    return {**fields, "key": event.key} if event.key else fields


if __name__ == "__main__":
    Wrapper().run(stream=True)
