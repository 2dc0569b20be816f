"""Which address a project is served at, and which ports are free."""

import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say

HTTP_PORT: Final = 1888
ADMIN_PORT: Final = 1889
LOOPBACK: Final = "127.0.0.1"

LISTEN_VARIABLE: Final = "AIGES__WRAPPER__HTTP_LISTEN"
"""Overrides [wrapper] http_listen."""

ADMIN_VARIABLE: Final = "AIGES__ADMIN__LISTEN"
"""Overrides [admin] listen."""

_TRIED: Final = 100
"""So many ports from the first on are tried before any free one is taken."""

_ADDRESS: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*)):([0-9]{0,5})")
_EVERYWHERE: Final[Mapping[str, str]] = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - not bound


@dataclass(frozen=True, slots=True)
class Address:
    """Where HTTP is served."""

    host: str
    port: int

    def __str__(self) -> str:
        return _joined(self.host, self.port)

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        return f"http://{_joined(_EVERYWHERE.get(self.host, self.host), self.port)}"


def choose(
    config: Path | None, environ: Mapping[str, str], *, host: str | None, port: int | None
) -> Address:
    """Say where to serve: as asked, else as configured, else at the first free port from 1888 on.

    Args:
        config: The project's aiges.toml.
        environ: May override what it says.
        host: None: as configured, else loopback.
        port: None or 0: as configured, else a free one.

    Raises:
        AuthoringError: There is no such host, or no free port.
    """
    configured = _configured(config, environ)
    chosen_host = host or (configured.host if configured else LOOPBACK)
    chosen_port = port or (configured.port if configured else 0)
    return Address(chosen_host, chosen_port or free_port(chosen_host, HTTP_PORT))


def free_port(host: str, first: int) -> int:
    """Return the first free port from `first` on; any free one if a hundred are busy."""
    for port in (*range(first, first + _TRIED), 0):
        if found := _bound(host, port):
            return found
    raise AuthoringError(say("address.no_port", host=host))


def is_free(host: str, port: int) -> bool:
    """Say whether nobody listens there."""
    return _bound(host, port) != 0


def _bound(host: str, port: int) -> int:
    """Bind a port for a moment; return its number, 0 if it is busy."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise AuthoringError(say("address.no_host", host=host, reason=error.strerror)) from None
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(target)
            listener.listen()
        except OSError:
            return 0
        number: int = listener.getsockname()[1]
        return number


def _configured(config: Path | None, environ: Mapping[str, str]) -> Address | None:
    """Read what is configured; what cannot be read is the supervisor's to complain about."""
    text = environ.get(LISTEN_VARIABLE)
    if text is None and config is not None:
        try:
            section = tomllib.loads(config.read_text("utf-8")).get("wrapper")
        except (OSError, ValueError):
            return None
        text = section.get("http_listen") if isinstance(section, dict) else None
    match = _ADDRESS.fullmatch(text or ":") if isinstance(text, str | None) else None
    return Address(match[1] or match[2] or "", int(match[3] or 0)) if text and match else None


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
