"""HTTP served by several processes: as by one, exactly, and none of them takes others along.

The recorded exchanges are replayed over two processes in test_golden_http.py.
"""

import http.client
import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from drills.load import Load, target_of
from support.service import LIMIT_S, Answer, Service, config_text, once_body
from support.trees import MARKER, gone_within, kill_marked, marked
from support.waiting import dies_within, until

WRAPPER = """
import threading, time
from pathlib import Path
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase, StringBodyField, current_call

class UserRequest:
    text = StringBodyField(key="text", value=b"hello")

class UserResponse:
    result = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"
    requestCls = UserRequest()
    responseCls = UserResponse()
    lock = threading.Lock()
    running = most = 0

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        with self.lock:
            Wrapper.running += 1
            Wrapper.most = max(self.most, self.running)
        try:
            if params.get("do") == "pause":
                time.sleep(0.02)
            if "until" in params:
                print("holding %s\\n" % params["until"], end="", flush=True)
                call = current_call()
                while not Path(params["until"]).exists():
                    if call.is_cancelled and "stubborn" not in params:
                        break
                    time.sleep(0.005)
                print("let go %s %s\\n" % (params["until"], call.is_cancelled), end="", flush=True)
            item = ResponseData(key="result")
            item.setData(str(self.most) if "most" in params else reqData.list[0].data)
            response = Response()
            response.list = [item]
            return response
        finally:
            with self.lock:
                Wrapper.running -= 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture
def marker() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    kill_marked(name)


def two(folder: Path, env: Mapping[str, str] | None = None, **sections: Any) -> Service:
    """Start a service whose HTTP is served by two processes."""
    sections["http"] = {"processes": 2, **sections.get("http", {})}
    sections["pool"] = {"concurrency": 8, **sections.get("pool", {})}
    return Service(folder, env=env, **sections)


def both_ready(service: Service) -> Service:
    service.ready()
    for number in (1, 2):
        service.wait_for(rf"front end ready front={number}")
    return service


class Client:
    """One connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", service.http_port, timeout=LIMIT_S
        )
        self._connection.connect()
        self._port = self._connection.sock.getsockname()[1]

    def send(self, method: str, path: str, body: bytes | None = None) -> None:
        self._connection.request(method, path, body)

    def answer(self) -> Answer:
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def once(self, **params: Any) -> Answer:
        self.send("POST", "/v1/svcName", once_body(**params))
        return self.answer()

    def get(self, path: str) -> Answer:
        self.send("GET", path)
        return self.answer()

    def holder(self) -> int:
        """Return the pid of the process that has the other end."""
        supervisor = psutil.Process(self._service.process.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # one that has just ended has none
                for found in process.net_connections("tcp"):
                    if found.raddr and found.raddr.port == self._port:
                        return process.pid
        raise AssertionError("nobody has the connection")

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fronts(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.admin("GET", "/status").json["fronts"]
    return found


def front_pids(service: Service) -> list[int]:
    return [front["pid"] for front in fronts(service)]


def licences_taken(service: Service) -> int:
    return int(service.admin("GET", "/status").json["licences"]["taken"])


def one_client_each(service: Service, stack: ExitStack) -> dict[int, Client]:
    """Connect until each front end has a client; return the first of each by its pid."""
    clients: dict[int, Client] = {}
    pids = front_pids(service)
    for _ in range(200):
        client = stack.enter_context(Client(service))
        assert client.once().code == 0
        clients.setdefault(client.holder(), client)
        if set(pids) <= set(clients):
            return {pid: clients[pid] for pid in pids}
    raise AssertionError(f"of 200 connections none went to one of {pids}")


def test_plain_requests_stay_at_front_ends_and_others_go_to_the_supervisor(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        for pid, client in one_client_each(service, stack).items():
            assert client.once().text() == "hello"
            assert client.holder() == pid
            assert client.get("/livez").body == b"ok\n"
            assert client.holder() == service.process.pid
            assert client.once().text() == "hello"
            assert client.get("/openapi.json").status == 200


def test_connections_are_shared_out_evenly(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        clients = [stack.enter_context(Client(service)) for _ in range(40)]
        for client in clients:
            assert client.once().code == 0
        counts = [front["connections"] for front in fronts(service)]
        assert sum(counts) == 40
        assert min(counts) >= 15


def test_a_request_behind_a_plain_one_is_answered_behind_it(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        with socket.create_connection(("127.0.0.1", service.http_port), LIMIT_S) as client:
            body = once_body(b"x" * 200_000)
            head = f"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            plain = head.encode() + body
            probe = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            client.sendall(plain + plain + probe)
            answers = client.makefile("rb").read()
        assert answers.count(b'"code":0') == 2
        assert answers.endswith(b"ready\n")


def test_a_long_body_for_another_path_goes_with_its_connection(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        for _ in range(4):
            assert service.ask("POST", "/v1/nowhere", b"y" * 3_000_000).status == 404
        for size in (100, 300_000, 1_000_000):  # chunked: the supervisor reads it
            client = http.client.HTTPConnection("127.0.0.1", service.http_port, timeout=LIMIT_S)
            chunks = iter([once_body(b"z" * size)])
            client.request("POST", "/v1/svcName", body=chunks, encode_chunked=True)
            answer = client.getresponse()
            assert json.loads(answer.read())["payload"]["result"]["text"] == "z" * size
            client.close()


def test_licences_are_counted_once_for_all_processes(folder: Path) -> None:
    sections: dict[str, Any] = {"fc": {"max": 3}}
    with both_ready(two(folder, **sections)) as service:
        codes: list[int] = []

        def call_often() -> None:
            with Client(service) as client:
                codes.extend(client.once().code for _ in range(100))

        with ThreadPoolExecutor(12) as threads:
            for future in [threads.submit(call_often) for _ in range(12)]:
                future.result()
        assert set(codes) == {0, 10110}
        assert codes.count(10110) > 0
        assert int(service.once(most=1).text()) <= 3
        assert licences_taken(service) == 0
        with ThreadPoolExecutor(3) as threads:  # and none is lost
            held = [threads.submit(service.once, until=f"go{n}") for n in range(3)]
            for number in range(3):
                service.wait_for(f"holding go{number}")
            refused = service.once()
            assert (refused.status, refused.code) == (503, 10110)
            assert refused.headers["Retry-After"] == "1"
            for number in range(3):
                (folder / f"go{number}").touch()
            assert [answer.result().code for answer in held] == [0, 0, 0]


def test_calls_that_wait_for_a_licence_wait_for_their_turn(folder: Path) -> None:
    sections: dict[str, Any] = {"fc": {"max": 1}, "pool": {"queue": 8}}
    with both_ready(two(folder, **sections)) as service, ThreadPoolExecutor(9) as threads:
        held = threads.submit(service.once, until="go")
        service.wait_for("holding go")
        waiting = [threads.submit(service.once) for _ in range(8)]
        while service.admin("GET", "/status").json["queue"]["taken"] < 8:
            pass
        assert service.once().code == 10110
        (folder / "go").touch()
        assert [answer.result().code for answer in (held, *waiting)] == [0] * 9


def test_a_client_that_leaves_a_front_end_gives_its_licence_back(folder: Path) -> None:
    with both_ready(two(folder, fc={"max": 1})) as service, ExitStack() as stack:
        for client in one_client_each(service, stack).values():
            client.send("POST", "/v1/svcName", once_body(until=f"{id(client)}"))
            service.wait_for(f"holding {id(client)}")
            client.close()
            service.wait_for(f"let go {id(client)} True")  # the worker was told
            assert service.once().code == 0


def test_a_deadline_holds_at_a_front_end(folder: Path) -> None:
    with both_ready(two(folder, http={"timeout": 1}, fc={"max": 1})) as service:
        late = service.once(until="go", stubborn=1)
        assert (late.status, late.code) == (504, 10102)
        (folder / "go").touch()
        service.wait_for("let go go True")  # the worker had been told
        assert service.once().code == 0


def test_a_killed_front_end_takes_only_its_own_clients_along(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        (doomed, lost), (_, other) = one_client_each(service, stack).items()
        for name, client in (("lost", lost), ("other", other)):
            client.send("POST", "/v1/svcName", once_body(until=name))
            service.wait_for(f"holding {name}")
        assert licences_taken(service) == 2
        before = sum(requests_by_code(service).values())
        seen = len(service.log)
        os.kill(doomed, signal.SIGKILL)
        service.wait_for(r"front end died front=\d reason=killed by SIGKILL", after=seen)
        service.wait_for(r"front end ready front=\d", after=seen)
        service.wait_for("let go lost True")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            lost.answer()
        assert licences_taken(service) == 1
        (folder / "other").touch()
        assert other.answer().code == 0
        assert sorted(front["restarts"] for front in fronts(service)) == [0, 1]
        assert doomed not in front_pids(service)
        assert {front["serves"] for front in fronts(service)} == {True}
        assert one_client_each(service, stack)
        # Nothing that was counted is forgotten with the process; its call ended without an answer.
        counted = requests_by_code(service)
        assert sum(counted.values()) > before
        assert counted["none"] == 1


def test_without_any_front_end_the_supervisor_accepts(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        seen = len(service.log)
        for pid in front_pids(service):
            os.kill(pid, signal.SIGKILL)
        assert service.once().code == 0
        service.wait_for("no front end serves: the supervisor accepts", after=seen)
        for number in (1, 2):
            service.wait_for(rf"front end ready front={number}", after=seen)
        assert service.once().code == 0
        assert service.stop() == 0


def test_a_front_end_that_hangs_is_replaced(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        (stopped, client), _ = one_client_each(service, stack).items()
        client.send("POST", "/v1/svcName", once_body(until="never"))
        service.wait_for("holding never")
        os.kill(stopped, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as threads:  # the other one goes on meanwhile
            assert threads.submit(service.once).result().code == 0
        service.wait_for(r"front end died front=\d reason=it hangs: no sign of life for 10 s")
        service.wait_for("let go never True")
        assert dies_within(stopped, LIMIT_S)
        assert licences_taken(service) == 0
        assert service.once().code == 0


def test_connections_that_the_kernel_has_accepted_are_answered_at_the_stop(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        pids = front_pids(service)
        for pid in pids:  # so that nobody accepts for a while
            os.kill(pid, signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", service.http_port)) for _ in range(20)]
        body = once_body()
        head = f"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        requests = (head.encode() + body, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        for number, client in enumerate(clients):
            client.settimeout(LIMIT_S)
            client.sendall(requests[number % 2])
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("finishing what has begun")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        answers = [client.makefile("rb").read() for client in clients]  # up to their closing
        for client in clients:
            client.close()
        assert [b"HTTP/1.1 200" in answer for answer in answers] == [True] * 20
        assert service.wait() == 0


def test_sigterm_finishes_what_has_begun_at_every_front_end(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        below = service.workers()
        clients = one_client_each(service, stack)
        for pid, client in clients.items():
            client.send("POST", "/v1/svcName", once_body(until=str(pid)))
            service.wait_for(f"holding {pid}")
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("finishing what has begun")
        for pid, client in clients.items():
            (folder / str(pid)).touch()
            answer = client.answer()
            assert (answer.code, answer.headers.get("Connection")) == (0, "close")
        assert service.wait() == 0
        assert all(dies_within(pid, 0.0) for pid in below)
        assert not any("Traceback" in line for line in service.log)


def test_a_call_that_outlasts_the_drain_is_answered(folder: Path) -> None:
    with both_ready(two(folder, pool={"drainTimeout": 0.5})) as service, ExitStack() as stack:
        clients = one_client_each(service, stack)
        for pid, client in clients.items():
            client.send("POST", "/v1/svcName", once_body(until=f"never-{pid}"))
            service.wait_for(f"holding never-{pid}")
        service.process.send_signal(signal.SIGTERM)
        for client in clients.values():
            answer = client.answer()
            assert (answer.status, answer.code) == (502, 10109)
        assert service.wait() == 0


def test_a_front_end_that_stands_still_delays_the_stop_by_little(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        os.kill(front_pids(service)[0], signal.SIGSTOP)
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 15  # not drainTimeout, which is 30
        service.wait_for(r"front end died front=\d reason=it did not leave in 3 s")


def test_no_call_is_lost_when_the_service_stops_under_load(folder: Path) -> None:
    with (
        both_ready(two(folder)) as service,
        Load(target_of(service), 8, do="pause", may_hang_up=True) as load,
    ):
        load.wait_for(40)
        assert service.stop() == 0
    assert len(load.outcomes) >= 40
    assert load.failed == []


def test_a_reload_reaches_every_front_end(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        clients = one_client_each(service, stack)
        wrapper = (folder / "wrapper.py").read_text().replace('"mine"', '"other"')
        (folder / "wrapper.py").write_text(wrapper)
        new = {"http": {"processes": 3, "legacyStatus": True, "maxBodyMb": 1}}
        (folder / "aiges.toml").write_text(config_text(**new))
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(r"\[http\] processes: takes effect at the next start")
        service.wait_for("reloaded routes=/v3/private/other")
        for pid, client in clients.items():
            client.send("POST", "/v3/private/other", once_body())
            assert client.answer().code == 0
            client.send("POST", "/v1/svcName", b"[]")
            answer = client.answer()
            assert (answer.status, answer.code) == (500, 10000)
            assert client.holder() == pid
            client.send("POST", "/v3/private/mine", once_body())
            assert client.answer().status == 404
        assert "too large" in service.once(b"x" * 2_000_000).message
        assert len(front_pids(service)) == 2


def test_metrics_are_sums_over_all_processes(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        clients = one_client_each(service, stack)
        before = requests_by_code(service).get("0", 0.0)
        for client in clients.values():
            for _ in range(5):
                assert client.once().code == 0
            client.send("POST", "/v1/svcName", b"no JSON")
            assert client.answer().code == 10000
        last = next(iter(clients.values()))
        last.get("/livez")  # from now on it is the supervisor's
        assert last.once().code == 0
        counted = requests_by_code(service)
        assert (counted["0"] - before, counted["10000"]) == (11, 2)
        page = service.admin("GET", "/metrics").body.decode()
        total = sum(counted.values())
        assert f"aiges_request_duration_seconds_count {total}" in page


def requests_by_code(service: Service) -> dict[str, float]:
    counted = {}
    for line in service.admin("GET", "/metrics").body.decode().splitlines():
        if line.startswith("aiges_requests_total{"):
            counted[line.split('"')[1]] = float(line.rpartition(" ")[2])
    return counted


def test_a_killed_supervisor_leaves_no_front_end(folder: Path, marker: str) -> None:
    with both_ready(two(folder, env={MARKER: marker})) as service:
        pids = front_pids(service)
        assert set(pids) <= set(marked(marker))
        os.kill(pids[0], signal.SIGSTOP)  # this one cannot see to it itself
        service.process.kill()
        gone_within(marker, 1.0)


def test_signals_for_the_supervisor_do_not_end_a_front_end(folder: Path) -> None:
    with both_ready(two(folder)) as service:
        pids = front_pids(service)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for pid in pids:
                os.kill(pid, number)
        assert service.once().code == 0
        assert front_pids(service) == pids
        assert service.stop() == 0


def test_a_supervisor_that_serves_alone_starts_no_front_end(folder: Path) -> None:
    with Service(folder).ready() as service:
        assert service.once().code == 0
        assert fronts(service) == []
        assert not [line for line in service.log if "front end" in line]
        names = [psutil.Process(pid).cmdline() for pid in service.workers()]
        assert not [words for words in names if "aiges_loader.fronts" in words]


async def test_idle_front_ends_count_their_connections(folder: Path) -> None:
    with both_ready(two(folder)) as service, ExitStack() as stack:
        clients = [stack.enter_context(Client(service)) for _ in range(10)]

        def connections() -> int:
            return sum(front["connections"] for front in fronts(service))

        await until(lambda: connections() == 10, "ten connections are counted")
        for client in clients:
            client.close()
        await until(lambda: connections() == 0, "none is left")
