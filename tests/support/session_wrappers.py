"""Wrappers that take sessions, one for each style, as source text."""

CALLBACK = """
import os, threading, time
from aiges.dto import Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import StringBodyField, WrapperBase


class UserRequest:
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    accept = StringBodyField(key="result")


def response(data, status):
    item = ResponseData()
    item.key, item.status = "result", status
    item.setData(data)
    made = Response()
    made.list = [item]
    return made


class Wrapper(WrapperBase):
    serviceId, version = "streamed", "v1"
    requestCls, responseCls = UserRequest(), UserResponse()

    def wrapperInit(self, config):
        self.open = {}
        return 0

    def wrapperFini(self):
        return 0

    def wrapperError(self, code):
        return f"text of {code}"

    def wrapperCreate(self, params, sid, persId=0, usrTag=""):
        if "createCode" in params:
            made = SessionCreateResponse()
            made.error_code = int(params["createCode"])
            return made
        if "createRaise" in params:
            raise ValueError("no such model")
        self.open[usrTag] = (params, sid)
        print("created", flush=True)
        made = SessionCreateResponse()
        made.handle = usrTag
        return made

    def wrapperWrite(self, handle, req, sid):
        params, created = self.open[handle]
        assert sid == created
        node = req.list[0]
        order, _, rest = node.data.partition(b" ")
        if order == b"code":
            return int(rest)
        if order == b"raise":
            raise KeyError(rest.decode())
        if order == b"push-error":
            callback(Response().response_err(int(rest)), handle)
        elif order == b"exit":
            os._exit(3)
        elif order == b"sleep":
            time.sleep(float(rest))
        elif order == b"many":
            threading.Thread(target=self.push, args=(handle, int(rest)), daemon=True).start()
        elif order == b"many-here":
            self.push(handle, int(rest))
        elif order == b"quiet":
            pass
        else:
            tag = sid if "bySid" in params else handle
            callback(response(node.data + b"!", node.status if node.status != 3 else 2), tag)
        return 0

    def push(self, handle, count):
        for number in range(count):
            if callback(response(b"%d" % number, 1), handle):
                print("not taken\\n", end="", flush=True)
                return
        callback(response(b"end", 2), handle)

    def wrapperDestroy(self, handle):
        del self.open[handle]
        print(f"destroyed {len(self.open)}\\n", end="", flush=True)
        return 0
"""

GENERATOR = """
from aiges.dto import Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase, current_call


class UserRequest:
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    accept = StringBodyField(key="result")


class Wrapper(WrapperBase):
    serviceId, version = "streamed", "v1"
    requestCls, responseCls = UserRequest(), UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperFini(self):
        return 0

    def wrapperStream(self, params, inputs):
        try:
            for package in inputs:
                for word in package.get("text").data.split():
                    if word == b"boom":
                        raise ValueError("boom")
                    item = ResponseData("result")
                    item.setData(word)
                    response = Response()
                    response.list = [item]
                    yield response
        finally:
            print("closed cancelled=%s" % current_call().is_cancelled, flush=True)
"""

READ = """
from aiges.dto import Response, ResponseData, SessionCreateResponse
from aiges.sdk import WrapperBase


class Wrapper(WrapperBase):
    serviceId, version = "streamed", "v1"

    def wrapperInit(self, config):
        self.waiting = {}
        return 0

    def wrapperFini(self):
        return 0

    def wrapperCreate(self, params, sid):
        self.waiting[sid] = []
        return sid

    def wrapperWrite(self, handle, reqData):
        self.waiting[handle] += [(node.data, node.status) for node in reqData.list]
        return 0

    def wrapperRead(self, handle, sid):
        if not self.waiting[handle]:
            return Response()
        data, status = self.waiting[handle].pop(0)
        item = ResponseData("result", status=min(status, 2))
        item.setData(data.upper())
        response = Response()
        response.list = [item]
        return response

    def wrapperDestroy(self, handle):
        del self.waiting[handle]
        return 0
"""

LOOP = '''
import asyncio, threading
from aiges.dto import Response, ResponseData, SessionCreateResponse, callback
from aiges.sdk import WrapperBase


class Wrapper(WrapperBase):
    """One event loop serves all sessions."""

    serviceId, version = "streamed", "v1"

    def wrapperInit(self, config):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        return 0

    def wrapperFini(self):
        return 0

    def wrapperCreate(self, params, sid, persId=0, usrTag=""):
        made = SessionCreateResponse()
        made.handle = usrTag
        return made

    def wrapperWrite(self, handle, req, sid):
        count, _, size = req.list[0].data.partition(b" ")
        asyncio.run_coroutine_threadsafe(
            self.push(handle, int(count), int(size or 6)), self.loop
        )
        return 0

    async def push(self, handle, count, size):
        for number in range(count + 1):
            item = ResponseData("result", status=2 if number == count else 1)
            item.setData((b"%06d" % number).ljust(size))
            response = Response()
            response.list = [item]
            if callback(response, handle):
                return
            if number % 100 == 0:
                await asyncio.sleep(0)
'''


STUBBORN = '''
import threading
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase


class Wrapper(WrapperBase):
    """A session with the parameter `wait` takes no input before another one has ended."""

    serviceId, version = "streamed", "v1"

    def wrapperInit(self, config):
        self.another_has_ended = threading.Event()
        return 0

    def wrapperFini(self):
        return 0

    def wrapperStream(self, params, inputs):
        if "wait" in params:
            self.another_has_ended.wait()
        count = sum(1 for _ in inputs)
        response = Response()
        response.list = [ResponseData("result", str(count), status=2)]
        self.another_has_ended.set()
        yield response
'''
