"""Calls over gRPC of a service as a user starts it: what the recordings do not show."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from aiges_loader.frontend.listening import own_address
from support.service import LIMIT_S, ROOT, SOURCES, Service
from support.xsf_client import (
    CALL,
    EXPECTED,
    TOOL,
    call_json,
    payload_json,
    reply_json,
    request_bytes,
    tool_json,
)

WRAPPER = """
import pathlib, time
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        if "wait" in params:
            pathlib.Path("begun").touch()
            time.sleep(float(params["wait"]))
        item = ResponseData(key="result", status=3)
        text = params["show"] if "show" in params else reqData.list[0].data.decode()
        item.setData((params.get(text, "") if "show" in params else text.upper()).encode())
        answer = Response()
        answer.list = [item]
        return answer
"""


def started(folder: Path, **sections: Any) -> Service:
    (folder / "wrapper.py").write_text(WRAPPER)
    return Service(folder, **{"pool": {"concurrency": 2}, **sections})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with started(tmp_path) as running:
        yield running.ready()


def once(service: Service, *, address: str = "127.0.0.1", **params: str) -> dict[str, Any]:
    data = {
        "state": "ONCE",
        "headers": {"uid": "from-header"},
        "params": params,
        "expect": [EXPECTED],
        "pl": [payload_json(b"hello", status="3")],
    }
    request = request_bytes(call_json("AIIn", SeqNo="1", waitTime="20000", data=data))
    with grpc.insecure_channel(f"{address}:{service.grpc_port}") as channel:
        return reply_json(channel.unary_unary(CALL)(request, timeout=LIMIT_S))


def text_of(reply: dict[str, Any]) -> str:
    (payload,) = reply["data"][0]["LoaderOutput"]["pl"]
    return str(payload.get("data", ""))


@pytest.mark.parametrize("name", ["xsf.md", "xsf.zh.md"])
def test_the_documented_client_gets_the_documented_answer(name: str, service: Service) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    found = re.search(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    program, printed = found.groups()
    done = subprocess.run(
        [sys.executable, "-c", program, f"127.0.0.1:{service.grpc_port}"],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr


@pytest.mark.parametrize("name", ["xsf.md", "xsf.zh.md"])
def test_the_documented_command_is_a_request(name: str, service: Service) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    (line,) = re.findall(r"^grpcurl .*$", text, re.MULTILINE)
    words = shlex.split(line)
    assert f"/{words[-1]}" == TOOL
    request = json.loads(words[words.index("-d") + 1])
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        method = channel.unary_unary(TOOL)
        assert tool_json(method, request["query"], request["headers"]) == "health staus:"


def test_a_handle_leads_back_to_a_service_on_every_interface(tmp_path: Path) -> None:
    with started(tmp_path, svcName={"host": "0.0.0.0"}) as service:
        reply = once(service.ready())
        handle, peer = reply["s"]["h"], reply["s"]["sess"]["PeerAddr"]
        address = socket.inet_ntoa(bytes.fromhex(handle[1:9]))
        assert address == own_address("")
        assert int(handle[9:13], 16) == service.grpc_port
        assert peer == f"{address}:{service.grpc_port}"
        assert "code" not in once(service, address=address)


def test_licences_are_those_of_http_and_a_reload_sets_them_anew(service: Service) -> None:
    def licences() -> dict[str, int]:
        found: dict[str, int] = service.admin("GET", "/status").json["licences"]
        return found

    before = licences()["limit"]
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        request = request_bytes(call_json("AILBType", lbType="x", authzNo="3", timeout="100"))
        channel.unary_unary(CALL)(request, timeout=LIMIT_S)
    assert licences() == {"taken": 0, "limit": 3}
    assert service.admin("POST", "/reload").status == 200
    assert licences()["limit"] == before


def test_headers_that_are_passed_follow_a_reload(service: Service) -> None:
    assert text_of(once(service, show="uid")) == ""
    config = service.folder / "aiges.toml"
    config.write_text(config.read_text().replace("[aiges]", '[aiges]\nheaderPass = "uid"'))
    assert service.admin("POST", "/reload").status == 200
    assert text_of(once(service, show="uid")) != ""


def test_a_call_is_finished_when_the_service_stops(service: Service) -> None:
    replies: list[dict[str, Any]] = []
    caller = threading.Thread(target=lambda: replies.append(once(service, wait="1")))
    caller.start()
    while not (service.folder / "begun").exists():
        assert caller.is_alive()
    assert service.stop(signal.SIGTERM) == 0
    caller.join(LIMIT_S)
    assert text_of(replies[0]) == "SEVMTE8="


def test_calls_are_counted(service: Service) -> None:
    once(service)
    assert 'aiges_requests_total{code="0"} 1.0' in service.admin("GET", "/metrics").body.decode()
