"""`[http] validate`: requests against the wrapper's schema, over every way in."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiges.client import Client, ServiceError
from support.service import LIMIT_S, SOURCES, Answer, Service, config_text

WRAPPER = """
from aiges.dto import Response, ResponseData
from aiges.sdk import IntegerParamField, StringBodyField, StringParamField, WrapperBase


class UserRequest:
    count = IntegerParamField(key="count", minimum=1, maximum=3)
    mode = StringParamField(key="mode", enums=["fast", "good"], required=True)
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    serviceId, version = "checked", "v1"
    requestCls, responseCls = UserRequest(), UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        item = ResponseData(key="result", data=params.get("mode", "none"))
        return Response(list=[item])

    def wrapperStream(self, params, inputs):
        for _ in inputs:
            yield self.wrapperOnceExec(params, None)

    def wrapperFini(self):
        return 0
"""

ROUTE = "/v1/private/checked"
EVENTS = {"Accept": "text/event-stream"}
REFUSED = (
    'parameter.checked.mode: expected one of "fast", "good", got "slow"; '
    "parameter.checked.count: expected at most 3, got 4; "
    'payload.text.compress: expected one of "raw", "gzip", got "zip"'
)


def request(text: str = "aGk=", **params: Any) -> dict[str, Any]:
    entry = {"encoding": "utf8", "compress": "raw", "format": "plain", "status": 3, "text": text}
    return {
        "header": {"appid": "a", "status": 3},
        "parameter": {"checked": {"result": {"data_type": "text"}, **params}},
        "payload": {"text": entry},
    }


GOOD = request(mode="fast", count=3)
BAD = request(mode="slow", count=4)
BAD["payload"]["text"]["compress"] = "zip"


def post(service: Service, body: dict[str, Any], **more: Any) -> Answer:
    return service.ask("POST", ROUTE, json.dumps(body).encode(), **more)


@pytest.fixture(scope="module", params=[1, 2])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("checked")
    (folder / "wrapper.py").write_text(WRAPPER)
    http = {"validate": True, "processes": request.param}
    with Service(folder, http=http).ready() as running:
        for number in range(1, request.param + 1 if request.param > 1 else 1):
            running.wait_for(rf"front end ready front={number}")
        yield running


def test_a_request_is_refused_with_every_fault_by_its_place(service: Service) -> None:
    answer = post(service, BAD)
    assert (answer.status, answer.code) == (400, 10107)
    assert sorted(answer.message.split("; ")) == sorted(REFUSED.split("; "))
    for _ in range(6):  # whichever process has the connection
        assert post(service, BAD).message == answer.message
        assert post(service, GOOD).text() == "fast"


def test_a_large_request_is_checked_likewise(service: Service) -> None:
    large = "A" * (1 << 20)
    assert post(service, request(large, mode="good")).text() == "good"
    answer = post(service, request(large, mode="bad"))
    assert (answer.code, answer.message[:23]) == (10107, "parameter.checked.mode:")


def test_a_request_for_events_is_checked_before_a_session_begins(service: Service) -> None:
    answer = post(service, BAD, headers=EVENTS)
    assert (answer.status, answer.code) == (400, 10107)
    assert 'payload.text.compress: expected one of "raw", "gzip", got "zip"' in answer.message
    assert b'"status":2' in post(service, GOOD, headers=EVENTS).body


async def test_the_first_message_of_a_websocket_is_checked_and_no_other(service: Service) -> None:
    url = f"http://127.0.0.1:{service.http_port}{ROUTE}"
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(url) as socket:
            await socket.send_json(BAD)
            frame = await socket.receive_json(timeout=LIMIT_S)
            assert frame["header"]["code"] == 10107
            assert "parameter.checked.mode: expected one of" in frame["header"]["message"]
            closing = await socket.receive(timeout=LIMIT_S)
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1000)
        async with client.ws_connect(url) as socket:
            begin = request(mode="good")
            begin["payload"]["text"]["status"] = 0
            await socket.send_json(begin)
            assert (await socket.receive_json(timeout=LIMIT_S))["header"]["code"] == 0
            # What follows has no header, no parameters and nothing else that it would need.
            await socket.send_json({"payload": {"text": {"text": "aGk=", "status": 2}}})
            frames = [await socket.receive_json(timeout=LIMIT_S) for _ in range(3)]
            assert [frame["header"]["status"] for frame in frames] == [0, 1, 2]


def test_our_own_client_s_requests_pass(service: Service) -> None:
    with Client(f"http://127.0.0.1:{service.http_port}") as client:
        assert client.once(text="hi", params={"mode": "good", "count": 3}).text == "good"
        (result, _) = client.stream(text="hi", params={"mode": "fast"})
        assert result.text == "fast"
        with pytest.raises(ServiceError, match=r"checked\.count: expected at most 3") as caught:
            client.once(text="hi", params={"mode": "good", "count": 4})
        assert caught.value.code == 10107


def test_it_is_off_unless_asked_for_and_can_be_switched_while_the_service_runs(
    tmp_path: Path,
) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    with Service(tmp_path, http={"processes": 2}).ready() as service:
        assert post(service, BAD).text() == "slow"
        for is_on, expected in ((True, 400), (False, 200)):
            seen = len(service.log)
            http = {"processes": 2, "validate": is_on}
            (tmp_path / "aiges.toml").write_text(config_text(http=http))
            service.process.send_signal(signal.SIGHUP)
            service.wait_for("reloaded routes=", after=seen)
            assert post(service, BAD).status == expected
            assert post(service, GOOD).status == 200


def test_a_schema_that_cannot_be_checked_against_ends_the_start(tmp_path: Path) -> None:
    own = """
    def schema(self):
        return '{"meta": {}, "schemainput": {"properties": {"header": {"type": "objekt"}}}}'
"""
    (tmp_path / "wrapper.py").write_text(WRAPPER + own)
    with Service(tmp_path, http={"validate": True}) as service:
        assert service.wait() == 1
        service.wait_for(
            r"the wrapper's schema is unusable: schemainput\.properties\.header\.type: 'objekt'"
        )


def test_without_the_package_the_start_ends_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "aiges.toml").write_text(config_text(http={"validate": True}))
    hidden = "import sys; sys.modules['jsonschema'] = None; "
    run = "from aiges_loader.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", f"{hidden}{run}", "-m", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    needs = "[http] validate: needs the package jsonschema: pip install 'aiges-loader[validate]'"
    assert needs in done.stderr
