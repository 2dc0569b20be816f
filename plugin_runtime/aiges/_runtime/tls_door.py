"""AutoMTLS for the worker: a door at the public address; gRPC behind it, in a private folder."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiges._runtime import listening
from aiges._runtime.environment import HostWishes
from aiges._runtime.listening import CannotListenError, Listener, Server
from aiges_wire import tls, tls_bridge

_INNER_NAME: Final = "grpc.sock"
_BACKLOG: Final = 128


class TlsDoor:
    """Lets in the host that sent its certificate, and nobody else.

    Attributes:
        certificate: Ours (DER), for the handshake line.
    """

    def __init__(self, host_certificate_pem: str) -> None:
        """Make a certificate of our own; raise `TlsError`."""
        self._host_certificate = tls.certificate_from_pem(host_certificate_pem)
        identity = tls.new_identity()
        self.certificate = identity.certificate
        self._context = tls.server_context(identity, self._host_certificate)
        self._public: socket.socket | None = None
        self._inner = ""

    def listen(self, server: Server, wishes: HostWishes, *, tcp: bool) -> Listener:
        """Take the public address as the host wishes, and give `server` a private one."""
        folder = listening.private_folder(_INNER_NAME, self._parent(wishes))
        self._inner = str(folder / _INNER_NAME)
        try:
            server.add_insecure_port(f"unix:{self._inner}")
            listener = listening.listen(self, wishes, tcp=tcp)
        except RuntimeError as error:
            Listener("", "", (folder,)).remove()
            raise CannotListenError(f"cannot listen on {self._inner}: {error}") from None
        except CannotListenError:
            Listener("", "", (folder,)).remove()
            raise
        return replace(listener, leftovers=(*listener.leftovers, folder))

    def add_insecure_port(self, address: str) -> int:
        """Bind the public address in the server's place; raise RuntimeError if that fails."""
        is_unix = address.startswith("unix:")
        door = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        try:
            if is_unix:
                door.bind(address.removeprefix("unix:"))
            else:
                host, _, port = address.rpartition(":")
                door.bind((host, int(port)))
            door.listen(_BACKLOG)
        except OSError as error:
            door.close()
            raise RuntimeError(error.strerror) from None
        self._public = door
        return 0 if is_unix else int(door.getsockname()[1])

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Let connections through until the end of the block; `listen` comes first."""
        loop = asyncio.get_running_loop()
        door, inner = self._public, self._inner
        assert door is not None

        async def accept(protocol: Callable[[], asyncio.Protocol]) -> asyncio.AbstractServer:
            return await loop.create_server(
                protocol,
                sock=door,
                ssl=self._context,
                ssl_handshake_timeout=tls_bridge.DIAL_LIMIT_S,
            )

        async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
            return await loop.create_unix_connection(protocol, inner)

        admit = tls_bridge.presents(self._host_certificate)
        async with tls_bridge.bridge(accept, dial, admit=admit):
            yield

    @staticmethod
    def _parent(wishes: HostWishes) -> Path | None:
        """Prefer the host's folder, which goes with the host however we end."""
        folder = wishes.socket_dir
        if folder is None or not os.access(folder, os.W_OK):
            return None  # the public address will say what is wrong with it
        return folder
