"""What our worker is to any go-plugin host, calls apart. P numbers: docs/go-plugin.md."""

import grp
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aiges_wire.pb import (
    aiges_inner_pb2 as pb,
    grpc_broker_pb2 as broker_pb,
    grpc_broker_pb2_grpc,
    grpc_stdio_pb2_grpc,
)
from support.waiting import dies_within
from support.worker_host import LIMIT_S, WorkerHost, environment

WRAPPER = """
import logging, multiprocessing, os, subprocess, sys, time
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        {init}
        return 0

    def wrapperOnceExec(self, params, reqData):
        {once}
        item = ResponseData(key="result")
        item.setData(reqData.get("text").data)
        answer = Response()
        answer.list = [item]
        return answer
"""


def write(folder: Path, *, init: str = "pass", once: str = "pass") -> Path:
    (folder / "wrapper.py").write_text(WRAPPER.format(init=init, once=once))
    return folder


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder that everybody may pass through, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="go-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# Health, stdio, broker:


def test_a_host_that_watches_health_sees_it_serve_and_end(tmp_path: Path) -> None:
    """P19."""
    with WorkerHost(tmp_path).connect() as host:
        request = health_pb2.HealthCheckRequest(service="plugin")
        watch = health_pb2_grpc.HealthStub(host.channel).Watch(request, timeout=LIMIT_S)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert host.shutdown() == 0
        rest = []
        try:
            rest += [reply.status for reply in watch]
        except grpc.RpcError as error:
            assert error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        assert rest in ([], [health_pb2.HealthCheckResponse.NOT_SERVING])


def test_a_second_reader_of_the_output_harms_nobody(tmp_path: Path) -> None:
    """P23: the two share what comes."""
    once = "print('printed', flush=True)"
    with WorkerHost(write(tmp_path, once=once)).connect() as host:
        assert host.init() == 0
        seen: list[bytes] = []
        readers = [threading.Thread(target=lambda: seen.extend(host.stdio())) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(20):
            assert host.once(tag=str(number)).ret == 0
        assert host.shutdown() == 0
        for reader in readers:
            reader.join(LIMIT_S)
        assert sorted(b"".join(seen)) == sorted(b"printed\n" * 20)


def test_streams_that_are_held_open_keep_no_call_waiting(tmp_path: Path) -> None:
    """P24: forty of them, and one thread for calls."""
    env = environment(AIGES_WORKER_CONCURRENCY="1")
    with WorkerHost(write(tmp_path), env=env).connect() as host:
        assert host.init() == 0
        stdio = grpc_stdio_pb2_grpc.GRPCStdioStub(host.channel)
        broker = grpc_broker_pb2_grpc.GRPCBrokerStub(host.channel)
        streams = [stdio.StreamStdio(Empty()) for _ in range(20)]
        streams += [broker.StartStream(nothing()) for _ in range(20)]
        for number in range(3):
            assert host.once(tag=str(number)).list[0].data == b"hello"
        assert all(stream.is_active() for stream in streams)
        for stream in streams:
            stream.cancel()
        assert host.once(tag="after").ret == 0


def nothing() -> Iterator[broker_pb.ConnInfo]:
    threading.Event().wait(LIMIT_S)
    yield broker_pb.ConnInfo()


def test_the_brokers_stream_ends_when_the_host_cancels_it(tmp_path: Path) -> None:
    """P25."""
    with WorkerHost(tmp_path).connect() as host:
        stream = grpc_broker_pb2_grpc.GRPCBrokerStub(host.channel).StartStream(iter(()))
        assert host.health() == 1
        assert stream.is_active()
        stream.cancel()
        with pytest.raises(grpc.RpcError):
            next(stream)
        assert host.health() == 1


def test_there_is_no_reflection(tmp_path: Path) -> None:
    """P28."""
    with WorkerHost(tmp_path).connect() as host:
        assert host.channel is not None
        ask = host.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        )
        with pytest.raises(grpc.RpcError) as answer:
            next(ask(iter((b"",)), timeout=LIMIT_S))
        assert answer.value.code() is grpc.StatusCode.UNIMPLEMENTED


# The socket:


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("by", ["gr_name", "gr_gid"])
@pytest.mark.parametrize("own_folder", [False, True])
def test_another_user_of_the_group_is_let_in_and_nobody_else(
    by: str, own_folder: bool, short: Path, tmp_path: Path
) -> None:
    """P13: in the host's folder, and in the private one that the worker makes without."""
    group, stranger = [g for g in grp.getgrall() if g.gr_gid != os.getgid()][:2]
    env = {"PLUGIN_UNIX_SOCKET_GROUP": str(getattr(group, by)), "TMPDIR": str(short)}
    if not own_folder:
        env["PLUGIN_UNIX_SOCKET_DIR"] = str(short)
    with WorkerHost(tmp_path, env=environment(**env)) as host:
        address = Path(host.announced().address)
        found = address.stat()
        assert (found.st_gid, found.st_mode & 0o777) == (group.gr_gid, 0o660)
        assert connects_as(group.gr_gid, address) == "connected"
        assert connects_as(stranger.gr_gid, address) == "PermissionError"


def connects_as(gid: int, address: Path) -> str:
    """Connect as a user without any rights of its own, of one group."""
    script = (
        "import os, socket, sys\n"
        f"os.setgroups([]); os.setgid({gid}); os.setuid(65534)\n"
        "try:\n"
        "    socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
        "    print('connected')\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(address)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout.strip()


def test_a_socket_that_is_deleted_is_not_missed_by_who_is_connected(tmp_path: Path) -> None:
    """P49."""
    with WorkerHost(write(tmp_path)).connect() as host:
        assert host.init() == 0
        Path(host.announced().address).unlink()
        assert host.once().list[0].data == b"hello"
        assert host.shutdown() == 0


def test_a_thousand_connections_leave_nothing_open(tmp_path: Path) -> None:
    """P51."""
    with WorkerHost(tmp_path).connect() as host:
        address = host.announced().address
        assert host.health() == 1
        before = None
        for number in range(1000):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(LIMIT_S)
                client.connect(address)
                client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                assert client.recv(9)[3] == 4  # its SETTINGS: it has taken us in
            if number == 100:
                before = counted(host.process.pid)
        assert before is not None
        assert host.health() == 1
        fds, threads = counted(host.process.pid)
        assert fds <= before[0] + 10  # those it is just closing
        assert threads <= before[1] + 2


def counted(pid: int) -> tuple[int, int]:
    """Count the descriptors and the threads of a process."""
    folders = (Path(f"/proc/{pid}/fd"), Path(f"/proc/{pid}/task"))
    fds, threads = (len(list(folder.iterdir())) for folder in folders)
    return fds, threads


# Outputs, and the end:


@pytest.mark.parametrize("drained", ["0", "1"])
@pytest.mark.parametrize("closes", ["2> >(true)", "> >(head -n 1)"], ids=["stderr", "stdout"])
def test_a_pipe_that_the_host_closes_fails_nothing_in_user_code(
    closes: str, drained: str, tmp_path: Path
) -> None:
    """P39: not a print, not a log record, not a child that writes."""
    once = (
        "[(print('x' * 99), print('x' * 99, file=sys.stderr), logging.error('e'), "
        "sys.stderr.flush(), sys.stdout.flush()) for _ in range(99)]; "
        "subprocess.run(['sh', '-c', 'echo x; echo x >&2'], check=True)"
    )
    env = environment(AIGES_WORKER_DRAINED_STDOUT=drained)
    command = ["bash", "-c", f"exec {sys.executable} -m aiges.serve {closes}"]
    with WorkerHost(write(tmp_path, once=once), env=env, command=command).connect() as host:
        assert host.init() == 0
        answer = host.once()
        assert (answer.ret, answer.list[0].data) == (0, b"hello")
        assert host.shutdown() == 0


def test_a_worker_whose_output_goes_to_files_outlives_who_started_it(tmp_path: Path) -> None:
    """P47: without pipes there is no host to watch, and another may attach to it."""
    starter = (
        "import subprocess, sys\n"
        "print(subprocess.Popen(sys.argv[1:], stdout=open('out', 'wb'), stderr=open('err', 'wb'),"
        " stdin=subprocess.DEVNULL, start_new_session=True).pid)"
    )
    worker = [sys.executable, "-m", "aiges.serve"]
    done = subprocess.run(
        [sys.executable, "-c", starter, *worker],
        cwd=write(tmp_path),
        env=environment(),
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    pid = int(done.stdout)
    try:
        tail = ["tail", "-n", "+1", "-f", f"--pid={pid}", str(tmp_path / "out")]
        with WorkerHost(tmp_path, command=tail).connect() as host:
            assert host.init() == 0
            assert host.once().list[0].data == b"hello"
            assert host.shutdown() == 0  # of `tail`, which ends with the worker
        assert dies_within(pid, LIMIT_S)
    finally:
        if not dies_within(pid, 0.0):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("end", ["shutdown", "stuck"])
def test_processes_of_multiprocessing_end_with_the_worker(
    end: str, method: str, tmp_path: Path
) -> None:
    """P48: they hold its stderr open, and hosts wait for the end of that."""
    init = (
        f"child = multiprocessing.get_context('{method}').Process(target=time.sleep, args=(60,)); "
        "child.start(); print(child.pid, flush=True)"
    )
    folder = write(tmp_path, init=init, once="print('stuck', flush=True); time.sleep(60)")
    env = environment(AIGES_WORKER_DRAINED_STDOUT="1", AIGES_WORKER_STOP_GRACE="0.2")
    with WorkerHost(folder, env=env).connect() as host:
        assert host.init() == 0
        child = int(host.stdout.next())
        if end == "stuck":
            item = pb.RequestData(key="text", data=b"x")
            pending = host.wrapper.wrapperOnceExec.future(pb.Request(tag="t", list=[item]))
            assert host.stdout.next() == b"stuck\n"
            assert not pending.done()
        assert host.shutdown() == 0
        assert dies_within(child, 2.0)


def test_it_says_no_without_the_cookie_before_it_imports_anything_large(tmp_path: Path) -> None:
    """P3."""
    env = environment()
    del env["BASIC_PLUGIN"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "aiges.serve"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert "aiges-loader -m 0" in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "aiges_wire.handshake" in imported
    assert not imported & {"grpc", "google.protobuf", "asyncio", "aiges._runtime.main", "logging"}
