"""A wrapper that misbehaves in whatever way the request's parameter `do` asks for."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from aiges.dto import DataListCls, Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase

LEAKED: list[bytearray] = []


class UserRequest:
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    result = StringBodyField(key="result")


def spin() -> None:
    """Hold the interpreter's lock in C, where no Python code gets a turn."""
    ctypes.PyDLL(None).sleep(600)


def flood() -> None:
    line = "x" * 10_000_000
    for stream in (sys.stdout, sys.stderr):
        for _ in range(5):
            stream.write(line + "\n")
        stream.flush()


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return int(config.get("init_ret", "0"))

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        do = params.get("do", "")
        if do.startswith("sleep "):
            time.sleep(float(do.removeprefix("sleep ")))
        elif do:
            self.misbehave(do)
        result = ResponseData(key="result")
        result.setData(str(os.getpid()))
        response = Response()
        response.list = [result]
        return response

    def wrapperStream(self, params: dict[str, str], inputs: Iterator[DataListCls]) -> Any:
        for _ in inputs:
            yield self.wrapperOnceExec(params, DataListCls())

    def misbehave(self, do: str) -> Any:
        return {
            "spin": spin,
            "deadlock": self.deadlock,
            "leak": lambda: LEAKED.append(bytearray(os.urandom(1) * (50 << 20))),
            "segfault": lambda: ctypes.string_at(0),
            "exit": lambda: os._exit(3),
            "fork": lambda: subprocess.Popen(["setsid", "sleep", "600"]),
            "flood": flood,
            "say": lambda: print("x" * 1000, flush=True),
        }[do]()

    def deadlock(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    def wrapperFini(self) -> int:
        return 0
