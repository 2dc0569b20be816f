"""An address of the worker's own: a Unix socket in a private folder, or a loopback TCP port."""

import grp
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from aiges._runtime.environment import HostWishes

MAX_PATH_BYTES: Final = 107
"""What the kernel takes as the path of a Unix socket."""

_SHORT_FOLDER: Final = Path("/tmp")  # noqa: S108 - only for a private folder inside it


class CannotListenError(OSError):
    """No address could be had; the message says which was tried and why it failed."""


class Server(Protocol):
    """The part of a gRPC server that gives it an address; a TLS door has it as well."""

    def add_insecure_port(self, address: str) -> int:
        """Bind and return the port; raise RuntimeError if that fails."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the worker listens, and what to remove when it leaves.

    Attributes:
        network: "unix" or "tcp".
        address: For the handshake line.
        leftovers: Files and folders that we made.
    """

    network: str
    address: str
    leftovers: tuple[Path, ...] = ()

    def with_leftover(self, path: Path) -> "Listener":
        """Return the same with one more file to remove."""
        return replace(self, leftovers=(*self.leftovers, path))

    def remove(self) -> None:
        """Remove what `listen` made; a host may have done so before."""
        for path in self.leftovers:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def listen(server: Server, wishes: HostWishes, *, tcp: bool) -> Listener:
    """Give `server` an address as the host wishes; raise `CannotListenError` if there is none."""
    return _tcp(server, wishes) if tcp else _unix(server, wishes)


def _unix(server: Server, wishes: HostWishes) -> Listener:
    name = f"worker-{os.getpid()}-{secrets.token_hex(4)}.sock"
    if wishes.socket_dir is None:
        folder = private_folder(name)
        leftovers: tuple[Path, ...] = (folder,)
    else:
        folder = wishes.socket_dir
        leftovers = (folder / name,)
    path = folder / name
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise CannotListenError(f"socket path {path} is longer than {MAX_PATH_BYTES} bytes")
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise CannotListenError(f"cannot listen on {path}: {error}") from None
    listener = Listener("unix", str(path), leftovers)
    if wishes.socket_group:
        try:
            _give_to_group(path, wishes.socket_group, 0o660)
            if wishes.socket_dir is None:  # the group must come through the folder to the socket
                _give_to_group(folder, wishes.socket_group, 0o710)
        except CannotListenError:
            listener.remove()
            raise
    return listener


def private_folder(name: str, parent: Path | None = None) -> Path:
    """Make a folder of mode 0700 for a socket called `name`.

    It is made in `parent`, or in TMPDIR without one, or in /tmp where that is too long a path.
    """
    folder = Path(tempfile.mkdtemp(prefix="aiges-", dir=parent))
    if len(os.fsencode(folder / name)) > MAX_PATH_BYTES:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="aiges-", dir=_SHORT_FOLDER))
    return folder


def _give_to_group(path: Path, group: str, mode: int) -> None:
    try:
        gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        os.chown(path, -1, gid)
        path.chmod(mode)
    except (KeyError, OSError) as error:
        raise CannotListenError(f"cannot give {path} to group {group!r}: {error}") from None


def _tcp(server: Server, wishes: HostWishes) -> Listener:
    for port in range(wishes.min_port, wishes.max_port + 1):
        try:
            bound = server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError:
            continue
        return Listener("tcp", f"127.0.0.1:{bound}")
    raise CannotListenError(f"no free port in {wishes.min_port}..{wishes.max_port} on 127.0.0.1")
