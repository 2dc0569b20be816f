"""The request heads that need nothing but a route and a length. No I/O.

Whatever is not plainly one of these is for the HTTP library, which knows all of HTTP.
"""

import re
from typing import Final, NamedTuple

_HEAD: Final = re.compile(
    rb"POST (/[!\"$&->@-~]*) HTTP/1\.1\r\n"  # no %, ? or #: such a path must be taken apart first
    rb"(?:[A-Za-z0-9!#$%&'*+\-.^_`|~]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)
_SPECIAL: Final = re.compile(
    rb"\r\n(transfer-encoding|content-encoding|content-length|connection|expect|upgrade|trailer|te)"
    rb":[ \t]*([^\r]*?)[ \t]*(?=\r)"
)
_NAME: Final = re.compile(rb"\r\n([^:\r]+):")
_DIGITS: Final = re.compile(rb"[0-9]{1,15}")
_EVENT_STREAM: Final = b"text/event-stream"


class QuickHead(NamedTuple):
    """What is to be known of a plain POST: keep-alive, a body of known length, nothing else."""

    path: bytes
    length: int


def read_head(head: bytes) -> QuickHead | None:
    """Read a request head, its empty line included; None if it is not plainly a plain POST."""
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    lowered = head.lower()
    names = _NAME.findall(lowered)
    if b"host" not in names or len(set(names)) != len(names):
        return None
    length = b""
    for name, value in _SPECIAL.findall(lowered):
        if name == b"content-length" and _DIGITS.fullmatch(value):
            length = value
        elif name != b"connection" or value != b"keep-alive":
            return None
    if not length or _EVENT_STREAM in lowered:
        return None
    return QuickHead(match[1], int(length))
