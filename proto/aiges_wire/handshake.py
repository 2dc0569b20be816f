"""The go-plugin handshake, to and from bytes. No sockets, no processes, no waiting."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CORE_VERSION: Final = 1
MAX_LINE_BYTES: Final = 65_536
"""The longest handshake line that go-plugin hosts read, newline included."""

# The cookie says "you are started by a host that knows you"; it is no secret and no protection.
COOKIE_KEY: Final = "BASIC_PLUGIN"
COOKIE_VALUE: Final = "hello"

ENV_MIN_PORT: Final = "PLUGIN_MIN_PORT"
ENV_MAX_PORT: Final = "PLUGIN_MAX_PORT"
ENV_VERSIONS: Final = "PLUGIN_PROTOCOL_VERSIONS"
ENV_CLIENT_CERT: Final = "PLUGIN_CLIENT_CERT"
ENV_SOCKET_DIR: Final = "PLUGIN_UNIX_SOCKET_DIR"
ENV_SOCKET_GROUP: Final = "PLUGIN_UNIX_SOCKET_GROUP"
ENV_MULTIPLEX: Final = "PLUGIN_MULTIPLEX_GRPC"
ENV_PREFIX: Final = "PLUGIN_"
"""A host removes what it inherited under this prefix; a plugin hides it from its own children."""

_MIN_FIELDS: Final = 4
_LEGACY_FIELD_CHARS: Final = 50  # a sixth field up to this long is no certificate: ignored
_QUOTED_CHARS: Final = 120  # how much of a bad line an error repeats


class HandshakeError(ValueError):
    """A plugin printed something other than a handshake we can use."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Where a plugin listens and what it speaks there.

    Attributes:
        app_version: The application protocol version that the plugin chose.
        network: "unix" or "tcp".
        address: A path, or host:port.
        certificate: DER of the plugin's own TLS certificate; empty without TLS.
    """

    app_version: int
    network: str
    address: str
    certificate: bytes = b""

    def target(self) -> str:
        """Name the address the way grpc's insecure_channel wants it."""
        if self.network == "unix":
            return f"unix:{self.address}"
        host, _, port = self.address.rpartition(":")
        return f"{host or '127.0.0.1'}:{port}"


def encode(handshake: Handshake, *, multiplex_asked: bool = False) -> bytes:
    """Return the line to print, newline included.

    Args:
        handshake: What to announce; an empty certificate leaves the sixth field empty.
        multiplex_asked: The host set PLUGIN_MULTIPLEX_GRPC, so it reads a seventh field; ours says
            "false". Other hosts take a seventh field for part of the sixth.
    """
    certificate = base64.b64encode(handshake.certificate).rstrip(b"=").decode("ascii")
    fields = [
        str(CORE_VERSION),
        str(handshake.app_version),
        handshake.network,
        handshake.address,
        "grpc",
        certificate,
    ]
    if multiplex_asked:
        fields.append("false")
    return ("|".join(fields) + "\n").encode()


def decode(line: bytes, *, offered: Iterable[int]) -> Handshake:
    r"""Read the first line that a plugin prints on stdout.

    Args:
        line: With or without its line ending: b"1|1|unix|/tmp/p.sock|grpc|\n". A missing fifth
            field means "netrpc"; a seventh and later ones are ignored.
        offered: The application versions that the host announced.

    Raises:
        HandshakeError: Longer than hosts read; else naming the field at fault, checked in
            go-plugin's order: number of fields, core version, app version, network, address,
            protocol, certificate.

    Source: hashicorp/go-plugin, docs/internals.md, "Handshake"; the order is its client's.
    """
    if len(line.rstrip(b"\r\n")) >= MAX_LINE_BYTES:
        raise HandshakeError(f"longer than {MAX_LINE_BYTES} bytes: {_quoted(line)}")
    fields = line.decode("utf-8", "replace").strip().split("|")
    if len(fields) < _MIN_FIELDS:
        raise HandshakeError(f"expected at least {_MIN_FIELDS} fields, got {_quoted(line)}")
    core, app, network, address = fields[:_MIN_FIELDS]
    protocol = fields[4] if len(fields) > _MIN_FIELDS else "netrpc"
    if _whole_number(core) != CORE_VERSION:
        raise HandshakeError(f"core version {core!r}, we speak {CORE_VERSION}")
    app_version = _whole_number(app)
    if app_version is None:
        raise HandshakeError(f"app version {app!r} is not a number")
    if app_version not in (versions := sorted(offered)):
        listed = ", ".join(str(version) for version in versions)
        raise HandshakeError(f"app version {app_version} is not one of those offered: {listed}")
    if network not in ("unix", "tcp"):
        raise HandshakeError(f"network {network!r} is neither unix nor tcp")
    _check_address(network, address)
    if protocol != "grpc":
        raise HandshakeError(f"unsupported plugin protocol {protocol!r}, we speak grpc")
    certificate = _certificate(fields[5]) if len(fields) > _MIN_FIELDS + 1 else b""
    return Handshake(app_version, network, address, certificate)


def choose_version(served: Iterable[int], offered: str) -> int:
    """Pick the application version a plugin announces.

    Args:
        served: What the plugin speaks; at least one.
        offered: PLUGIN_PROTOCOL_VERSIONS: decimal numbers with commas, in any order; entries that
            are no plain number are skipped.

    Returns:
        The highest version that both speak, else the plugin's lowest: the host then says why not.
    """
    wanted = {int(entry) for entry in offered.split(",") if _is_plain_number(entry)}
    ours = sorted(served)
    return next((version for version in reversed(ours) if version in wanted), ours[0])


def _whole_number(text: str) -> int | None:
    """Read what Go's Atoi reads: ASCII digits with an optional sign."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if _is_plain_number(digits) else None


def _is_plain_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _check_address(network: str, address: str) -> None:
    if network == "unix":
        if not address:
            raise HandshakeError("unix address is empty")
        return
    port = address.rpartition(":")[2]
    if not _is_plain_number(port) or not 0 < int(port) < 1 << 16:
        raise HandshakeError(f"unknown port in tcp address {address!r}")


def _certificate(field: str) -> bytes:
    if len(field) <= _LEGACY_FIELD_CHARS:
        return b""
    try:
        padded = field + "=" * (-len(field) % 4)
        return base64.b64decode(padded.encode("ascii", "strict"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise HandshakeError(f"server certificate is not base64: {error}") from None


def _quoted(line: bytes) -> str:
    text = line[: _QUOTED_CHARS + 1].decode("utf-8", "replace").strip()
    cut = "..." if len(line) > _QUOTED_CHARS else ""
    return f"{text[:_QUOTED_CHARS]!r}{cut}"
