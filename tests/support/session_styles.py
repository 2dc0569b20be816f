"""Session wrappers as published ones are written, one for each habit, as source text.

Own code throughout; the habits are those found in wrappers of others.
"""

from collections.abc import Mapping

_HEAD = """
try:
    from aiges_embed import Response, ResponseData, DataListCls, SessionCreateResponse, callback
except:
    from aiges.dto import Response, ResponseData, DataListCls, SessionCreateResponse, callback
from aiges.core.types import *
from aiges.sdk import WrapperBase, StringBodyField, StringParamField
from aiges.utils.log import log


class UserRequest(object):
    text = StringBodyField(key="text", value=b"hello")


class UserResponse(object):
    accept1 = StringBodyField(key="result")


def shouted(node):
    item = ResponseData()
    item.key = "result"
    item.setDataType(DataText)
    item.status = DataEnd if node.status in (DataEnd, Once) else node.status
    item.setData(node.data.upper())
    response = Response()
    response.list = [item]
    return response
"""

_ROWS = """

class Wrapper(WrapperBase):
    serviceId = "rows"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.sessions = {}

    def wrapperInit(cls, config):
        return 0

    def wrapperOnceExec(cls, params, reqData):
        pass

    def wrapperCreate(self, CREATE_PARAMETERS):
        handle = "handle of %s" % sid
        self.sessions[handle] = ROUTE
        assert "sid" in params, params
        CREATED

    def wrapperWrite(self, WRITE_PARAMETERS):
        DELIVER
        return 0

    def wrapperTestFunc(cls, data, respData):
        pass

    def wrapperFini(cls):
        pass
DESTROY
"""

_DESTROY = """
    def wrapperDestroy(self, handle):
        del self.sessions[handle]
        return 0
"""

_RESPONSE = """created = SessionCreateResponse()
        created.handle = handle
        created.error_code = 0
        return created"""

_PUSH = "callback(shouted(REQ.list[0]), self.sessions[handle])"


def rows(
    create: str,
    write: str = "handle, req, sid",
    *,
    route: str = "sid",
    created: str = _RESPONSE,
    destroy: str = _DESTROY,
    deliver: str = _PUSH,
) -> str:
    """Return a wrapper with these parameters of wrapperCreate and wrapperWrite.

    Args:
        create: Behind self.
        write: Behind self.
        route: What wrapperCreate keeps for callback.
        created: Statement that returns from wrapperCreate; `handle` is the handle.
        destroy: The method, or "".
        deliver: Statement in wrapperWrite; REQ is what is written.
    """
    request = write.split(", ")[1]
    replaced = {
        "CREATE_PARAMETERS": create,
        "ROUTE": route,
        "CREATED": created,
        "WRITE_PARAMETERS": write,
        "DELIVER": deliver.replace("REQ", request),
        "DESTROY": destroy,
    }
    source = _HEAD + _ROWS
    for name, text in replaced.items():
        source = source.replace(name, text)
    return source


_PUSH_WITH_THREE = """from aiges.callback import callback as push
        push(shouted(REQ.list[0]), *self.sessions[handle])"""

CREATE_ROWS: Mapping[str, str] = {
    "params, sid": rows("params, sid"),
    "params, sid, persId": rows("params, sid, persId=0"),
    "params, sid, userTag": rows("params, sid, userTag=''", route="userTag"),
    "params, sid, userTag, persId": rows("params, sid, userTag='', persId=0", route="userTag"),
    "params, sid, persId, usrTag": rows("params, sid, persId=0, usrTag=''", route="usrTag"),
    "params, errNum, sid, persId": rows(
        "params, errNum, sid, persId=0",
        created="assert (errNum, persId) == (0, 0); return handle",
    ),
    "returns its handle as text": rows("params, sid", created="return handle"),
    "three arguments": rows(
        "params, sid, userTag=''", route="(userTag, sid)", deliver=_PUSH_WITH_THREE
    ),
    "three arguments, no tag": rows("params, sid", route="('', sid)", deliver=_PUSH_WITH_THREE),
}
"""By the parameters of wrapperCreate, or by what it returns, or by how callback is called."""

WRITE_ROWS: Mapping[str, str] = {
    "handle, req, sid": rows("params, sid"),
    "handle, req": rows("params, sid", "handle, req"),
    "handle, reqData": rows("params, sid", "handle, reqData"),
    "handle, datas, sid": rows("params, sid", "handle, datas, sid"),
}

_PUSH_TWO = """both = shouted(REQ.list[0])
        usage = ResponseData()
        usage.key, usage.status = "usage", both.list[0].status
        usage.setData(b'{"words": 1}')
        both.list.append(usage)
        assert callback(both, self.sessions[handle]) == 0"""

RESULT_ROWS: Mapping[str, str] = {
    "an answer and its usage": rows("params, sid", deliver=_PUSH_TWO),
}
"""By what a callback brings."""

DESTROY_ROWS: Mapping[str, str] = {
    "no wrapperDestroy": rows("params, sid", destroy=""),
    "raises KeyError": rows(
        "params, sid", destroy=_DESTROY.replace("sessions[", "sessions['x' + ")
    ),
}

_READ = """

class Wrapper(WrapperBase):
    serviceId = "asked"
    version = "v1"

    def wrapperInit(self, config):
        self.waiting = {}
        return 0

    def wrapperCreate(self, params, sid):
        self.waiting[sid] = []
        created = SessionCreateResponse()
        created.handle = sid
        return created

    def wrapperWrite(self, handle, datas):
        self.waiting[handle].append(datas.list[0])
        return 0

    def wrapperRead(self, READ_PARAMETERS):
        if not self.waiting[handle]:
            NOTHING
        return shouted(self.waiting[handle].pop(0))

    def wrapperDestroy(self, handle):
        self.waiting.pop(handle)
        return 0

    def wrapperFini(self):
        return 0
"""


def _asked(parameters: str, nothing: str = "return []") -> str:
    return _HEAD + _READ.replace("READ_PARAMETERS", parameters).replace("NOTHING", nothing)


READ_ROWS: Mapping[str, str] = {
    "handle, sid": _asked("handle, sid"),
    "handle": _asked("handle"),
    "None while there is nothing": _asked("handle", "return None"),
    "a new Response while there is nothing": _asked("handle", "return Response()"),
}

_POOLED = """

class Wrapper(WrapperBase):
    serviceId = "pooled"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        self.session.init_wrapper_config(config)
        self.session.init_handle_pool("thread", 1, RequestThread)
        return 0

    def wrapperOnceExec(self, params, reqData):
        return None

    def wrapperError(cls, ret):
        return "the pool is exhausted" if ret == EXHAUSTED else ""

    def wrapperCreate(self, params, sid, persId=0, usrTag=""):
        created = SessionCreateResponse()
        handle = self.session.get_idle_handle()
        if not handle:
            created.error_code = EXHAUSTED
            created.handle = ""
            return created
        thread = self.session.get_session(handle=handle)
        thread.setup_sid(ROUTE)
        thread.setup_params(params)
        thread.setup_callback_fn(callback)
        created.handle = handle
        created.error_code = 0
        return created

    def wrapperWrite(self, handle, req, sid):
        thread = self.session.get_session(handle=handle)
        if thread is None:
            return -1
        thread.in_q.put(req)
        return 0
DESTROY
    def wrapperFini(self):
        return 0


import queue
from aiges.stream import StreamHandleThread


class RequestThread(StreamHandleThread):
    def __init__(self, session_thread, in_q, out_q):
        super().__init__(session_thread, in_q, out_q)
        self.setDaemon(False)
        self.session_thread = session_thread

    def init_model(self, *args, **kwargs):
        self.greeting = "model of %s" % self.session_thread.handle

    def run(self):
        self.init_model()
        while not self.is_stopping:
            try:
                req = self.in_q.get(timeout=5)
            except queue.Empty:
                continue
            self.infer(req)

    def infer(self, req):
        response = shouted(req.list[0])
        self.session_thread.callback_fn(response, self.session_thread.sid)
        if response.list[0].status == DataEnd:
            AT_THE_END
"""


def _pooled(destroy: str, at_the_end: str, *, exhausted: int = -1, route: str = "sid") -> str:
    source = _HEAD + f"\nEXHAUSTED = {exhausted}\n" + _POOLED
    return (
        source.replace("DESTROY", destroy).replace("AT_THE_END", at_the_end).replace("ROUTE", route)
    )


_PUSH_BACK = """
    def wrapperDestroy(self, handle):
        self.session.push_back(handle)
        return 0
"""
_RESET = "self.session_thread.reset()"

POOLED: Mapping[str, str] = {
    "the thread resets its session": _pooled("", _RESET),
    "wrapperDestroy gives it back": _pooled(_PUSH_BACK, "pass"),
    "both do": _pooled(_PUSH_BACK, _RESET),
    "by tag, another code": _pooled(_PUSH_BACK, _RESET, exhausted=40001, route="usrTag"),
}

WORKER = (
    _HEAD
    + """
from aiges.callback import callback as push
from aiges.concurrent.fixpool import FixedPool
from aiges.worker import InferClass, Worker


class Shouter(InferClass):
    def __init__(self, params, tag, sid):
        self.params, self.tag, self.sid = params, tag, sid

    def predict(self, req, *args, **kwargs):
        response = shouted(req.list[0])
        push(response, self.tag, self.sid)
        return response, response.list[0].status == DataEnd


class Wrapper(WrapperBase):
    serviceId = "workers"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()
    call_type = 1

    def __init__(self):
        super().__init__()
        self.pool = FixedPool()

    def wrapperInit(self, config):
        self.pool.set_capacity(1)
        return 0

    def wrapperCreate(self, params, sid, userTag="", persId=0):
        created = SessionCreateResponse()
        worker = Worker(name="infer", context={"sid": sid})
        worker.register_infer_class(Shouter(params, userTag, sid))
        worker.register_callback(push)
        taken, handle = self.pool.add(worker)
        if not taken:
            created.error_code = -1
            return created
        worker.setHandle(handle)
        worker.create(params)
        worker.start()
        created.handle = handle
        return created

    def wrapperWrite(self, handle, req, sid):
        self.pool.get(handle).in_q.put(req)
        return 0

    def wrapperDestroy(self, handle):
        self.pool.get(handle).stop()
        self.pool.remove(handle)
        return 0

    def wrapperError(self, ret):
        return "the pool is exhausted" if ret == -1 else ""

    def wrapperFini(self):
        self.pool.clear_all()
        return 0
"""
)

REFUSES: Mapping[str, str] = {
    "None": rows("params, sid", created="return None"),
    "-1": rows("params, sid", created="return -1"),
}
"""What wrapperCreate returns though there is no session."""
