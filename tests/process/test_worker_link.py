"""The supervisor and workers whose TLS is not what it should be. H numbers: docs/go-plugin.md."""

import os
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum
from aiges_wire import handshake, tls
from aiges_wire.handshake import Handshake
from support.pools import pool_of, reason_of_failure, running
from support.waiting import until
from support.worker_host import SOURCES

FAKE = Path(__file__).resolve().parents[1] / "support" / "fake_worker.py"

ECHO = Path(__file__).resolve().parents[2] / "wrappers" / "echo"


def announcing(line: bytes) -> tuple[str, ...]:
    """A worker that says one thing and does nothing."""
    script = f"import os, time; os.write(1, {line!r}); time.sleep(60)"
    return (sys.executable, "-c", script)


def announced(certificate: bytes, address: str = "/nonexistent/socket") -> bytes:
    return handshake.encode(Handshake(1, "unix", address, certificate))


async def refusal(
    command: tuple[str, ...],
    folder: Path,
    *,
    mtls: bool,
    environ: Mapping[str, str] = os.environ,
) -> str:
    return await reason_of_failure(pool_of(command, environ, folder, auto_mtls=mtls))


async def test_a_certificate_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    """H26."""
    command = announcing(announced(tls.new_identity().certificate))
    assert "certificate that nobody asked for" in await refusal(command, tmp_path, mtls=False)


@pytest.mark.parametrize("mtls", [False, True])
@pytest.mark.parametrize(
    ("field", "reason"),
    [("!" * 51, "not base64"), ("A" * 60, "not a certificate"), ("\u00e9" * 60, "not base64")],
)
async def test_what_is_no_certificate_is_refused(
    field: str, reason: str, mtls: bool, tmp_path: Path
) -> None:
    """H26."""
    command = announcing(f"1|1|unix|/s|grpc|{field}\n".encode())
    assert reason in await refusal(command, tmp_path, mtls=mtls)


async def test_a_worker_that_does_not_know_tls_is_refused_and_not_spoken_to_in_the_clear(
    tmp_path: Path,
) -> None:
    """H27."""
    command = (sys.executable, str(FAKE), "serves")
    reason = await refusal(command, tmp_path, mtls=True)
    assert "there is no falling back to cleartext" in reason


async def test_an_address_that_is_not_there_is_said(tmp_path: Path) -> None:
    """H25."""
    command = announcing(announced(tls.new_identity().certificate))
    reason = await refusal(command, tmp_path, mtls=True)
    assert "cannot connect to /nonexistent/socket" in reason
    assert "No such file" in reason


def impostor(context: ssl.SSLContext, path: Path) -> threading.Thread:
    """Serve TLS at `path`, for one connection, with another certificate than will be announced."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


async def test_a_server_with_another_certificate_than_announced_is_refused(tmp_path: Path) -> None:
    """H44."""
    other = tls.server_context(tls.new_identity(), tls.new_identity().certificate)
    thread = impostor(other, tmp_path / "s")
    command = announcing(announced(tls.new_identity().certificate, str(tmp_path / "s")))
    assert "AutoMTLS: [SSL: CERTIFICATE_VERIFY_FAILED]" in await refusal(
        command, tmp_path, mtls=True
    )
    thread.join()


async def test_a_peer_that_knows_only_tls_1_1_is_refused(tmp_path: Path) -> None:
    """H45."""
    identity = tls.new_identity()
    context = tls.server_context(identity, tls.new_identity().certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    thread = impostor(context, tmp_path / "s")
    command = announcing(announced(identity.certificate, str(tmp_path / "s")))
    assert "AutoMTLS: [SSL: " in await refusal(command, tmp_path, mtls=True)
    thread.join()


async def test_without_the_package_no_worker_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    reason = await refusal((sys.executable, str(FAKE), "serves"), tmp_path, mtls=True)
    assert "pip install 'aiges-loader[tls]'" in reason


async def test_our_own_worker_is_reached_and_its_death_is_seen(tmp_path: Path) -> None:
    """H43: P-256 on both sides."""
    environ = {**os.environ, "PYTHONPATH": SOURCES}
    script = f"import os, sys; os.chdir({str(ECHO)!r}); sys.argv[1:] = []; "
    script += "from aiges.serve import main; os._exit(main())"
    pool = pool_of((sys.executable, "-c", script), environ, tmp_path, auto_mtls=True)
    async with running(pool):
        call = Call("s1", {"sid": "s1"}, (Datum("text", b"hello", 0, 3),))
        assert (await pool.once(call)).outputs[0].data
        pid = pool.workers[0].pid
        assert pid is not None
        os.kill(pid, 9)
        await until(lambda: pool.workers[0].pid not in (pid, None), "a new process")
        assert (await pool.once(call)).outputs[0].data
