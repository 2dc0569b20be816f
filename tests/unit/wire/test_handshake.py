"""The handshake line, both ways, against go-plugin's rules."""

import base64

import pytest
from hypothesis import given, strategies as st

from aiges_wire.handshake import (
    MAX_LINE_BYTES,
    Handshake,
    HandshakeError,
    choose_version,
    decode,
    encode,
)

OFFERED = (0, 1, 2)
CERTIFICATE = bytes(range(256)) * 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1|1|unix|/tmp/p.sock|grpc|\n", Handshake(1, "unix", "/tmp/p.sock")),
        (b"1|2|tcp|127.0.0.1:50055|grpc\n", Handshake(2, "tcp", "127.0.0.1:50055")),
        (b"1|1|unix|/s|grpc||false\n", Handshake(1, "unix", "/s")),
        (b"1|1|unix|/s|grpc||true|more\n", Handshake(1, "unix", "/s")),
        (b"  1|1|unix|/s|grpc|\r\n", Handshake(1, "unix", "/s")),
        (b"+1|+1|unix|/s|grpc|", Handshake(1, "unix", "/s")),
        (b"1|0|unix|/s|grpc|", Handshake(0, "unix", "/s")),
        (b"1|1|tcp|localhost:7|grpc|", Handshake(1, "tcp", "localhost:7")),
        (b"1|1|unix|/s|grpc|" + b"|" * 65_518 + b"\n", Handshake(1, "unix", "/s")),
        (b"1|1|unix|/s|grpc|" + b"x" * 50, Handshake(1, "unix", "/s")),
        (b"1|1|tcp|[::1]:7|grpc|", Handshake(1, "tcp", "[::1]:7")),
    ],
)
def test_what_go_plugin_accepts_is_accepted(line: bytes, expected: Handshake) -> None:
    """H2 H9 H10 H11 H14 H24 H26."""
    assert decode(line, offered=OFFERED) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "expected at least 4 fields, got ''"),
        (b"hello\n", "expected at least 4 fields, got 'hello'"),
        (b"\xff\xfe\x00\n", "expected at least 4 fields"),
        ("\ufeff1|1|unix|/s|grpc|".encode(), "core version"),
        (b"2|1|unix|/s|grpc|", "core version '2', we speak 1"),
        (b"x|1|unix|/s|grpc|", "core version 'x'"),
        (b"1|x|unix|/s|grpc|", "app version 'x' is not a number"),
        (b"1|1 |unix|/s|grpc|", "app version '1 '"),
        (b"1|9|unix|/s|grpc|", "app version 9 is not one of those offered: 0, 1, 2"),
        (b"1|1|udp|/s|grpc|", "network 'udp'"),
        (b"1|1|unix||grpc|", "unix address is empty"),
        (b"1|1|tcp|127.0.0.1:http|grpc|", "unknown port in tcp address"),
        (b"1|1|tcp|127.0.0.1:70000|grpc|", "unknown port"),
        (b"1|1|unix|/s", "unsupported plugin protocol 'netrpc'"),
        (b"1|1|unix|/s||", "unsupported plugin protocol ''"),
        (b"1|1|unix|/s|netrpc|", "unsupported plugin protocol 'netrpc'"),
        (b"1|1|unix|/s|grpc|" + b"!" * 60, "certificate is not base64"),
        (b"1|1|unix|/s|grpc|" + b"|" * 65_519 + b"\n", "longer than 65536 bytes"),
    ],
)
def test_a_bad_line_names_the_field(line: bytes, problem: str) -> None:
    """H12 H13 H18 H20 H21 H22 H23 H24 H26."""
    with pytest.raises(HandshakeError, match=problem.replace("|", r"\|")):
        decode(line, offered=OFFERED)


def test_a_long_line_of_noise_is_quoted_in_part() -> None:
    """H18 H19."""
    with pytest.raises(HandshakeError) as caught:
        decode(b"x" * MAX_LINE_BYTES, offered=OFFERED)
    assert str(caught.value).endswith("x'...")
    assert len(str(caught.value)) < 200


def test_the_certificate_travels_without_padding() -> None:
    line = encode(Handshake(1, "unix", "/s", CERTIFICATE))
    assert b"=" not in line
    assert line.count(b"|") == 5
    assert base64.b64encode(CERTIFICATE).rstrip(b"=") in line
    assert decode(line, offered=OFFERED).certificate == CERTIFICATE


def test_the_seventh_field_is_sent_only_to_hosts_that_asked() -> None:
    """P11."""
    shaken = Handshake(1, "unix", "/s")
    assert encode(shaken) == b"1|1|unix|/s|grpc|\n"
    assert encode(shaken, multiplex_asked=True) == b"1|1|unix|/s|grpc||false\n"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        *[("", 1), ("1", 1), ("3", 3), ("1,3", 3), ("3,1", 3), ("2", 1), ("9", 1), ("x,3", 3)],
        *[(" 3", 1), ("3 ,1", 1), ("-3", 1), ("٣", 1)],
    ],
)
def test_the_plugin_picks_the_highest_common_version(offered: str, chosen: int) -> None:
    """P8 P9 P10: go-plugin's own table."""
    assert choose_version((1, 3), offered) == chosen


@given(
    version=st.sampled_from(OFFERED),
    path=st.text(st.characters(codec="ascii", exclude_characters="|"), min_size=1).filter(
        str.strip
    ),
    certificate=st.one_of(st.just(b""), st.binary(min_size=40)),
    multiplex=st.booleans(),
)
def test_what_we_encode_we_decode(
    version: int, path: str, certificate: bytes, multiplex: bool
) -> None:
    address = "/" + path.replace("\n", "").replace("\r", "")
    sent = Handshake(version, "unix", address, certificate)
    assert decode(encode(sent, multiplex_asked=multiplex), offered=OFFERED) == sent


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_the_one_error(line: bytes) -> None:
    """H20."""
    try:
        decode(line, offered=OFFERED)
    except HandshakeError as error:
        assert str(error)


def test_a_target_is_named_as_grpc_wants_it() -> None:
    """H24."""
    assert Handshake(1, "unix", "/s").target() == "unix:/s"
    assert Handshake(1, "tcp", ":5").target() == "127.0.0.1:5"
    assert Handshake(1, "tcp", "[::1]:5").target() == "[::1]:5"
