"""The service as clients and operators meet it: real processes, real sockets."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.service import LIMIT_S, ROOT, SOURCES, Service, config_text, descendants, once_body
from support.waiting import dies_within

WRAPPER = """
import os, sys, time
from pathlib import Path
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase, StringBodyField, StringParamField

class UserRequest:
    text = StringBodyField(key="text", value=b"hello")

class UserResponse:
    result = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        print("init on stdout", config.get("custom"))
        time.sleep(float(config.get("init_s", "0")))
        return int(config.get("init_ret", "0"))

    def wrapperOnceExec(self, params, reqData):
        if "sleep" in params:
            Path(params.get("mark", "begun")).touch()
            time.sleep(float(params["sleep"]))
        if "exit" in params:
            os._exit(int(params["exit"]))
        node = reqData.list[0]
        item = ResponseData(key="result")
        item.setData(repr(node.desc) if "desc" in params else node.data)
        if "pid" in params:
            item.setData(str(os.getpid()))
        response = Response()
        response.list = [item]
        return response

    def wrapperFini(self):
        Path("fini").touch()
        return 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "wrapper.py").write_text(WRAPPER)
    http_limits = {"maxBodyMb": 1, "headerTimeout": 0.3}
    with Service(folder, http=http_limits, pool={"concurrency": 2}).ready() as service:
        yield service


def test_the_wrappers_own_route_and_the_services_name_are_served(shared: Service) -> None:
    assert shared.once(route="/v3/private/mine").text() == "hello"
    assert shared.once(route="/v1/svcName").text() == "hello"
    assert shared.once(route="/v1/svcName?query=ignored").text() == "hello"
    assert shared.once(route="/v1/%73vcName").text() == "hello"


def test_its_own_example_request_works_as_it_is(shared: Service) -> None:
    example = shared.ask("GET", "/test.json")
    assert example.headers["Content-Type"].startswith("application/json")
    assert shared.ask("POST", "/v1/svcName", example.body).code == 0


def test_the_openapi_document_names_a_route_that_works(shared: Service) -> None:
    url = shared.ask("GET", "/openapi.json").json["servers"][0]["url"]
    assert shared.once(route=url).code == 0


def test_a_trailing_slash_is_redirected_as_swagger_needs_it(shared: Service) -> None:
    answer = shared.ask("POST", "/v3/private/mine/", once_body())
    assert (answer.status, answer.headers["Location"]) == (307, "/v3/private/mine")
    assert answer.body == b""
    answer = shared.ask("POST", "/v3/private/mine/?a=1", once_body())
    assert answer.headers["Location"] == "/v3/private/mine?a=1"


def test_a_whole_url_in_place_of_the_path_is_understood(shared: Service) -> None:
    assert shared.once(route="http://somewhere.test/v1/svcName?a=1").code == 0


def test_a_browser_may_call_from_another_origin(shared: Service) -> None:
    asked = {"Origin": "http://other.test", "Access-Control-Request-Method": "POST"}
    preflight = shared.ask("OPTIONS", "/v1/svcName", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    assert shared.once().headers["Access-Control-Allow-Origin"] == "*"


def test_swagger_is_served_from_here_alone(shared: Service) -> None:
    page = shared.ask("GET", "/swagger/index.html").body.decode()
    assert "http" not in page.replace("<!DOCTYPE html>", "")
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        found = shared.ask("GET", f"/swagger/{name}")
        assert found.status == 200
        if name.endswith(".css"):
            assert not re.findall(rb"url\((?!data:|\"data:|'data:)[^)]*\)", found.body)
    for path in ("../../../etc/passwd", "%2e%2e/%2e%2e/core.py", "", "index.html/", "LICENSE/.."):
        assert shared.ask("GET", f"/swagger/{path}").status == 404


def test_a_body_over_the_limit_is_refused_unread(shared: Service) -> None:
    with socket.create_connection(("127.0.0.1", shared.http_port), timeout=LIMIT_S) as client:
        head = "POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
        client.sendall(head.encode())
        answer = client.makefile("rb").read()  # it closes: the rest is not worth reading
    assert answer.startswith(b"HTTP/1.1 413 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["header"]["code"] == 10000
    assert "too large" in body["header"]["message"]


def test_a_chunked_body_over_the_limit_is_refused_as_well(shared: Service) -> None:
    client = http.client.HTTPConnection("127.0.0.1", shared.http_port, timeout=LIMIT_S)
    chunks = iter([b"x" * 65536] * 40)
    with suppress(ConnectionError):  # it may hang up while we still write
        client.request("POST", "/v1/svcName", body=chunks, encode_chunked=True)
    answer = client.getresponse()
    assert answer.status == 413
    client.close()


def test_a_body_of_the_allowed_size_passes(shared: Service) -> None:
    text = b"y" * 700_000
    assert shared.once(text).text() == text.decode()


def test_a_large_answer_that_is_no_text_does_not_hold_up_others(folder: Path) -> None:
    with Service(folder).ready() as service:
        body = once_body(bytes(range(256)) * 40_000)  # slow to make text of: half is not UTF-8
        statuses: list[int] = []
        client = threading.Thread(
            target=lambda: statuses.append(service.ask("POST", "/v1/svcName", body).status)
        )
        client.start()
        began, slowest, whole = time.monotonic(), 0.0, 0.0
        while client.is_alive():
            asked = time.monotonic()
            assert service.ask("GET", "/livez").status == 200
            slowest = max(slowest, time.monotonic() - asked)
            whole = time.monotonic() - began
        client.join()
        assert statuses == [200]
        assert slowest < whole / 3


def test_expect_continue_is_answered(shared: Service) -> None:
    body = once_body()
    head = (
        "POST /v1/svcName HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.http_port), timeout=LIMIT_S) as client:
        client.sendall(head.encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 100 Continue")
        client.sendall(body)
        assert b'"code":0' in client.makefile("rb").read()


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_plain_400(noise: bytes, shared: Service) -> None:
    with socket.create_connection(("127.0.0.1", shared.http_port), timeout=LIMIT_S) as client:
        client.sendall(noise)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.0 400 ")
    assert b"aiohttp" not in answer
    assert shared.once().code == 0


def test_many_and_long_header_fields_are_read(shared: Service) -> None:
    headers = {f"X-Field-{number}": "v" for number in range(900)} | {"Cookie": "c" * 60_000}
    assert shared.ask("POST", "/v1/svcName", once_body(), headers=headers).code == 0


def test_a_client_that_never_finishes_its_head_is_cut_off(shared: Service) -> None:
    with socket.create_connection(("127.0.0.1", shared.http_port), timeout=LIMIT_S) as client:
        client.sendall(b"POST /v1/svcName HTTP/1.1\r\nHost:")
        assert client.recv(100) == b""


def test_attributes_of_a_payload_reach_the_wrapper(shared: Service) -> None:
    assert shared.once(desc="1").text() == "{'encoding': 'utf8'}"


def test_probes_and_grpc_health_agree(shared: Service) -> None:
    assert shared.ask("GET", "/livez").status == 200
    assert shared.ask("GET", "/readyz").status == 200
    with grpc.insecure_channel(f"127.0.0.1:{shared.grpc_port}") as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=LIMIT_S
        )
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_what_the_wrapper_prints_is_in_the_log_with_its_worker(shared: Service) -> None:
    shared.wait_for(r"\[worker 1\] init on stdout None")


def test_the_log_file_has_one_json_object_a_line(shared: Service) -> None:
    lines = (shared.folder / "log" / "aiges.log").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    printed = next(record for record in records if "init on stdout" in record["msg"])
    assert printed["worker"] == 1
    assert printed["stream"] == "stdout"
    assert {"level", "ts", "pid"} <= set(printed)


def test_two_calls_run_at_once_and_the_third_waits(shared: Service) -> None:
    with ThreadPoolExecutor(3) as threads:
        began = time.monotonic()
        answers = [threads.submit(shared.once, sleep=0.4) for _ in range(3)]
        assert [answer.result().code for answer in answers] == [0, 0, 0]
        assert time.monotonic() - began >= 0.8


def test_a_client_that_leaves_frees_its_licence_at_once(folder: Path) -> None:
    with Service(folder, fc={"max": 1}, pool={"concurrency": 2}).ready() as service:
        with socket.create_connection(("127.0.0.1", service.http_port)) as client:
            body = once_body(sleep=20, mark="begun")
            client.sendall(b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\n")
            client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for_file(folder / "begun")
            assert service.once().code == 10110
        deadline = time.monotonic() + LIMIT_S
        while service.once().code == 10110:
            assert time.monotonic() < deadline
        service.process.kill()


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.005)


def test_the_deadline_of_a_call_is_kept(folder: Path) -> None:
    sections = {"http": {"timeout": 0.3}, "pool": {"drainTimeout": 0.1}}
    with Service(folder, **sections).ready() as service:
        answer = service.once(sleep=30)
        assert (answer.status, answer.code) == (504, 10102)
        assert answer.message == "service exec once request timeout"


def test_legacy_status_answers_500_for_every_error(folder: Path) -> None:
    with Service(folder, http={"legacyStatus": True}, fc={"max": 0}).ready() as service:
        answers = [service.once(), service.ask("POST", "/v1/svcName", b"{")]
        assert [(answer.status, answer.code) for answer in answers] == [(500, 10110), (500, 10000)]


def test_a_refused_call_says_when_to_come_back(folder: Path) -> None:
    with Service(folder, fc={"max": 0}).ready() as service:
        assert service.once().headers["Retry-After"] == "1"


def test_requests_before_the_first_worker_is_ready_wait_for_it(folder: Path) -> None:
    with Service(folder, wrapper={"init_s": "0.5"}) as service:
        match = service.wait_for(r"listening http=\S+?:(\d+)")
        service.http_port = int(match[1])
        assert service.ask("GET", "/livez").status == 200
        assert service.ask("GET", "/readyz").status == 503
        assert service.once().text() == "hello"


def test_a_killed_worker_is_replaced_and_calls_wait_for_the_new_one(folder: Path) -> None:
    with Service(folder).ready() as service:
        for _ in range(3):
            pid = int(service.once(pid=1).text())
            os.kill(pid, signal.SIGKILL)
            assert int(service.once(pid=1).text()) != pid


def test_several_workers_share_the_calls(folder: Path) -> None:
    with Service(folder, pool={"workers": 2, "concurrency": 1}).ready() as service:
        service.wait_for(r"worker ready worker=1")
        service.wait_for(r"worker ready worker=2")
        with ThreadPoolExecutor(2) as threads:
            answers = [threads.submit(service.once, pid=1, sleep=0.3) for _ in range(2)]
            assert len({answer.result().text() for answer in answers}) == 2


def test_sigterm_finishes_what_has_begun_and_leaves_nothing(folder: Path) -> None:
    with Service(folder).ready() as service:
        workers = service.workers()
        answers = []
        client = threading.Thread(target=lambda: answers.append(service.once(sleep=0.5)))
        client.start()
        wait_for_file(folder / "begun")
        assert service.stop() == 0
        client.join()
        assert answers[0].code == 0
        assert (folder / "fini").exists()
        assert workers
        assert all(dies_within(pid, 0.0) for pid in workers)
        with pytest.raises(ConnectionRefusedError):
            service.once()


def test_connections_that_the_kernel_has_accepted_are_answered_at_the_stop(folder: Path) -> None:
    with Service(folder).ready() as service:
        service.process.send_signal(signal.SIGSTOP)  # so that nobody accepts for a while
        body = once_body()
        clients = [socket.create_connection(("127.0.0.1", service.http_port)) for _ in range(20)]
        for client in clients:
            client.settimeout(LIMIT_S)
            client.sendall(b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
            client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        # Only now: one that has said nothing yet has nothing that could be answered.
        service.process.send_signal(signal.SIGTERM)
        service.process.send_signal(signal.SIGCONT)
        answered = [b'"code":0' in client.makefile("rb").read() for client in clients]
        for client in clients:
            client.close()
        assert answered == [True] * 20
        assert service.wait() == 0


def test_an_idle_connection_does_not_delay_the_stop(folder: Path) -> None:
    with Service(folder).ready() as service:
        client = http.client.HTTPConnection("127.0.0.1", service.http_port, timeout=LIMIT_S)
        client.request("POST", "/v1/svcName", once_body())
        client.getresponse().read()
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 10  # not drainTimeout, which is 30
        client.close()


def test_a_second_signal_does_not_wait_for_calls(folder: Path) -> None:
    with Service(folder).ready() as service:
        workers = service.workers()
        client = threading.Thread(target=lambda: ignore_disconnect(service))
        client.start()
        wait_for_file(folder / "begun")
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("finishing what has begun")
        assert service.stop() == 0
        client.join()
        assert all(dies_within(pid, 1.0) for pid in workers)
        assert not any("Traceback" in line for line in service.log)


def test_a_signal_while_the_program_is_leaving_does_not_spoil_its_status(folder: Path) -> None:
    with Service(folder).ready() as service:
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("stopped$")
        while service.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                service.process.send_signal(number)
        assert service.wait() == 0


def test_a_call_that_outlasts_the_drain_is_answered_and_the_stop_is_not_late(folder: Path) -> None:
    with Service(folder, pool={"drainTimeout": 1}).ready() as service:
        answers = []
        client = threading.Thread(target=lambda: answers.append(service.once(sleep=60)))
        client.start()
        wait_for_file(folder / "begun")
        began = time.monotonic()
        assert service.stop() == 0
        client.join()
        assert time.monotonic() - began < 1 + 9  # wrapperFini and signals have limits of their own
        assert (answers[0].status, answers[0].code) == (502, 10109)
        assert "drainTimeout" in answers[0].message
        assert not any("Traceback" in line for line in service.log)


def ignore_disconnect(service: Service) -> None:
    try:
        service.once(sleep=60)
    except (ConnectionError, http.client.HTTPException):
        return


def test_sighup_brings_new_workers_without_losing_a_call(folder: Path) -> None:
    with Service(folder, fc={"max": 8}).ready() as service:
        before = int(service.once(pid=1).text())
        codes: list[int] = []
        over = threading.Event()

        def call_all_the_time() -> None:
            while not over.is_set():
                codes.append(service.once().code)

        client = threading.Thread(target=call_all_the_time)
        client.start()
        wrapper = (folder / "wrapper.py").read_text().replace('"mine"', '"other"')
        (folder / "wrapper.py").write_text(wrapper)
        for count in range(1, 4):
            (folder / "aiges.toml").write_text(config_text(fc={"max": 8}, pool={"workers": count}))
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(r"reloaded routes=/v3/private/other", after=len(service.log))
        over.set()
        client.join()
        assert set(codes) == {0}
        assert len(codes) > 3
        assert int(service.once(pid=1).text()) != before
        assert service.once(route="/v3/private/other").code == 0
        assert service.ask("POST", "/v3/private/mine", once_body()).status == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[pool]\nworkers = 0\n", r"not reloaded: aiges.toml:\d+: \[pool\] workers: expected"),
        ("[oops\n", r"not reloaded: aiges.toml:\d+"),
        ('[wrapper]\ninit_ret = "5"\n', "not reloaded: the successor of worker 1 .*ret: 30002"),
    ],
)
def test_a_bad_configuration_costs_a_running_service_nothing(
    change: str, said: str, folder: Path
) -> None:
    with Service(folder).ready() as service:
        before = service.once(pid=1).text()
        good = config_text()
        if change.startswith("[wrapper]"):
            (folder / "aiges.toml").write_text(config_text(wrapper={"init_ret": "5"}))
        else:
            (folder / "aiges.toml").write_text(good + change)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(said)
        reason = said.removeprefix("not reloaded: ").removeprefix("the successor of worker 1 .*")
        assert len([line for line in service.log if re.search(reason, line)]) == 1
        assert "worker died" not in "\n".join(service.log)
        assert service.once(pid=1).text() == before
        assert service.ask("GET", "/readyz").status == 200


def test_a_killed_supervisor_leaves_no_worker(folder: Path) -> None:
    with Service(folder).ready() as service:
        workers = service.workers()
        service.process.kill()
        service.process.wait(LIMIT_S)
        assert workers
        assert all(dies_within(pid, 5.0) for pid in workers)


def test_the_next_start_removes_what_a_killed_supervisor_left(folder: Path, tmp_path: Path) -> None:
    temporary = Path("/tmp") / f"aiges-test-{os.getpid()}"
    temporary.mkdir()
    try:
        env = {"TMPDIR": str(temporary)}
        with Service(folder, env=env).ready() as service:
            service.process.kill()
            service.process.wait(LIMIT_S)
        assert len(list(temporary.iterdir())) == 1
        with Service(folder, env=env).ready() as service:
            service.wait_for("removed what a killed supervisor left")
            assert service.stop() == 0
        assert list(temporary.iterdir()) == []
    finally:
        subprocess.run(["rm", "-rf", str(temporary)], check=True)


FAILURES = [
    ({"wrapper": {"init_ret": "7"}}, "", r"wrapperInit failed, ret: 30002"),
    ({}, "import nothing_like_it", r"wrapperInit failed, ret: 30001"),
    ({"aiges": {"pythonPluginCmd": "exit 3"}}, "", r"exited with status 3"),
    ({"aiges": {"pythonPluginCmd": "no-such-program"}}, "", r"exited with status 127"),
    ({"aiges": {"pythonPluginCmd": "echo noise; sleep 60"}}, "", r"expected at least 4 fields"),
    (
        {"aiges": {"pythonPluginCmd": "sleep 60"}, "pool": {"startTimeout": 1}},
        "",
        r"no handshake line within 1 s",
    ),
]


@pytest.mark.parametrize(("sections", "source", "reason"), FAILURES)
def test_a_start_that_fails_says_why_exits_1_and_leaves_nothing(
    sections: dict[str, dict[str, object]], source: str, reason: str, folder: Path
) -> None:
    if source:
        (folder / "wrapper.py").write_text(source)
    with Service(folder, **sections) as service:
        children: set[int] = set()
        while service.process.poll() is None:
            children.update(descendants(service.process.pid))
        assert service.wait() == 1
        told = [line for line in service.log if re.search(reason, line)]
        assert len(told) == 1  # once is enough
        assert re.search(rf"ERROR +the worker did not start: .*{reason}", told[0])
        assert all(dies_within(pid, 1.0) for pid in children)
        if source:
            assert any("No module named 'nothing_like_it'" in line for line in service.log)


@pytest.mark.parametrize("which", ["HTTP", "gRPC"])
def test_a_busy_port_is_named_and_nothing_is_started(which: str, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        key = {
            "HTTP": {"wrapper": {"http_listen": f"127.0.0.1:{port}"}},
            "gRPC": {"svcName": {"port": port}},
        }[which]
        with Service(folder, **key) as service:
            assert service.wait() == 1
            line = service.log[-1]
            assert f"cannot listen on 127.0.0.1:{port} for {which}" in line
            assert "Address already in use" in line
            assert not any("worker started" in line for line in service.log)


def test_the_environment_overrides_the_file(folder: Path) -> None:
    with Service(folder, env={"AIGES__FC__MAX": "0"}).ready() as service:
        assert service.once().code == 10110


def test_the_samples_are_served_as_they_stand(tmp_path: Path) -> None:
    config = tmp_path / "aiges.toml"
    config.write_text(config_text())
    for sample, expected in [
        ("echo", "hello"),
        ("digits", '{"result": 7, "msg": "识别结果为数字: 7"}'),
    ]:
        folder = ROOT / "wrappers" / sample
        arguments = ("-m", "0", "-c", str(config), "-s", "svcName")
        env = {"AIGES__LOG__FILE": str(tmp_path / "log")}
        with Service(folder, arguments=arguments, env=env, writes_config=False).ready() as service:
            example = service.ask("GET", "/test.json").body
            assert service.ask("POST", "/v1/svcName", example).text() == expected


def test_an_interpreter_without_aiges_is_replaced_by_ours(folder: Path) -> None:
    bare = folder / "bin"
    bare.mkdir()
    python = bare / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    env = {"PATH": f"{bare}{os.pathsep}{os.environ['PATH']}"}
    command = {"pythonPluginCmd": "/usr/bin/env python -m aiges.serve"}
    with Service(folder, env=env, aiges=command).ready() as service:
        service.wait_for(
            rf"workers use the python in .*{re.escape(str(python))} cannot import aiges"
        )
        assert service.once().code == 0


def test_a_log_that_nobody_reads_stalls_nothing_but_itself(folder: Path) -> None:
    read_end, write_end = os.pipe()
    (folder / "aiges.toml").write_text(config_text())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "aiges_loader", "-m", "0", "-c", "aiges.toml"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": SOURCES,
            "AIGES__WRAPPER__HTTP_LISTEN": f"127.0.0.1:{port}",
            "AIGES__LOG__LEVEL": "debug",
        },
        stderr=write_end,
    )
    os.close(write_end)
    try:
        body, answered, deadline = once_body(), 0, time.monotonic() + LIMIT_S
        while answered < 1500:  # each is a line of the log; the pipe holds some hundreds
            assert time.monotonic() < deadline
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
            with suppress(ConnectionRefusedError):
                client.request("POST", "/v1/svcName", body)
                answered += client.getresponse().status == 200
            client.close()
        process.terminate()
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait(LIMIT_S)
        os.close(read_end)
