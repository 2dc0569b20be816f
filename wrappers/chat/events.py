"""From the bytes of a streamed chat completion to pieces of text. Pure."""

import json
import re
from dataclasses import dataclass

from faults import ChatError, Fault

LONGEST_EVENT_BYTES = 1 << 20
END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
END_OF_LINE = re.compile(r"\r\n|\n|\r")
DONE = "[DONE]"


class Events:
    """Takes a stream of server-sent events apart, however its bytes are cut."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the data of each event that is complete now.

        Raises:
            ChatError: An event that is too long, or is no UTF-8.
        """
        *complete, self._held = END_OF_EVENT.split(self._held + data)
        if len(self._held) > LONGEST_EVENT_BYTES:
            raise ChatError(Fault.BROKEN, f"an event of more than {LONGEST_EVENT_BYTES} bytes")
        try:
            events = [_data_of(event.decode()) for event in complete]
        except UnicodeDecodeError as error:
            raise ChatError(Fault.BROKEN, f"an event is no UTF-8: {error}") from None
        return [event for event in events if event]


def _data_of(event: str) -> str:
    """Return the data of an event; comments, which keep connections alive, have none."""
    # Not splitlines: it cuts at characters that JSON may hold as they are.
    lines = [line[5:] for line in END_OF_LINE.split(event) if line.startswith("data:")]
    return "\n".join(line.removeprefix(" ") for line in lines)


@dataclass(frozen=True)
class Delta:
    """What one event brings.

    Attributes:
        text: The next piece of the answer, "" if the event brings none.
        is_last: Whether the answer is complete.
    """

    text: str
    is_last: bool


def delta_of(event: str) -> Delta:
    """Read the data of an event.

    Raises:
        ChatError: It reports an error of the endpoint, or is not what an endpoint sends.
    """
    if event == DONE:
        return Delta("", is_last=True)
    try:
        chunk = json.loads(event)
        if error := chunk.get("error"):
            raise ChatError(Fault.FAILED, f"the endpoint reports an error: {error}")
        choices = chunk["choices"]
        if not choices:  # it tells of usage
            return Delta("", is_last=False)
        text = choices[0].get("delta", {}).get("content") or ""
        is_last = bool(choices[0].get("finish_reason"))
    except (ValueError, LookupError, AttributeError, TypeError):
        raise ChatError(Fault.BROKEN, f"an event cannot be read: {event[:200]!r}") from None
    if not isinstance(text, str):
        raise ChatError(Fault.BROKEN, f"the content of an event is no text: {event[:200]!r}")
    return Delta(text, is_last)
