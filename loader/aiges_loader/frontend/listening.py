"""Take the addresses that clients use, or say which one cannot be had."""

import asyncio
import logging
import socket
from collections.abc import Callable

import psutil

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - what a configuration may say


class ListenError(Exception):
    """An address cannot be bound; the message names it and says where it is configured."""

    def __init__(self, what: str, address: str, key: str, problem: str) -> None:
        super().__init__(f"cannot listen on {address} for {what} ({key}): {problem}")


def bind(host: str, port: int, *, what: str, key: str) -> socket.socket:
    """Bind a TCP socket; it does not listen yet.

    Args:
        host: A name or an address; "" is all interfaces.
        port: 0 for any free one.
        what: What it is for, in errors.
        key: Where it is configured, in errors.

    Raises:
        ListenError: Busy, not ours, or no such host.
    """
    address = f"{host or '*'}:{port}"
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host or EVERY_INTERFACE,
            port,
            type=socket.SOCK_STREAM,
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(what, address, key, error.strerror or str(error)) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
    except OSError as error:
        listener.close()
        raise ListenError(what, address, key, error.strerror or str(error)) from None
    return listener


async def accept_waiting(
    listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]
) -> None:
    """Accept connections that were made but not yet accepted: closing would drop them."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(False)
        await loop.connect_accepted_socket(protocol, connection)


def own_address(netcard: str) -> str:
    """Return the IPv4 address of a network interface, or, for "", of this machine's name.

    A name that does not resolve, as in some containers, gives the loopback address and a warning.

    Raises:
        ListenError: There is no such interface, or it has no IPv4 address.
    """
    if netcard:
        for address in psutil.net_if_addrs().get(netcard, ()):
            if address.family is socket.AF_INET:
                return str(address.address)
        raise ListenError("gRPC", netcard, "netcard", "no such interface with an IPv4 address")
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        log.warning(
            "this machine's name does not resolve (%s); %s is taken for its address",
            error,
            LOOPBACK,
        )
        return LOOPBACK


def reachable_address(host: str, netcard: str) -> str:
    """Return the IPv4 address at which clients on other machines reach what listens on `host`.

    Raises:
        ListenError: There is none.
    """
    if host == EVERY_INTERFACE:
        return own_address(netcard)
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise ListenError("gRPC", host, "host", error.strerror or str(error)) from None
