"""Certificates and contexts of AutoMTLS, without a connection."""

import os
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from aiges_wire import handshake, tls


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType:
    return certificate.extensions.get_extension_for_class(kind).value


def test_a_certificate_is_what_go_peers_expect() -> None:
    """P32."""
    certificate = x509.load_der_x509_certificate(tls.new_identity().certificate)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    names = extension(certificate, x509.SubjectAlternativeName)
    assert list(names) == [x509.DNSName("localhost")]  # type: ignore[call-overload]
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(True, None)
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    assert set(purposes) == {  # type: ignore[call-overload]
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }
    assert extension(certificate, x509.SubjectKeyIdentifier)
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc


def test_every_identity_is_another() -> None:
    one, two = tls.new_identity(), tls.new_identity()
    assert one.certificate != two.certificate
    assert one.key_pem != two.key_pem
    assert one.key_pem.decode() not in repr(one)


def test_a_certificate_passes_through_the_environment_and_the_handshake() -> None:
    """P32: unpadded base64 in the sixth field."""
    ours = tls.new_identity()
    assert tls.certificate_from_pem(ours.certificate_pem) == ours.certificate
    line = handshake.encode(handshake.Handshake(1, "unix", "/s", ours.certificate))
    assert line.count(b"|") == 5
    assert b"=" not in line
    assert handshake.decode(line, offered=(1,)).certificate == ours.certificate


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_what_is_no_pem_is_refused(text: str) -> None:
    with pytest.raises(tls.BadCertificateError):
        tls.certificate_from_pem(text)


def test_pem_around_something_else_is_refused() -> None:
    with pytest.raises(tls.BadCertificateError):
        tls.certificate_from_pem(ssl.DER_cert_to_PEM_cert(b"no certificate at all" * 9))
    with pytest.raises(tls.BadCertificateError):
        tls.check_certificate(b"")


def test_contexts_ask_for_tls_12_and_a_certificate() -> None:
    """H45: the rest of a refusal is OpenSSL's."""
    ours, theirs = tls.new_identity(), tls.new_identity()
    server = tls.server_context(ours, theirs.certificate)
    client = tls.client_context(ours, theirs.certificate)
    for context in (server, client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.get_ca_certs(binary_form=True) == [theirs.certificate]
    assert client.check_hostname


def test_the_key_is_loaded_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P34: nowhere to write, and it works."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    before = sorted(os.listdir("/proc/self/fd"))
    tls.server_context(tls.new_identity(), tls.new_identity().certificate)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(tls.TlsUnavailableError, match=r"pip install 'aiges-loader\[tls\]'"):
        tls.new_identity()
