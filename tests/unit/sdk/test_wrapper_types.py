"""What a type checker says to the author of a wrapper."""

import os
import subprocess
import sys
from pathlib import Path

PLUGIN_RUNTIME = Path(__file__).resolve().parents[3] / "plugin_runtime"

ANNOTATED = """
import queue
from typing import Any

from aiges.core.types import DataEnd, DataText
from aiges.dto import DataListCls, Response, ResponseData, SessionCreateResponse
from aiges.sdk import ImageBodyField, IntegerParamField, StringBodyField, WrapperBase
from aiges.stream import StreamHandleThread, WorkerThread
from aiges.utils.log import getFileLogger, log
from aiges_embed import callback


class Request:
    img = ImageBodyField(key="img", path="x.png")
    count = IntegerParamField(key="n", minimum=1, maximum=4, value=2)


class Reply:
    result = StringBodyField(key="result", value="text")


class Handler(StreamHandleThread):
    def __init__(
        self, session_thread: WorkerThread, in_q: "queue.Queue[Any]", out_q: "queue.Queue[Any]"
    ) -> None:
        super().__init__(session_thread, in_q, out_q)
        self.setDaemon(False)

    def run(self) -> None:
        self.session_thread.callback_fn(Response(), self.session_thread.sid)


class Wrapper(WrapperBase):
    serviceId = "x"
    version = "v1"
    requestCls = Request()
    responseCls = Reply
    config = {"a": "b"}
    model = None

    def __init__(self, *args: bool, **kwargs: bool) -> None:
        super().__init__(*args, **kwargs)
        self.file_log = getFileLogger(level=10)

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.session.init_handle_pool("thread", 2, Handler)
        return 0

    def wrapperFini(self) -> int:
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Response:
        node = reqData.get("img")
        if node is None:
            return Response().response_err(100)
        item = ResponseData(key="result", data=node.data, type=DataText)
        item.data, item.len, item.status = "text", 4, DataEnd
        response = Response()
        response.list = [item]
        log.info("%d", node.len)
        return response

    def wrapperOnceExecAsync(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> int:
        return callback(Response(), usrTag)

    def wrapperCreate(
        self, params: dict[str, str], sid: str, userTag: str = ""
    ) -> SessionCreateResponse:
        created = SessionCreateResponse()
        created.handle = self.session.get_idle_handle() or ""
        return created

    def wrapperWrite(self, handle: str, req: DataListCls, sid: str) -> int:
        session = self.session.get_session(handle)
        if session is None:
            return -1
        session.in_q.put(req)
        return 0

    @classmethod
    def wrapperError(cls, ret: int) -> str:
        return ""


if __name__ == "__main__":
    Wrapper().run()
"""

TYPED = """
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from aiges.typed import Audio, Body, CodedError, Image, Json, Param, Text, TypedWrapper


class Answer(NamedTuple):
    label: Text
    facts: Annotated[Json, Body(key="more")]
    picture: Image | None = None


class Wrapper(TypedWrapper):
    serviceId = "x"
    version = "v1"

    def load(self, config: Mapping[str, str]) -> None:
        self.model = config["model"]

    def infer(
        self,
        img: Annotated[Image, Body(path="x.png")],
        top: Annotated[int, Param(minimum=1)] = 1,
        mode: Literal["a", "b"] = "a",
        seed: int | None = None,
        sound: Audio | None = None,
    ) -> Answer:
        if sound is not None and not sound.data:
            raise CodedError(7, "silence")
        return Answer(Text(mode * top, encoding="utf8"), Json({"bytes": len(img.data)}))

    def unload(self) -> None:
        self.model = None


class Streams(TypedWrapper):
    async def load(self, config: Mapping[str, str]) -> None:
        pass

    async def infer(self, text: Text) -> AsyncIterator[Text]:
        yield Text(text.text)


class Talks(TypedWrapper):
    def infer(self, sound: Iterator[Audio]) -> Iterator[Text]:
        for piece in sound:
            yield Text(piece.attributes["rate"], status=piece.status)


if __name__ == "__main__":
    Wrapper().run()
"""

BARE = """
# mypy: allow-untyped-defs, allow-untyped-calls
from aiges.core.types import *
from aiges.dto import *
from aiges.sdk import StringBodyField, WrapperBase

DataBegin = 0
DataNone = -1


class UserRequest(object):
    input1 = StringBodyField(key="t")


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    call_type = 1

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def wrapperInit(cls, config):
        return 0

    def wrapperOnceExec(cls, params, reqData, psrID=0):
        res = Response()
        return res.response_err(100)

    def wrapperOnceExecAsync(cls, params, reqData, usrTag="9527", persId=0):
        return 0

    def wrapperCreate(cls, params, errNum, sid, persId=0):
        return "handle"

    def wrapperRead(cls, handle, sid):
        return []

    def wrapperUnloadRes(cls, patch_id):
        return 0

    def wrapperTestFunc(cls, data, respData):
        pass
"""

WRONG = """
from aiges.dto import Response
from aiges.sdk import WrapperBase


class Wrapper(WrapperBase):
    serviceId = 7

    def wrapperInit(self, config: dict[str, str]) -> str:
        Response().response_err("100")
        return ""
"""

WRONG_TYPED = """
from aiges.typed import Image, Text, TypedWrapper


class Wrapper(TypedWrapper):
    def infer(self, img: Image) -> Text:
        return Text(img.data)
"""


def check(folder: Path, source: str) -> str:
    (folder / "wrapper.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "wrapper.py"],
        cwd=folder,
        env=os.environ | {"MYPYPATH": str(PLUGIN_RUNTIME)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def test_wrappers_pass_and_mistakes_are_found(tmp_path: Path) -> None:
    # One test and one folder: each run but the first finds its cache warm.
    passed = "Success: no issues found in 1 source file\n"
    assert check(tmp_path, ANNOTATED) == passed
    assert check(tmp_path, BARE) == passed
    assert check(tmp_path, TYPED) == passed
    mistakes = check(tmp_path, WRONG)
    assert "[assignment]" in mistakes
    assert "[override]" in mistakes
    assert "[arg-type]" in mistakes
    assert 'expected "str"' in check(tmp_path, WRONG_TYPED)
