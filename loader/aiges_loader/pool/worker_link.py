"""How the supervisor reaches one worker process: in the clear, or by AutoMTLS through a bridge."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from aiges_wire import tls, tls_bridge
from aiges_wire.handshake import ENV_CLIENT_CERT, Handshake


class LinkError(Exception):
    """The connection cannot be as safe as it has to be, or not be at all."""


class WorkerLink(Protocol):
    """What one start of a worker needs to be reached."""

    @property
    def environ(self) -> Mapping[str, str]:
        """What to add to the environment of the process."""

    async def check(self, shaken: Handshake) -> None:
        """Compare what the worker announced with what was asked for; raise `LinkError`."""

    def open(self, shaken: Handshake) -> AbstractAsyncContextManager[Handshake]:
        """Return a context whose value says where gRPC finds the worker, in the clear."""


def new_link(socket_dir: Path, *, auto_mtls: bool) -> WorkerLink:
    """Prepare a link for the next start; raise `LinkError` if TLS cannot be had."""
    if not auto_mtls:
        return PlainLink()
    try:
        return MutualTlsLink(tls.new_identity(), socket_dir)
    except tls.TlsError as error:
        raise LinkError(str(error)) from None


class PlainLink:
    """Cleartext, protected by the folder that the socket is in."""

    environ: Mapping[str, str] = {}

    async def check(self, shaken: Handshake) -> None:
        """Refuse a worker that serves TLS: nobody asked for it, and we could not prove who we are.

        Raises:
            LinkError: It announced a certificate.
        """
        if not shaken.certificate:
            return
        try:
            tls.check_certificate(shaken.certificate)
        except tls.BadCertificateError as error:
            raise LinkError(f"handshake field 6 (server certificate): {error}") from None
        raise LinkError("it announced a TLS certificate that nobody asked for (autoMtls is false)")

    @asynccontextmanager
    async def open(self, shaken: Handshake) -> AsyncIterator[Handshake]:
        """Reach the worker where it listens."""
        yield shaken


class MutualTlsLink:
    """AutoMTLS: each side shows a certificate made for this start, and trusts only the other's."""

    def __init__(self, identity: tls.Identity, socket_dir: Path) -> None:
        """Take our certificate, and the private folder for the cleartext side of the bridge."""
        self._identity = identity
        self._socket_dir = socket_dir
        self.environ: Mapping[str, str] = {ENV_CLIENT_CERT: identity.certificate_pem}

    async def check(self, shaken: Handshake) -> None:
        """Connect once, to learn here and not from gRPC what is wrong with the other side.

        Raises:
            LinkError: No certificate, a bad one, or a server that presents another.
        """
        if not shaken.certificate:
            raise LinkError(
                "AutoMTLS was asked for (autoMtls), but its handshake has no certificate;"
                " there is no falling back to cleartext"
            )
        dial = self._dial(shaken)
        try:
            async with asyncio.timeout(tls_bridge.DIAL_LIMIT_S):
                await dial(_Goodbye)
        except ssl.SSLError as error:
            raise LinkError(f"AutoMTLS: {error}") from None
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no TLS handshake in time"
            raise LinkError(f"AutoMTLS: cannot connect to {shaken.address}: {reason}") from None

    @asynccontextmanager
    async def open(self, shaken: Handshake) -> AsyncIterator[Handshake]:
        """Listen on a private socket for our own gRPC, and carry its bytes to the worker."""
        path = self._socket_dir / f"tls-{secrets.token_hex(4)}.sock"
        loop = asyncio.get_running_loop()

        async def accept(protocol: Callable[[], asyncio.Protocol]) -> asyncio.AbstractServer:
            return await loop.create_unix_server(protocol, str(path))

        admit = tls_bridge.comes_from_this_process
        try:
            async with tls_bridge.bridge(accept, self._dial(shaken), admit=admit):
                yield replace(shaken, network="unix", address=str(path))
        finally:
            path.unlink(missing_ok=True)

    def _dial(self, shaken: Handshake) -> tls_bridge.Dial:
        try:
            tls.check_certificate(shaken.certificate)
        except tls.BadCertificateError as error:
            raise LinkError(f"handshake field 6 (server certificate): {error}") from None
        context = tls.client_context(self._identity, shaken.certificate)
        return tls_bridge.tls_dial(shaken.network, shaken.address, context, tls.SERVER_NAME)


class _Goodbye(asyncio.Protocol):
    """Hangs up as soon as it is connected."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "abort")
        transport.abort()
