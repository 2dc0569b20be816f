"""HTTP served by several processes: as by one, exactly, and none of them can take others along."""

import http.client
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.service import LIMIT_S, Service, once_body
from support.trees import MARKER, gone_within, kill_marked, marked
from support.waiting import dies_within

WRAPPER = """
import os, time
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

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        if "mark" in params:
            Path(params["mark"]).touch()
        if "until" in params:  # until the file is there, or nobody waits any more
            while not Path(params["until"]).exists() and not current_call().cancelled:
                time.sleep(0.005)
        if "exit" in params:
            os._exit(int(params["exit"]))
        item = ResponseData(key="result")
        item.setData(reqData.list[0].data)
        response = Response()
        response.list = [item]
        return response
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


def test_it_works(folder: Path) -> None:
    with Service(folder, http={"processes": 2}).ready() as service:
        for number in (1, 2):
            service.wait_for(rf"front end ready front={number}")
        for number in range(10):
            assert service.once(f"n{number}".encode()).text() == f"n{number}"
            assert service.ask("GET", "/readyz").status == 200
        assert service.once(b"x" * 700_000).text() == "x" * 700_000
        print(service.admin("GET", "/status").json["fronts"])
        print(service.admin("GET", "/metrics").body.decode())
        assert service.stop() == 0
        print("\n".join(service.log))
