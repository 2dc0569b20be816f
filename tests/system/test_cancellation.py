"""User code that looks learns that its client has gone, or that its deadline has passed."""

import http.client
import time
from pathlib import Path

from support.service import LIMIT_S, Service, once_body

WRAPPER = """
import time
from aiges.dto import Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase, current_call

class Request:
    text = StringBodyField(key="text")

class Answer:
    result = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "svcName"
    version = "v1"
    requestCls = Request()
    responseCls = Answer()
    cancelled = 0

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        if params.get("do") == "work":
            print("working", flush=True)
            call = current_call()
            until = time.monotonic() + 60
            while not call.is_cancelled and time.monotonic() < until:
                time.sleep(0.005)
            print("stopped", call.is_cancelled, flush=True)
        response = Response()
        item = ResponseData(key="result")
        item.setData("done")
        response.list = [item]
        return response
"""


def test_a_client_that_leaves_stops_user_code_that_looks(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    with Service(tmp_path, pool={"concurrency": 1}).ready() as service:
        client = http.client.HTTPConnection("127.0.0.1", service.http_port, timeout=LIMIT_S)
        client.request("POST", "/v1/svcName", once_body(do="work"))
        service.wait_for("working")
        client.close()
        service.wait_for("stopped True")
        assert service.once().code == 0  # the one place is free again


def test_a_deadline_stops_it_as_well(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    with Service(tmp_path, pool={"concurrency": 1}, http={"timeout": 0.3}).ready() as service:
        began = time.monotonic()
        assert service.once(do="work").code == 10102
        service.wait_for("stopped True")
        assert time.monotonic() - began < LIMIT_S
