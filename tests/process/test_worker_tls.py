"""AutoMTLS of our worker, seen by a host that is friend or foe."""

import json
import os
import socket
import ssl
from pathlib import Path

import pytest

from aiges_wire import tls
from support.worker_host import SOURCES, WorkerHost, environment

HOST = tls.new_identity()


def started(folder: Path, *arguments: str, **env: str) -> WorkerHost:
    extra = {"PLUGIN_CLIENT_CERT": HOST.certificate_pem, **env}
    return WorkerHost(folder, arguments=arguments, env=environment(**extra))


def speak(host: WorkerHost, context: ssl.SSLContext) -> bytes:
    """Connect; return the first bytes of the other side: HTTP/2 servers begin."""
    shaken = host.announced()
    if shaken.network == "unix":
        plain = socket.socket(socket.AF_UNIX)
        plain.connect(shaken.address)
    else:
        name, _, port = shaken.address.rpartition(":")
        plain = socket.create_connection((name, int(port)))
    plain.settimeout(20)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        return connection.recv(9)


def is_refused(host: WorkerHost, context: ssl.SSLContext) -> bool:
    """Say whether we are turned away; with TLS 1.3 that shows when we read."""
    try:
        return speak(host, context) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("arguments", [(), ("--tcp",)])
def test_the_host_that_sent_its_certificate_is_let_in(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """P29 P32: the Go host's part is in tests/conformance."""
    with started(tmp_path, *arguments) as host:
        context = tls.client_context(HOST, host.announced().certificate)
        assert speak(host, context)[3] == 4  # a SETTINGS frame
        assert context.get_ca_certs(binary_form=True) == [host.announced().certificate]


def test_a_host_without_a_certificate_is_refused(tmp_path: Path) -> None:
    """P30."""
    with started(tmp_path) as host:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=host.announced().certificate)
        context.set_alpn_protocols(["h2"])
        assert is_refused(host, context)


def test_a_host_with_another_certificate_is_refused(tmp_path: Path) -> None:
    """P31."""
    with started(tmp_path) as host:
        stranger = tls.client_context(tls.new_identity(), host.announced().certificate)
        assert is_refused(host, stranger)
        assert speak(host, tls.client_context(HOST, host.announced().certificate))


def test_cleartext_is_refused(tmp_path: Path) -> None:
    """P30."""
    with started(tmp_path) as host, socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(20)
        plain.connect(host.announced().address)
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert b"\x04\x00\x00\x00\x00\x00" not in plain.recv(100)  # no SETTINGS, at most an alert


def test_the_cleartext_socket_is_for_this_user_alone_and_goes_with_the_worker(
    tmp_path: Path,
) -> None:
    """P35."""
    with started(tmp_path, PLUGIN_UNIX_SOCKET_DIR=str(tmp_path)) as host:
        host.announced()
        (inner,) = [path for path in tmp_path.iterdir() if path.is_dir()]
        assert inner.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in inner.iterdir()] == ["grpc.sock"]
        host.process.terminate()
        assert host.process.wait(20) == 0
    assert not inner.exists()
    assert list(tmp_path.iterdir()) == []


def test_no_private_key_is_on_disk(tmp_path: Path) -> None:
    """P34."""
    with started(tmp_path, TMPDIR=str(tmp_path)) as host:
        host.announced()
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        opened = Path(f"/proc/{host.process.pid}/fd")
        assert not [fd for fd in opened.iterdir() if "aiges-tls" in os.readlink(fd)]


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    """P7 P33."""
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "cryptography.py").write_text("raise ImportError('hidden')\n")
    sources = os.pathsep.join([str(tmp_path / "hide"), SOURCES])
    with started(tmp_path, PYTHONPATH=sources) as host:
        assert host.process.wait(20) == 1
        assert host.stdout.text() == ""
        message = json.loads(host.stderr.text().splitlines()[-1])["@message"]
        assert message.startswith("plugin init error: PLUGIN_CLIENT_CERT: AutoMTLS needs")


def test_a_worker_without_tls_imports_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise SystemExit('imported')\n")
    sources = os.pathsep.join([str(tmp_path), SOURCES])
    with WorkerHost(tmp_path, env=environment(PYTHONPATH=sources)) as host:
        assert host.connect().health() == 1
