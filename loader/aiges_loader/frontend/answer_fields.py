"""The header fields of answers, for every way of making them. No I/O."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiges_loader.frontend.inference import HttpAnswer
from aiges_loader.frontend.quick_http import head_of

SERVER_NAME: Final = "aiges-loader"
RETRY_AFTER_S: Final = 1

CORS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE, UPDATE",
    "Access-Control-Allow-Headers": (
        "Origin, X-Requested-With, Content-Type, Accept, Authorization"
    ),
    "Access-Control-Expose-Headers": (
        "Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers, "
        "Cache-Control, Content-Language, Content-Type"
    ),
    "Access-Control-Allow-Credentials": "true",
}
"""On every answer of an inference route and on openapi.json, whatever the Origin."""

JSON: Final[Mapping[str, str]] = {
    **CORS,
    "Content-Type": "application/json",
    "Server": SERVER_NAME,
}
_OK_HEAD: Final = head_of(HTTPStatus.OK, JSON)


def fields_of(answer: HttpAnswer) -> Mapping[str, str]:
    """Return the fields of an answer to a request for inference."""
    return {**JSON, "Retry-After": str(RETRY_AFTER_S)} if answer.retry else JSON


def answer_head(answer: HttpAnswer) -> bytes:
    """Write the status line and header fields of such an answer."""
    if answer.status == HTTPStatus.OK:
        return _OK_HEAD
    return head_of(answer.status, fields_of(answer))
