"""Behaves as the worker did with which websocket.json was recorded, in the modes that occur there.

What is called is written to calls.jsonl in the working directory, one line a call.
"""
import base64
import json
import threading
import time
from pathlib import Path

from aiges.core.types import *
from aiges.dto import Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import WrapperBase

LAST = (DataEnd, Once)
DESC = {"format": "json", "score": "0.5", "n": "7", "ok": "true", "extra": "x"}
SCHEMA = json.loads(Path("schema.json").read_text("utf-8"))


def item(data, status, key="result", typ=DataText, desc=None):
    d = ResponseData()
    d.key = key
    d.type = typ
    d.status = status
    d.setData(data)
    d.desc = desc
    return d


def response(*items):
    r = Response()
    r.list = list(items)
    return r


class Wrapper(WrapperBase):
    serviceId = "streamdemo"
    version = "v1"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.lock = threading.Lock()
        self.sessions = {}

    def schema(self):
        return json.dumps(SCHEMA)

    def wrapperInit(self, config):
        return 0

    def wrapperFini(self):
        return 0

    def wrapperError(self, code):
        return "text of %d" % code

    def note(self, sid, call, **more):
        with self.lock, open("calls.jsonl", "a") as calls:
            calls.write(json.dumps({"sid": sid, "call": call, **more}) + "\n")

    def wrapperCreate(self, params, sid, persId=0, usrTag=""):
        self.note(sid, "wrapperCreate", params=params, tag=usrTag)
        if params.get("mode") == "create_abort":
            raise RuntimeError("aborted")
        handle = "h" + sid
        self.sessions[handle] = {"mode": params.get("mode", "echo"), "sid": sid, "text": b"", "writes": 0}
        made = SessionCreateResponse()
        made.handle = handle
        return made

    def wrapperWrite(self, handle, req):
        session = self.sessions[handle]
        session["writes"] += 1
        nodes = [
            {"key": n.key, "data": base64.b64encode(n.data).decode(), "len": n.len,
             "type": n.type, "status": n.status, "desc": dict(n.desc)}
            for n in req.list
        ]
        self.note(session["sid"], "wrapperWrite", list=nodes)
        return getattr(self, session["mode"])(session, req.list) or 0

    def wrapperDestroy(self, handle):
        session = self.sessions.pop(handle)
        self.note(session["sid"], "wrapperDestroy")
        return 0

    def send(self, session, *items):
        callback(response(*items), session["sid"])

    # The modes: each is told of one write.

    def echo(self, session, nodes):
        self.send(session, *(item(n.data.upper(), n.status) for n in nodes if n.key != "img"))

    def acc(self, session, nodes):
        session["text"] += nodes[0].data
        if nodes[0].status in LAST:
            self.send(session, item(session["text"], DataEnd))

    def multi(self, session, nodes, pause_s=0.0):
        if nodes[0].status not in LAST:
            return
        for number, status in enumerate((0, 1, 1, 2)):
            if number:
                time.sleep(pause_s)
            self.send(session, item(b"part%d" % number, status))

    def multi_slow(self, session, nodes):
        self.multi(session, nodes, 0.3)

    def once_status(self, session, nodes):
        self.send(session, item(b"once", Once))

    def after_end(self, session, nodes):
        if nodes[0].status in LAST:
            self.send(session, item(b"end", DataEnd))
            self.send(session, item(b"after", DataContinue))

    def empty_resp(self, session, nodes):
        self.send(session)
        if nodes[0].status in LAST:
            self.send(session, item(b"after-empty", DataEnd))

    def write_ret(self, session, nodes):
        return 555

    def early_end(self, session, nodes):
        self.send(session, item(b"early", DataEnd))

    def ret_err_first(self, session, nodes):
        callback(Response().response_err(1234), session["sid"])

    def echo_desc(self, session, nodes):
        self.send(session, *(item(n.data, n.status, desc=DESC) for n in nodes))

    def bad_type(self, session, nodes):
        self.send(session, item(b"x", DataEnd, typ=DataImage))

    def two_out(self, session, nodes):
        if any(n.status in LAST for n in nodes):
            self.send(session, item(b"text-out", DataEnd), item(b"\0\1img", DataEnd, "pic", DataImage))
        else:
            number = session["writes"]
            self.send(
                session,
                item(b"t%d" % number, DataContinue),
                item(b"p%d" % number, DataContinue, "pic", DataImage),
            )

    def write_slow(self, session, nodes):
        time.sleep(1)
        self.send(session, item(b"slow", DataEnd if nodes[0].status in LAST else DataContinue))

    def silent(self, session, nodes):
        pass
