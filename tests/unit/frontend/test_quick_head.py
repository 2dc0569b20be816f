"""Heads that are read without the HTTP library mean what they mean to the library."""

import asyncio
from unittest.mock import Mock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from hypothesis import given, settings, strategies as st

from aiges_loader.frontend.quick_head import QuickHead, read_head

PLAIN = b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"


def as_the_library_reads(head: bytes) -> RawRequestMessage | None:
    """Return what the library makes of a head; None if it is no HTTP to it."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(Mock(_reading_paused=False), loop, 2**16)
        try:
            messages, upgraded, _ = parser.feed_data(head)
        except HttpProcessingError:
            return None
        if upgraded or len(messages) != 1:
            return None
        message: RawRequestMessage = messages[0][0]
        return message
    finally:
        loop.close()


NAMES = st.sampled_from(
    [
        *("Host", "Content-Type", "Accept", "User-Agent", "X-Request-Id", "Authorization"),
        *("Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection", "Expect"),
        *("Upgrade", "Trailer", "TE", "Content-Length ", "Bad Name", "", "Ünicode"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("5", " 5", "5 ", "0", "05", "+5", "-1", "5, 5", "9" * 30, "\u0665"),
            *("chunked", "gzip", "identity", "keep-alive", "Keep-Alive", "close", "upgrade"),
            *("100-continue", "websocket", "trailers", "text/event-stream", "*/*", ""),
        ]
    ),
    st.text(st.characters(min_codepoint=1, max_codepoint=0xFF), max_size=12),
)


TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12)
PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8).map("/".__add__)
HARMLESS = st.tuples(
    st.sampled_from(["Content-Type", "accept", "User-Agent", "X-Request-Id", "AUTHORIZATION"]),
    st.sampled_from([":", ": ", ":\t", ":  "]),
    st.one_of(TEXTS, st.sampled_from(["application/json", "*/*", 'a, b; c="d"'])),
)
ODD = st.tuples(NAMES, st.sampled_from([":", ": ", " :"]), VALUES)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Draw a head that is plain but for one or two things, if at all."""
    method, version, end = "POST", "HTTP/1.1", "\r\n"
    path = draw(st.one_of(st.just("/v1/svcName"), PATHS))
    fields = [("Host", ": ", "x"), ("Content-Length", ": ", draw(st.sampled_from(["12", "0"])))]
    fields += draw(st.lists(HARMLESS, max_size=3))
    for _ in range(draw(st.integers(0, 2))):
        match draw(st.integers(0, 6)):
            case 0:
                method = draw(st.sampled_from(["GET", "post", "PUT", "POST ", "HEAD"]))
            case 1:
                version = draw(st.sampled_from(["HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1"]))
            case 2:
                path = draw(st.sampled_from(["/a%20b", "/a?b=c", "*", "http://x/y", "/\xe4", ""]))
            case 3:
                end = "\n"
            case 4:
                del fields[draw(st.integers(0, len(fields))) :]
            case _:
                fields.append(draw(ODD))
    fields = draw(st.permutations(fields))
    lines = [f"{method} {path} {version}", *(name + colon + value for name, colon, value in fields)]
    return (end.join(lines) + end + end).encode("latin-1", "replace")


@given(heads())
@settings(max_examples=400)
def test_what_is_taken_for_plain_is_that_to_the_library(head: bytes) -> None:
    found = read_head(head)
    if found is None:
        return
    message = as_the_library_reads(head)
    assert message is not None
    assert message.method == "POST"
    assert message.path.encode("latin-1") == found.path
    assert message.headers.getall("Content-Length") == [message.headers["Content-Length"]]
    assert int(message.headers["Content-Length"]) == found.length
    assert not message.should_close
    assert not message.chunked
    assert not message.upgrade
    assert not message.compression
    assert "Expect" not in message.headers
    assert message.url.path.encode("latin-1") == found.path


@given(st.binary(max_size=60), st.integers(0, len(PLAIN)))
def test_a_damaged_head_is_left_to_the_library_or_means_the_same(noise: bytes, at: int) -> None:
    head = PLAIN[:at] + noise + PLAIN[at:]
    found = read_head(head)
    if found is not None:
        message = as_the_library_reads(head)
        assert message is not None
        assert int(message.headers["Content-Length"]) == found.length


def test_what_clients_usually_send_is_plain() -> None:
    for more in (b"", b"Connection: keep-alive\r\n", b"accept: */*\r\nX-Y:\r\n"):
        head = PLAIN[:-2] + more + b"\r\n"
        assert read_head(head) == QuickHead(b"/v1/svcName", 12)


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b"Content-Length: 12",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"TE: trailers",
        b"Accept: text/event-stream",
        b" folded: line",
        b"no colon",
        b"Host: y",
    ],
)
def test_anything_beside_is_for_the_library(line: bytes) -> None:
    assert read_head(PLAIN[:-2] + line + b"\r\n\r\n") is None
