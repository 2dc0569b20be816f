"""AutoMTLS: the one-off certificates of host and plugin, and what each side then trusts.

grpcio's own TLS refuses the P-521 keys of Go peers, so TLS is the standard library's; see
tls_bridge.py for the bytes. No sockets here, and no files: a private key never leaves memory.
"""

import os
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

SERVER_NAME: Final = "localhost"
"""The name in every certificate, and the one that is verified, whatever the address."""

_LIFETIME: Final = timedelta(days=3650)  # a worker may run for long; its certificate ends with it
_CLOCK_SLACK: Final = timedelta(seconds=30)


class TlsError(Exception):
    """AutoMTLS cannot be had; the message says why."""


class TlsUnavailableError(TlsError):
    """The package that makes certificates is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "AutoMTLS needs the Python package cryptography: pip install 'aiges-loader[tls]'"
        )


class BadCertificateError(TlsError):
    """What the other side calls its certificate is none."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate of ours and its key.

    Attributes:
        certificate: DER, as the handshake's sixth field carries it.
        key_pem: The private key, not encrypted.
    """

    certificate: bytes
    key_pem: bytes = field(repr=False)

    @property
    def certificate_pem(self) -> str:
        """Return the certificate as PLUGIN_CLIENT_CERT carries it."""
        return ssl.DER_cert_to_PEM_cert(self.certificate)


def new_identity() -> Identity:
    """Make a P-256 key and its self-signed certificate; raise `TlsUnavailableError`.

    Source: hashicorp/go-plugin, mtls.go, for what its peers expect of a certificate; they take any
    kind of key.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 - an optional package, needed only here
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.x509 import oid  # noqa: PLC0415
    except ImportError:
        raise TlsUnavailableError from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(oid.NameOID.ORGANIZATION_NAME, "aiges-loader"),
            x509.NameAttribute(oid.NameOID.COMMON_NAME, SERVER_NAME),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_agreement=True,
        key_cert_sign=True,
        content_commitment=False,
        data_encipherment=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = x509.ExtendedKeyUsage(
        [oid.ExtendedKeyUsageOID.CLIENT_AUTH, oid.ExtendedKeyUsageOID.SERVER_AUTH]
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding
    return Identity(
        certificate.public_bytes(encoding.DER),
        key.private_bytes(
            encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def certificate_from_pem(text: str) -> bytes:
    """Read one certificate in PEM; return its DER.

    Raises:
        BadCertificateError: It is none, or more than one.
    """
    try:
        der = ssl.PEM_cert_to_DER_cert(text)
    except ValueError as error:
        raise BadCertificateError(f"not a certificate in PEM: {error}") from None
    check_certificate(der)
    return der


def check_certificate(der: bytes) -> None:
    """Raise `BadCertificateError` unless `der` is a certificate that TLS can trust."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificateError(f"not a certificate: {error}") from None


def server_context(ours: Identity, peer_certificate: bytes) -> ssl.SSLContext:
    """Return what a plugin serves with: clients must present `peer_certificate` (DER)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _equipped(context, ours, peer_certificate)


def client_context(ours: Identity, peer_certificate: bytes) -> ssl.SSLContext:
    """Return what a host dials with: the server must present `peer_certificate` (DER)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
    return _equipped(context, ours, peer_certificate)


def _equipped(context: ssl.SSLContext, ours: Identity, peer_certificate: bytes) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=peer_certificate)
    context.set_alpn_protocols(["h2"])
    # The ssl module reads keys from a path only; this one leads to memory.
    memory = os.memfd_create("aiges-tls", os.MFD_CLOEXEC)
    try:
        os.write(memory, ours.key_pem + ours.certificate_pem.encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context
