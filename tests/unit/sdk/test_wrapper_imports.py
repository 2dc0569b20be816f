"""The import lines of published wrappers, and what importing costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import aiges_embed
from aiges import dto

PLUGIN_RUNTIME = Path(__file__).resolve().parents[3] / "plugin_runtime"

BODY = """
class UserRequest(object):
    input1 = ImageBodyField(key="data", path="test_data/test.png")
    input2 = StringBodyField(key="switch", value="ctl")
    params1 = StringParamField(key="p1", enums=["3", "eee"], value='3')


class UserResponse(object):
    accept1 = StringBodyField(key="result")


class Wrapper(WrapperBase):
    serviceId = "mmocr"
    version = "backup.0"
    requestCls = UserRequest()
    responseCls = UserResponse()
    model = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def wrapperInit(cls, config: {}) -> int:
        return 0

    def wrapperOnceExec(cls, params: {}, reqData: DataListCls, usrTag: str = "", persId: int = 0):
        res = Response()
        item = ResponseData()
        item.key = "result"
        item.setDataType(DataText)
        item.status = Once
        item.setData(reqData.get("switch").data)
        res.list = [item]
        return res

    def wrapperError(cls, ret: int) -> str:
        return ""

    def wrapperTestFunc(cls, data: [], respData: []):
        pass
"""

SDK = """
from aiges.sdk import WrapperBase, \\
    StringParamField, \\
    ImageBodyField, \\
    StringBodyField
"""

EMBED_OR_DTO = """
try:
    from aiges_embed import ResponseData, Response, DataListNode, DataListCls  # c++
except:
    from aiges.dto import Response, ResponseData, DataListNode, DataListCls
"""

METRICS = "metrics with their own fallback"

STYLES = {
    "embed or dto, star import after": EMBED_OR_DTO
    + SDK
    + "from aiges.utils.log import log, getFileLogger\nfrom aiges.core.types import *\n",
    "star import before": "from aiges.core.types import *\n" + EMBED_OR_DTO + SDK,
    "dto alone": """
from aiges.core.types import *
from aiges.dto import Response, ResponseData, DataListNode, DataListCls, SessionCreateResponse
from aiges.dto import callback, init_rq
"""
    + SDK,
    "a name that only one of the two has": """
try:
    from aiges_embed import ResponseData, Response, DataListCls, callback, init_rq, not_there
except:
    from aiges.dto import ResponseData, Response, DataListCls, callback, init_rq
"""
    + SDK
    + "from aiges.core.types import *\n",
    "ImportError alone, old name of the constants": """
try:
    from aiges_embed import (
        ResponseData,
        Response,
        DataListCls,
    )
except ImportError:
    from aiges.dto import Response, ResponseData, DataListCls
"""
    + SDK
    + "from aiges.types import *\n",
    "constants from dto": EMBED_OR_DTO + "from aiges.dto import DataText, Once\n" + SDK,
    "explicit constants": EMBED_OR_DTO
    + SDK
    + "from aiges.core.types import Types, STRING, AUDIO, IMAGE, VIDEO\n"
    + "DataText, Once = STRING, 3\n",
    "constants rebound": EMBED_OR_DTO
    + SDK
    + "from aiges.core.types import *\nDataBegin = 0\nDataNone = -1\n",
    METRICS: EMBED_OR_DTO
    + SDK
    + """
from aiges.core.types import *
try:
    from aiges_embed import callback_metric
except:
    callback_metric = None
assert callback_metric("tag", "key", 1) == 0
""",
    "everything of the sdk": EMBED_OR_DTO + "from aiges.sdk import *\n",
    "callback of three arguments": EMBED_OR_DTO
    + SDK
    + """
from aiges.core.types import *
from aiges.callback import callback
from aiges.concurrent.fixpool import FixedPool
from aiges.worker import Worker, InferClass
""",
}


def run_wrapper(source: str) -> dict[str, object]:
    module: dict[str, object] = {"__name__": "wrapper"}
    exec(compile(source, "wrapper.py", "exec"), module)
    assert module["Wrapper"](legacy=False).run_once() is True  # type: ignore[operator]
    return module


@pytest.mark.parametrize("style", STYLES)
def test_a_wrapper_with_these_imports_works(style: str) -> None:
    run_wrapper(STYLES[style] + BODY)


@pytest.mark.parametrize("style", [style for style in STYLES if style != METRICS])
def test_it_works_where_only_dto_can_be_imported(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiges_embed", None)
    run_wrapper(STYLES[style] + BODY)


def test_both_ways_lead_to_the_same_classes() -> None:
    assert aiges_embed.Response is dto.Response
    assert aiges_embed.ResponseData is dto.ResponseData


def test_a_handler_class_at_the_bottom_of_the_file_works() -> None:
    source = (
        EMBED_OR_DTO
        + SDK
        + "from aiges.core.types import *\n"
        + BODY.replace(
            "return 0\n",
            "cls.session.init_handle_pool('thread', 1, MyReqDataThread)\n        return 0\n",
            1,
        )
        + """
from aiges.stream import StreamHandleThread
import queue
class MyReqDataThread(StreamHandleThread):
    def __init__(self, session_thread, in_q, out_q):
        super().__init__(session_thread, in_q, out_q)
        self.is_stopping = False

    def run(self):
        handled.put(self.session_thread.handle)
handled = queue.Queue()
"""
    )
    module = run_wrapper(source)
    assert module["handled"].get(timeout=5) == "Process-0-Thread-0"  # type: ignore[attr-defined]


def test_names_that_only_the_embed_branch_imports_are_there() -> None:
    source = """
try:
    from aiges_embed import ResponseData, Response, DataListCls, SessionCreateResponse, callback
except:
    from aiges.dto import Response, ResponseData, DataListCls
"""
    create = """
    def wrapperCreate(cls, params: {}, sid: str) -> SessionCreateResponse:
        return SessionCreateResponse()
"""
    run_wrapper(source + SDK + "from aiges.core.types import *\n" + BODY + create)


def test_importing_the_sdk_takes_nothing_but_the_standard_library() -> None:
    script = """
import sys
before = set(sys.modules)
import aiges.sdk, aiges.dto, aiges.callback, aiges.stream, aiges.worker, aiges.errors
import aiges.types, aiges.concurrent.fixpool, aiges.utils.log, aiges.typed, aiges_embed
import aiges._runtime.schema, aiges._runtime.results, aiges._runtime.describing
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - set(sys.stdlib_module_names)))
print("asyncio" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(PLUGIN_RUNTIME)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.splitlines() == ["aiges aiges_embed", "False"]
