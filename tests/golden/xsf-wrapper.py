"""Does in each mode what the worker of the recordings in xsf.json did."""

import os
import time

from aiges.dto import Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import WrapperBase

TEXT, IMAGE = 0, 2


def item(data, status, key="result", kind=TEXT):
    made = ResponseData(key=key, type=kind, status=status)
    made.setData(data if isinstance(data, bytes) else data.encode())
    return made


def response(*items):
    made = Response()
    made.list = list(items)
    return made


ONCE = {
    "status1": lambda: response(item("s1", 1)),
    "two_out": lambda: response(item("t", 3), item("img", 3, "pic", IMAGE)),
    "bad_key": lambda: response(item("x", 3, "nope")),
    "bad_type": lambda: response(item("x", 3, kind=IMAGE)),
    "inline_err": lambda: None,
    "direct": lambda: response(item("direct", 3)),
}


class Session:
    def __init__(self, params, tag):
        self.params = params
        self.tag = tag
        self.kept = b""
        self.writes = 0

    def send(self, *items):
        callback(response(*items), self.tag)

    def write(self, data, is_last, status):
        self.writes += 1
        getattr(self, self.params["mode"])(data, is_last, status)

    def echo(self, data, is_last, status):
        self.send(item(data.upper(), status))

    def acc(self, data, is_last, status):
        self.kept += data
        if is_last:
            self.send(item(self.kept, 2))

    def multi(self, data, is_last, status):
        if is_last:
            for number, sent in enumerate((0, 1, 1, 1, 2)):
                self.send(item(f"part{number}", sent))

    def multi_slow(self, data, is_last, status):
        if is_last:
            for number, sent in enumerate((0, 1, 1, 2)):
                time.sleep(0.3 if number else 0)
                self.send(item(f"part{number}", sent))

    def two_out(self, data, is_last, status):
        if is_last:
            self.send(item("text-out", 2), item(b"\x00\x01img", 2, "pic", IMAGE))
        else:
            self.send(item("t1", 1), item("p1", 1, "pic", IMAGE))

    def early_end(self, data, is_last, status):
        self.send(item("early", 2))

    def noend(self, data, is_last, status):
        self.send(item("never-last", 1))

    def silent(self, data, is_last, status):
        pass

    def ret_err(self, data, is_last, status):
        if is_last or self.writes > 1:
            callback(Response().response_err(1234), self.tag)

    def bad_key(self, data, is_last, status):
        self.send(item("x", 2, "nope"))

    def bad_type(self, data, is_last, status):
        self.send(item("x", 2, kind=IMAGE))

    def empty_resp(self, data, is_last, status):
        self.send()
        if is_last:
            self.send(item("after-empty", 2))

    def after_end(self, data, is_last, status):
        if is_last:
            self.send(item("end", 2))
            self.send(item("after", 1))

    def flood(self, data, is_last, status):
        count = int(self.params["n"])
        for number in range(count):
            self.send(item(f"{number:04d}", 2 if is_last and number == count - 1 else 1))

    def write_abort(self, data, is_last, status):
        raise RuntimeError("write_abort")

    def crash(self, data, is_last, status):
        os._exit(7)


class Wrapper(WrapperBase):
    serviceId = "svcid"
    version = "v1"

    def wrapperInit(self, config):
        self.sessions = {}
        return 0

    def wrapperOnceExec(self, params, reqData):
        mode = params.get("mode", "echo")
        if mode == "echo":
            return response(item(reqData.list[0].data.upper(), 3))
        if mode == "slow":
            time.sleep(float(params["t"]))
            return response(item("slow", 3))
        if mode == "abort":
            raise RuntimeError("abort")
        return ONCE[mode]()

    def wrapperCreate(self, params, sid, persId, usrTag):
        made = SessionCreateResponse()
        if params.get("mode") == "create_err":
            made.error_code = 777
            return made
        made.handle = usrTag
        self.sessions[usrTag] = Session(params, usrTag)
        return made

    def wrapperWrite(self, handle, reqData):
        session = self.sessions[handle]
        if session.params["mode"] == "write_ret":
            return 555
        data = b"".join(node.data for node in reqData.list)
        statuses = [node.status for node in reqData.list]
        session.write(data, any(status in (2, 3) for status in statuses), statuses[0])
        return 0

    def wrapperDestroy(self, handle):
        self.sessions.pop(handle, None)
        return 0

    def wrapperError(self, code):
        return "errr"
