"""Where a project is served."""

import socket
from pathlib import Path

import pytest

from aiges.authoring.addresses import LISTEN_VARIABLE, Address, choose, free_port
from aiges.authoring.errors import AuthoringError


@pytest.mark.parametrize(
    ("listen", "variable", "host", "port", "expected"),
    [
        ("0.0.0.0:2001", None, None, None, "0.0.0.0:2001"),
        (":2001", None, None, None, ":2001"),
        ("[::1]:2001", None, None, None, "[::1]:2001"),
        ("0.0.0.0:2001", "127.0.0.1:2002", None, None, "127.0.0.1:2002"),
        ("0.0.0.0:2001", None, "127.0.0.1", None, "127.0.0.1:2001"),
        ("0.0.0.0:2001", None, None, 2003, "0.0.0.0:2003"),
        (None, None, None, 2003, "127.0.0.1:2003"),
    ],
)
def test_what_is_asked_for_wins_then_a_variable_then_the_file(  # noqa: PLR0917
    listen: str | None,
    variable: str | None,
    host: str | None,
    port: int | None,
    expected: str,
    tmp_path: Path,
) -> None:
    config = tmp_path / "aiges.toml"
    config.write_text("" if listen is None else f'[wrapper]\nhttp_listen = "{listen}"\n')
    environ = {} if variable is None else {LISTEN_VARIABLE: variable}
    assert str(choose(config, environ, host=host, port=port)) == expected


@pytest.mark.parametrize("text", ["", "[wrapper", "wrapper = 1", "[wrapper]\nhttp_listen = 5"])
def test_a_file_that_names_no_address_leaves_a_free_one(text: str, tmp_path: Path) -> None:
    config = tmp_path / "aiges.toml"
    config.write_text(text)
    address = choose(config, {}, host=None, port=None)
    assert address.host == "127.0.0.1"
    assert address.port >= 1888


def test_a_busy_port_is_stepped_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        number = busy.getsockname()[1]
        assert free_port("127.0.0.1", number) not in (0, number)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address("", 1), "http://127.0.0.1:1"),
        (Address("0.0.0.0", 1), "http://127.0.0.1:1"),
        (Address("::", 1), "http://[::1]:1"),
        (Address("10.0.0.7", 1), "http://10.0.0.7:1"),
    ],
)
def test_a_url_leads_to_this_machine(address: Address, url: str) -> None:
    assert address.url == url


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(AuthoringError, match="no-such-host"):
        free_port("no-such-host.invalid", 1888)
