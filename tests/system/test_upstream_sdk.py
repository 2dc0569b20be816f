"""Workers of the upstream SDK, as its users have them installed, under our supervisor.

They log to /log/app, which is fixed in their code.
"""

import base64
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from support import upstream
from support.service import LIMIT_S, Answer, Service, once_body
from support.waiting import dies_within

WRAPPERS = Path(__file__).resolve().parents[1] / "golden" / "http-wrappers"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(32))

AT_ONCE_S = 5.0
"""The original lets the client wait 120 s where something has long been decided."""

# What 0.5.0 has: other modules, no `data_type` in answers, plain attributes.
ECHO_FOR_0_5 = b"""
from aiges.dto import Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase
from aiges.types import DataText, Once

class Request:
    input1 = StringBodyField(key="text", value=b"hello")

class Answer:
    accept1 = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "svcName"
    version = "v1"
    requestCls = Request()
    responseCls = Answer()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        data = reqData.get("text").data
        answer = Response()
        answer.list = [ResponseData("result", data, len(data), DataText, Once)]
        return answer
"""


@pytest.fixture(scope="module", autouse=True)
def _the_port() -> Iterator[None]:
    with upstream.the_port():
        yield


@contextmanager
def serving(
    folder: Path,
    wrapper: str | bytes = "echo",
    *,
    sdk_version: str = "0.15.0",
    env: Mapping[str, str] | None = None,
    **sections: Mapping[str, object],
) -> Iterator[Service]:
    """Start a supervisor with an upstream worker; neither, nor the port, outlives the block.

    Args:
        wrapper: The name of a golden one, or its source.
    """
    source = wrapper if isinstance(wrapper, bytes) else (WRAPPERS / f"{wrapper}.py").read_bytes()
    (folder / "wrapper.py").write_bytes(source)
    command = {"pythonPluginCmd": upstream.worker_command(sdk_version)}
    upstream.wait_until_port_is_free()
    with Service(folder, env=env, aiges=command, **sections) as service:
        yield service
    upstream.wait_until_port_is_free()


@pytest.fixture(scope="class")
def running_modes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The wrapper that does what `ctl` says, with one licence: what takes it must give it back."""
    with serving(tmp_path_factory.mktemp("modes"), "modes", fc={"max": 1}) as service:
        yield service.ready()


@pytest.fixture
def modes(running_modes: Service) -> Iterator[Service]:
    """The same; after whatever a test did, the same worker answers the next call."""
    worker = running_modes.worker_pid()
    yield running_modes
    assert echoed(running_modes) == "still there"
    assert running_modes.worker_pid() == worker


def echoed(service: Service, text: str = "still there") -> str:
    answer = service.once(text.encode())
    assert answer.status == 200, answer.body
    return answer.text()


def at_once(service: Service, body: bytes) -> Answer:
    return service.ask("POST", "/v1/svcName", body, timeout_s=AT_ONCE_S)


def image_body() -> bytes:
    body = json.loads(once_body(ctl="image"))
    body["parameter"]["svcName"]["pic"] = {"encoding": "png", "data_type": "image"}
    return json.dumps(body).encode()


class TestOneService:
    """What one worker does; a class, so that it has gone before the next one comes."""

    def test_a_call_is_answered(self, modes: Service) -> None:
        answer = modes.once("héllo 你好".encode())
        assert (answer.status, answer.code, answer.text()) == (200, 0, "héllo 你好")

    def test_the_worker_is_the_upstream_sdk(self, modes: Service) -> None:
        worker = modes.worker_pid()
        command = psutil.Process(worker).cmdline()
        assert command[0].startswith(str(upstream.CACHE))
        assert command[1:] == ["-m", "aiges.serve"]

    def test_its_schema_is_in_our_openapi_document(self, modes: Service) -> None:
        document = modes.ask("GET", "/openapi.json").json
        assert "/v1/private/svcName" in document["servers"][0]["url"] + "".join(document["paths"])
        request = document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]
        assert list(request["schema"]["properties"]["payload"]["properties"]) == ["text"]

    def test_an_image_is_answered(self, modes: Service) -> None:
        answer = at_once(modes, image_body())
        assert base64.b64decode(answer.json["payload"]["pic"]["image"]) == PNG

    @pytest.mark.parametrize("ctl", ["raise", "none", "empty", "notresponse", "str"])
    def test_a_wrapper_that_gives_no_answer_fails_at_once(self, modes: Service, ctl: str) -> None:
        answer = at_once(modes, once_body(ctl=ctl))
        assert (answer.status, answer.code) == (500, 30003)

    def test_what_a_wrapper_raised_is_in_the_answer(self, modes: Service) -> None:
        assert "boom" in at_once(modes, once_body(ctl="raise")).message

    def test_a_request_over_4_mib_is_refused_at_once(self, modes: Service) -> None:
        assert at_once(modes, once_body(b"a" * (4 << 20))).status == 413

    def test_a_request_of_almost_4_mib_is_answered(self, modes: Service) -> None:
        assert len(modes.once(b"a" * 4_190_000).text()) == 4_190_000

    def test_an_answer_over_4_mib_arrives(self, modes: Service) -> None:
        assert len(modes.once(ctl="big5000000").text()) == 5_000_000

    def test_a_line_that_the_wrapper_prints_is_in_the_log(self, modes: Service) -> None:
        modes.wait_for("plain stdout line from wrapperInit")


def test_a_killed_worker_is_replaced_and_the_next_call_works(tmp_path: Path) -> None:
    with serving(tmp_path, "modes") as service:
        service.ready()
        pid = int(service.once(ctl="pid").text())
        os.kill(pid, signal.SIGKILL)
        # Sent sooner, a call may fail: this SDK does not tell whether it has begun.
        service.wait_for(r"worker died .*killed by SIGKILL")
        assert echoed(service) == "still there"
        assert pid not in service.workers()


def test_a_worker_that_dies_in_a_call_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "modes") as service:
        service.ready()
        answer = at_once(service, once_body(ctl="exit"))
        assert (answer.status, answer.code) == (502, 10109)
        assert "exited with status 7" in answer.message
        assert echoed(service) == "still there"


def test_sigterm_leaves_neither_worker_nor_port(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.ready()
        worker = service.worker_pid()
        assert upstream.port_holders()
        assert service.stop() == 0
        assert dies_within(worker, 0)
        assert not upstream.port_holders()


def test_wrapper_init_that_returns_1_ends_the_supervisor_with_a_reason(tmp_path: Path) -> None:
    with serving(tmp_path, "modes", env={"WRAPPER_INIT_RET": "1"}) as service:
        assert service.wait() == 1
        service.wait_for(r"did not start: wrapperInit failed, ret: 30002: wrapperInit did not")
        service.wait_for("User wrapperInit function failed")


def test_two_workers_on_its_one_port_are_refused_with_a_reason(tmp_path: Path) -> None:
    with serving(tmp_path, pool={"workers": 2}) as service:
        assert service.wait() == 1
        service.wait_for(r"did not start: .* another worker does; .* workers = 1")


def test_a_reload_and_a_restart_under_load_lose_no_call(tmp_path: Path) -> None:
    with serving(tmp_path, "modes") as service:
        pids = [service.ready().once(ctl="pid").text()]
        with ThreadPoolExecutor(4) as clients:
            over = threading.Event()

            def call_on() -> list[int]:
                codes = []
                while not over.is_set():
                    codes.append(service.once(ctl="pid").code)
                return codes

            calling = [clients.submit(call_on) for _ in range(4)]
            try:
                service.process.send_signal(signal.SIGHUP)
                service.wait_for("the old one goes first worker=1")
                service.wait_for("reloaded routes=")
                pids.append(service.once(ctl="pid").text())
                restart = service.admin("POST", "/workers/1/restart")
                assert restart.json == {"restarted": 1}
                pids.append(service.once(ctl="pid").text())
            finally:
                over.set()
            codes = [code for client in calling for code in client.result(LIMIT_S)]
        assert set(codes) == {0}
        assert len(set(pids)) == 3
        assert sum("the old one goes first" in line for line in service.log) == 1
        (worker,) = service.admin("GET", "/status").json["workers"]
        assert worker["last_exit"] is None
        assert worker["restarts"] == 0


def test_the_version_that_the_originals_readme_names_answers_a_call(tmp_path: Path) -> None:
    with serving(tmp_path, ECHO_FOR_0_5, sdk_version="0.5.0") as service:
        assert echoed(service.ready(), "你好") == "你好"
