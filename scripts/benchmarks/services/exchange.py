"""What every service under test reads and answers: the JSON of aiges-loader's HTTP interface.

Imported by programs that run in the contenders' own environments: standard library only.
"""

import base64
import uuid
from typing import Any


def data_of(request: Any) -> bytes:
    """Return the decoded data of a request's one payload."""
    return base64.b64decode(encoded_of(request))


def encoded_of(request: Any) -> str:
    """Return the base64 of a request's one payload, which may be a text or an image."""
    (section,) = request["payload"].values()
    encoded: str = section["text"] if "text" in section else section["image"]
    return encoded


def answer_of(text: str) -> dict[str, Any]:
    """Return an answer that carries `text` as `result`, with an id of its own as ours has one."""
    return {
        "header": {"code": 0, "sid": str(uuid.uuid4()), "status": 3},
        "payload": {"result": {"seq": "0", "status": "3", "text": text}},
    }
