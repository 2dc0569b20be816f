"""How our worker starts, announces itself, prints and leaves, seen by a host."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from support.waiting import dies_within
from support.worker_host import LIMIT_S, WorkerHost, environment

ECHO = """
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase, StringBodyField

class UserRequest:
    input1 = StringBodyField(key="text", value=b"hello")

class UserResponse:
    accept1 = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "echo"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

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

    def wrapperFini(self):
        {fini}
        return 0
"""


def write(folder: Path, *, top: str = "", init: str = "", once: str = "", fini: str = "") -> Path:
    """Write an echo wrapper with extra lines in it; return its folder."""
    parts = {"init": init or "pass", "once": once or "pass", "fini": fini or "pass"}
    (folder / "wrapper.py").write_text(top + ECHO.format(**parts))
    return folder


def started(folder: Path, **env: str) -> WorkerHost:
    host = WorkerHost(folder, env=environment(**env)).connect()
    assert host.init() == 0
    return host


def test_the_whole_life_through_the_handshake_alone(tmp_path: Path) -> None:
    """P5 P18 P40."""
    with WorkerHost(write(tmp_path)) as host:
        host.connect()
        assert host.handshake is not None
        assert host.handshake.network == "unix"
        assert host.health() == host.health("") == 1  # SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            host.health("nobody")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        assert host.init(key="value") == 0
        schema = host.schema()
        assert schema["meta"]["serviceId"] == "echo"
        assert schema["meta"]["route"] == "/v1/private/echo"
        answer = host.once(b"hi", tag="tag-1")
        assert (answer.tag, answer.ret) == ("tag-1", 0)
        assert [(item.key, item.data, item.len, item.status) for item in answer.list] == [
            ("result", b"hi", 2, 3)
        ]
        folder = Path(host.handshake.address).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert host.shutdown() == 0
        assert not folder.exists()


@pytest.mark.parametrize("cookie", [None, "goodbye"])
def test_without_the_cookie_it_says_what_it_is_and_leaves(
    cookie: str | None, tmp_path: Path
) -> None:
    """P1 P2."""
    env = environment()
    del env["BASIC_PLUGIN"]
    if cookie:
        env["BASIC_PLUGIN"] = cookie
    with WorkerHost(tmp_path, env=env) as host:
        assert host.process.wait(LIMIT_S) == 1
        assert host.stdout.text() == ""
        assert "aiges-loader -m 0" in host.stderr.text()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("1", 1), ("1,2", 2), ("2,1", 2), ("2", 2), ("", 1), (None, 1), ("9", 1), ("x,1", 1)],
)
def test_it_announces_a_version_that_it_speaks(
    offered: str | None, chosen: int, tmp_path: Path
) -> None:
    """P8 P9 P10: also where the host says nothing of versions."""
    env = environment(PLUGIN_PROTOCOL_VERSIONS=offered or "")
    if offered is None:
        del env["PLUGIN_PROTOCOL_VERSIONS"]
    with WorkerHost(tmp_path, env=env) as host:
        assert host.connect().handshake.app_version == chosen  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("env", "end"),
    [({}, b"|grpc|\n"), ({"PLUGIN_MULTIPLEX_GRPC": "true"}, b"|grpc||false\n")],
)
def test_a_host_that_asks_for_multiplexing_hears_that_there_is_none(
    env: dict[str, str], end: bytes, tmp_path: Path
) -> None:
    """P11: and one that does not ask gets no seventh field."""
    with WorkerHost(tmp_path, env=environment(**env)) as host:
        assert host.stdout.next().endswith(end)


@pytest.mark.parametrize("versions", ["1", "1,2"])
def test_with_tls_or_tcp_it_speaks_version_1_alone(versions: str, tmp_path: Path) -> None:
    """P8: lanes are plain Unix sockets."""
    env = environment(PLUGIN_PROTOCOL_VERSIONS=versions, PLUGIN_MAX_PORT="0")
    with WorkerHost(tmp_path, arguments=["--tcp"], env=env) as host:
        assert host.announced().app_version == 1


def test_a_port_range_with_no_free_port_is_said(tmp_path: Path) -> None:
    """P14."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        env = environment(PLUGIN_MIN_PORT=port, PLUGIN_MAX_PORT=port)
        with WorkerHost(tmp_path, arguments=["--tcp"], env=env) as host:
            assert host.process.wait(LIMIT_S) == 1
            assert host.stdout.text() == ""
            reason = f"plugin init error: no free port in {port}..{port} on 127.0.0.1"
            assert reason in host.stderr.text()


def test_a_folder_for_sockets_with_too_long_a_path_is_said(tmp_path: Path) -> None:
    """P15."""
    long = tmp_path / ("d" * 100)
    long.mkdir()
    with WorkerHost(tmp_path, env=environment(PLUGIN_UNIX_SOCKET_DIR=str(long))) as host:
        assert host.process.wait(LIMIT_S) == 1
        assert host.stdout.text() == ""
        assert "is longer than 107 bytes" in host.stderr.text()


def test_tcp_stays_in_the_port_range_and_skips_busy_ports(tmp_path: Path) -> None:
    """P14."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        env = environment(PLUGIN_MIN_PORT=str(port), PLUGIN_MAX_PORT=str(min(port + 50, 65535)))
        with WorkerHost(tmp_path, arguments=["--tcp"], env=env) as host:
            shaken = host.connect().handshake
            assert shaken is not None
            address, _, chosen = shaken.address.rpartition(":")
            assert address == "127.0.0.1"
            assert port < int(chosen) <= port + 50
            assert host.health() == 1


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"PLUGIN_MIN_PORT": "20", "PLUGIN_MAX_PORT": "10"}, "PLUGIN_MIN_PORT=20 is above"),
        ({"PLUGIN_MAX_PORT": "many"}, "PLUGIN_MAX_PORT='many' is not a port"),
        ({"PLUGIN_UNIX_SOCKET_DIR": "/nonexistent"}, "cannot listen on /nonexistent/"),
        ({"PLUGIN_UNIX_SOCKET_GROUP": "no-such-group"}, "group 'no-such-group'"),
        ({"PLUGIN_CLIENT_CERT": "garbage"}, "PLUGIN_CLIENT_CERT: not a certificate"),
        ({"AIGES_WORKER_CONCURRENCY": "0"}, "AIGES_WORKER_CONCURRENCY='0'"),
    ],
)
def test_what_it_cannot_do_is_said_on_stderr_alone(
    env: dict[str, str], reason: str, tmp_path: Path
) -> None:
    """P7 P12 P13 P14 P33."""
    with WorkerHost(tmp_path, env=environment(**env)) as host:
        assert host.process.wait(LIMIT_S) == 1
        assert host.stdout.text() == ""
        record = json.loads(host.stderr.text().splitlines()[-1])
        assert record["@level"] == "error"
        assert record["@message"].startswith("plugin init error: ")
        assert reason in record["@message"]


def test_the_socket_goes_where_the_host_says_and_to_its_group(tmp_path: Path) -> None:
    """P12 P13."""
    env = environment(
        PLUGIN_UNIX_SOCKET_DIR=str(tmp_path), PLUGIN_UNIX_SOCKET_GROUP=str(os.getgid())
    )
    with WorkerHost(tmp_path, env=env) as host:
        shaken = host.connect().handshake
        assert shaken is not None
        path = Path(shaken.address)
        assert path.parent == tmp_path
        assert path.stat().st_mode & 0o777 == 0o660
        assert host.shutdown() == 0
        assert not path.exists()


def test_a_temporary_folder_with_a_long_path_is_not_used_for_sockets(tmp_path: Path) -> None:
    """P15."""
    long = tmp_path / ("d" * 100)
    long.mkdir()
    with WorkerHost(tmp_path, env=environment(TMPDIR=str(long))) as host:
        assert host.connect().health() == 1
        host.shutdown()
    assert list(long.iterdir()) == []


def test_plugin_variables_are_not_passed_on_to_user_code(tmp_path: Path) -> None:
    """P17."""
    init = "import os; print([n for n in os.environ if n.startswith(('PLUGIN_', 'AIGES_'))])"
    env = {"AIGES_WORKER_CONCURRENCY": "2", "AIGES_WORKER_DRAINED_STDOUT": "1"}
    with started(write(tmp_path, init=init), **env) as host:
        assert host.stdout.next() == b"[]\n"


NOISE = """
import ctypes, subprocess, sys
print("python at import")
ctypes.CDLL(None).puts(b"c at import"); ctypes.CDLL(None).fflush(None)
subprocess.run(["echo", "child at import"])
"""


def test_output_before_and_after_the_handshake_is_streamed_to_foreign_hosts(tmp_path: Path) -> None:
    """P4 P20 P22."""
    folder = write(tmp_path, top=NOISE, init='print("python in init")')
    with started(folder) as host:
        stream = host.stdio()
        seen = b""
        while not seen.endswith(b"init\n"):
            seen += next(stream)
        assert seen == b"python at import\nc at import\nchild at import\npython in init\n"
        assert host.shutdown() == 0
        assert host.stdout.text().count("\n") == 1  # the handshake line and nothing else


def test_output_goes_to_stdout_for_a_host_that_drains_it(tmp_path: Path) -> None:
    with started(write(tmp_path, top=NOISE), AIGES_WORKER_DRAINED_STDOUT="1") as host:
        lines = [host.stdout.next() for _ in range(3)]
        assert lines == [b"python at import\n", b"c at import\n", b"child at import\n"]


def test_output_that_nobody_reads_does_not_block(tmp_path: Path) -> None:
    """P21."""
    folder = write(tmp_path, once='[print("x" * 1023) for _ in range(10240)]')
    with started(folder) as host:
        assert host.once().ret == 0
        assert host.shutdown() == 0


def test_what_was_printed_before_a_crash_has_been_seen(tmp_path: Path) -> None:
    """P50."""
    once = 'print("last words"); import ctypes; ctypes.string_at(0)'
    with started(write(tmp_path, once=once), AIGES_WORKER_DRAINED_STDOUT="1") as host:
        with pytest.raises(grpc.RpcError):
            host.once()
        assert host.process.wait(LIMIT_S) == -signal.SIGSEGV
        assert host.stdout.next() == b"last words\n"
        assert "Segmentation fault" in host.stderr.text()
        assert "in wrapperOnceExec" in host.stderr.text()


def test_fini_is_called_when_the_host_asks_to_leave(tmp_path: Path) -> None:
    """P40."""
    with started(write(tmp_path, fini='open("fini", "w").close()')) as host:
        assert host.shutdown() == 0
    assert (tmp_path / "fini").exists()


def test_sigterm_is_the_same_as_shutdown(tmp_path: Path) -> None:
    """P44."""
    with started(write(tmp_path, fini='open("fini", "w").close()')) as host:
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(LIMIT_S) == 0
        assert host.handshake is not None
        assert not Path(host.handshake.address).exists()
    assert (tmp_path / "fini").exists()


def test_ctrl_c_is_the_hosts_business(tmp_path: Path) -> None:
    """P43."""
    with started(write(tmp_path)) as host:
        host.process.send_signal(signal.SIGINT)
        assert host.once().ret == 0


@pytest.mark.parametrize(
    "stubborn",
    [
        {"fini": "import time; time.sleep(60)"},
        {"fini": "raise RuntimeError('no')"},
        {"fini": "import sys; sys.exit(3)"},
        {"init": "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"},
    ],
)
def test_nothing_in_user_code_stops_the_stop(stubborn: dict[str, str], tmp_path: Path) -> None:
    """P42."""
    folder = write(tmp_path, **stubborn)
    with started(folder, AIGES_WORKER_STOP_GRACE="0.2") as host:
        assert host.shutdown() == 0


def test_a_call_that_never_ends_does_not_stop_the_stop(tmp_path: Path) -> None:
    """P41."""
    folder = write(tmp_path, once='print("begun"); import time; time.sleep(60)')
    with started(folder, AIGES_WORKER_DRAINED_STDOUT="1") as host:
        from aiges_wire.pb import aiges_inner_pb2 as pb  # noqa: PLC0415

        item = pb.RequestData(key="text", data=b"x")
        pending = host.wrapper.wrapperOnceExec.future(pb.Request(tag="t", list=[item]))
        assert host.stdout.next() == b"begun\n"
        assert host.shutdown() == 0
        assert pending.code() is not grpc.StatusCode.OK


KILLED_HOST = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode(), sep="\\n", flush=True)
child.wait()
"""


@pytest.mark.parametrize("shell", [False, True])
def test_it_does_not_outlive_its_host(shell: bool, tmp_path: Path) -> None:
    """P45: also where a shell stands between them."""
    worker = [sys.executable, "-m", "aiges.serve"]
    # Two commands, so that the shell stays and is the worker's parent.
    command = ["sh", "-c", f"{' '.join(worker)}; true"] if shell else worker
    with (
        subprocess.Popen(
            [sys.executable, "-c", KILLED_HOST, *command],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as host,
        socket.socket(socket.AF_UNIX) as witness,
    ):
        assert host.stdout is not None
        host.stdout.readline()
        address = Path(host.stdout.readline().decode().split("|")[3])
        witness.settimeout(LIMIT_S)
        witness.connect(str(address))
        host.kill()
        # HTTP/2 settings come first; the end, of one kind or the other, comes with the worker's.
        with suppress(ConnectionResetError):
            while witness.recv(1024):
                pass
    assert not address.exists()


BLOCKED = """
import os, threading
from aiges.serve import main
flood = lambda: [os.write(2, b"x" * 65536) for _ in range(99)]
threading.Thread(target=flood, daemon=True).start()
os._exit(main())
"""

HOST_THAT_DOES_NOT_READ = """
import fcntl, struct, subprocess, sys, termios, time
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
child.stdout.readline()
waiting = bytearray(4)
while struct.unpack("i", waiting)[0] < 65536:
    fcntl.ioctl(child.stderr, termios.FIONREAD, waiting)
    time.sleep(0.01)
print(child.pid, flush=True)
child.wait()
"""


def test_it_does_not_outlive_a_host_whose_pipe_is_full_of_what_it_wrote(tmp_path: Path) -> None:
    """P46: a thread of it is blocked in a write to stderr."""
    command = [sys.executable, "-c", HOST_THAT_DOES_NOT_READ, sys.executable, "-c", BLOCKED]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        worker = int(host.stdout.readline())
        assert not dies_within(worker, 0.0)
        host.kill()
        assert dies_within(worker, 3.0)


def test_a_worker_without_a_wrapper_says_where_it_looked(tmp_path: Path) -> None:
    with WorkerHost(tmp_path).connect() as host:
        assert host.init() == 30001
        assert f"no wrapper.py in {tmp_path}" in host.stderr.until("cannot load")


def test_temporary_files_are_not_left_in_the_temporary_folder(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as temporary,  # pytest's own is too long for a socket
        started(write(tmp_path), TMPDIR=temporary) as host,
    ):
        assert len(list(Path(temporary).iterdir())) == 1
        host.shutdown()
        assert list(Path(temporary).iterdir()) == []
