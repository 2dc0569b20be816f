"""What the host tells a worker through its environment. Pure, but for `take`."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiges_wire import handshake, worker_env

DEFAULT_STOP_GRACE_S: Final = 1.0
"""A go-plugin host kills two seconds after Shutdown; wrapperFini and the rest must fit."""


class BadEnvironmentError(ValueError):
    """A variable that the host set holds something we cannot use."""


@dataclass(frozen=True, slots=True)
class HostWishes:
    """The host's side of the handshake.

    Attributes:
        versions: PLUGIN_PROTOCOL_VERSIONS as it came.
        min_port: First TCP port to try, 0 for any.
        max_port: Last TCP port to try.
        socket_dir: Where Unix sockets go; None: a private directory of our own.
        socket_group: Group name or decimal gid that may use the socket; "" for none.
        client_cert: PEM of the host's certificate; non-empty asks for AutoMTLS.
        multiplex_asked: The host reads a seventh handshake field.
        drained_stdout: The host reads stdout to its end, so user output may go there.
        concurrency: Calls in user code at once.
        stop_grace_s: How long wrapperFini may take.
    """

    versions: str
    min_port: int
    max_port: int
    socket_dir: Path | None
    socket_group: str
    client_cert: str
    multiplex_asked: bool
    drained_stdout: bool
    concurrency: int
    stop_grace_s: float


def parse(environ: Mapping[str, str]) -> HostWishes:
    """Read the wishes; raise `BadEnvironmentError` naming the variable at fault."""
    min_port = _port(environ, handshake.ENV_MIN_PORT)
    max_port = _port(environ, handshake.ENV_MAX_PORT)
    if min_port > max_port:
        raise BadEnvironmentError(
            f"{handshake.ENV_MIN_PORT}={min_port} is above {handshake.ENV_MAX_PORT}={max_port}"
        )
    socket_dir = environ.get(handshake.ENV_SOCKET_DIR, "")
    return HostWishes(
        versions=environ.get(handshake.ENV_VERSIONS, ""),
        min_port=min_port,
        max_port=max_port,
        socket_dir=Path(socket_dir) if socket_dir else None,
        socket_group=environ.get(handshake.ENV_SOCKET_GROUP, ""),
        client_cert=environ.get(handshake.ENV_CLIENT_CERT, ""),
        multiplex_asked=bool(environ.get(handshake.ENV_MULTIPLEX, "")),
        drained_stdout=environ.get(worker_env.DRAINED_STDOUT) == "1",
        concurrency=_concurrency(environ.get(worker_env.CONCURRENCY, "")),
        stop_grace_s=_seconds(environ.get(worker_env.STOP_GRACE, "")),
    )


def take(environ: MutableMapping[str, str]) -> HostWishes:
    """Read the wishes and remove them: user code's children must not think they are plugins."""
    wishes = parse(environ)
    ours = (worker_env.CONCURRENCY, worker_env.STOP_GRACE, worker_env.DRAINED_STDOUT)
    for name in [n for n in environ if n.startswith(handshake.ENV_PREFIX) or n in ours]:
        del environ[name]
    return wishes


def _port(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "") or "0"
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise BadEnvironmentError(f"{name}={text!r} is not a port")
    return int(text)


def _concurrency(text: str) -> int:
    if not text:  # as the original worker: one CPU is left to the rest
        return max(1, len(os.sched_getaffinity(0)) - 1)
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise BadEnvironmentError(f"{worker_env.CONCURRENCY}={text!r} is not a number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text else DEFAULT_STOP_GRACE_S
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise BadEnvironmentError(f"{worker_env.STOP_GRACE}={text!r} is not a number of seconds")
    return seconds
