"""What our worker makes of whatever a wrapper does in a call, seen by a host."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aiges_wire.pb import aiges_inner_pb2 as pb
from support.worker_host import WorkerHost, environment

MODES = """
import sys
from aiges.core.types import *
from aiges.dto import Response, ResponseData, callback
from aiges.sdk import WrapperBase, StringBodyField

def item(key="result", data=b"x", **fields):
    made = ResponseData(key=key)
    made.setData(data)
    for name, value in fields.items():
        setattr(made, name, value)
    return made

def answer(*items):
    made = Response()
    made.list = list(items)
    return made

class Wrapper(WrapperBase):
    serviceId = "modes"
    version = "v1"

    def wrapperInit(self, config):
        self.config = config
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=9):
        do = params["do"]
        if do == "inputs":
            params["writable"] = self
            node = reqData.get("text")
            seen = [type(params).__name__, params["sid"], usrTag, persId, node.key]
            seen += [node.data.decode(), node.len, node.type, node.status, node.desc]
            seen += [len(reqData.list), self.config]
            return answer(item(data=repr(seen)))
        if do == "str": return answer(item(data="text 中"))
        if do == "view": return answer(self.with_data(memoryview(b"a view")))
        if do == "type": return answer(item(type=DataImage, status=DataEnd, len=12345))
        if do == "desc": return answer(item(desc={"encoding": "utf8", "rate": 16000}))
        if do == "bytes key": return answer(item(key=b"number"))
        if do == "error": return Response().response_err(100)
        if do == "error with data": r = answer(item()); return r.response_err(100)
        if do == "error without text": return Response().response_err(7)
        if do == "error text raises": return Response().response_err(8)
        if do == "error text exits": return Response().response_err(9)
        if do == "error assigned": r = Response(); r.error_code = -1; return r
        if do == "error with words": return Response().response_err(100, "its own words")
        if do == "raise": raise ValueError("boom")
        if do == "raise nothing": raise KeyError
        if do == "exit": sys.exit(4)
        if do == "none": return None
        if do == "int": return -1
        if do == "text": return "just a string"
        if do == "class": return Response
        if do == "empty": return answer()
        if do == "not items": return answer("a str")
        if do == "data int": return answer(self.with_data(5))
        if do == "data none": return answer(self.with_data(None))
        if do == "key none": return answer(item(key=None))
        if do == "status text": return answer(item(status="3"))
        if do == "status big": return answer(item(status=1 << 40))
        if do == "desc text": return answer(item(desc="utf8"))
        if do == "code text": r = Response(); r.error_code = "E1"; return r
        if do == "code big": r = Response(); r.error_code = 1 << 40; return r
        if do == "callback": callback(answer(item(data=b"pushed")), usrTag); return None
        raise AssertionError(do)

    def with_data(self, data):
        made = ResponseData(key="result")
        made.data = data
        return made

    def wrapperError(self, code):
        if code == 8:
            raise KeyError(code)
        if code == 9:
            sys.exit(code)
        return {100: "no such thing", -1: "minus one"}.get(code, "")
"""


BOTH_VERSIONS = pytest.mark.parametrize("version", [1, 2])


@pytest.fixture(scope="module", params=[1, 2])
def modes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerHost]:
    folder = tmp_path_factory.mktemp("modes")
    (folder / "wrapper.py").write_text(MODES, encoding="utf-8")
    env = environment(request.param, AIGES_WORKER_CONCURRENCY="4")
    with WorkerHost(folder, env=env).connect() as host:
        assert host.version == request.param
        assert host.init(a="1") == 0
        yield host


def error_of(answer: pb.Response) -> tuple[int, str]:
    assert [item.key for item in answer.list] == ["aiges.error"]
    return answer.ret, answer.list[0].data.decode()


def test_a_call_brings_fresh_writable_params_and_decoded_inputs(modes: WorkerHost) -> None:
    for _ in range(2):
        answer = modes.once(b"hi", tag="T", do="inputs")
        assert answer.ret == 0
        assert answer.list[0].data.decode() == repr(
            ["dict", "T", "T", 0, "text", "hi", 2, 0, 3, {}, 1, {"a": "1"}]
        )


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        ("str", {"data": "text 中".encode(), "len": 8}),
        ("view", {"data": b"a view", "len": 6}),
        ("type", {"type": 2, "status": 2, "len": 1}),
        ("desc", {"desc": {"encoding": "utf8", "rate": "16000"}}),
        ("bytes key", {"key": "number"}),
        ("callback", {"data": b"pushed"}),
    ],
)
def test_what_wrappers_really_return_is_an_answer(
    do: str, expected: dict[str, object], modes: WorkerHost
) -> None:
    answer = modes.once(tag=do, do=do)
    assert (answer.ret, answer.tag) == (0, do)
    item = answer.list[0]
    assert {name: getattr(item, name) for name in expected} == expected
    # The None that followed a callback is an error nobody waits for; a lane has no place for it.
    if do == "callback" and modes.version == 1:
        assert error_of(modes.results.get(timeout=20))[0] == 30003


@pytest.mark.parametrize(
    ("do", "code", "text"),
    [
        ("error", 100, "no such thing"),
        ("error with data", 100, "no such thing"),
        ("error with words", 100, "its own words"),
        ("error without text", 7, "wrapper error 7"),
        ("error text raises", 8, "wrapper error 8"),
        ("error text exits", 9, "wrapper error 9"),
        ("error assigned", -1, "minus one"),
        ("raise", 30003, "wrapperOnceExec raised ValueError: boom (wrapper.py:"),
        ("raise nothing", 30003, "wrapperOnceExec raised KeyError (wrapper.py:"),
        ("exit", 30003, "wrapperOnceExec raised SystemExit: 4 (wrapper.py:"),
        ("none", 30003, "wrapperOnceExec returned None, expected a Response"),
        ("int", 30003, "wrapperOnceExec returned an int, expected a Response"),
        ("text", 30003, "wrapperOnceExec returned a str, expected a Response"),
        ("class", 30003, "wrapperOnceExec returned a type, expected a Response"),
        ("empty", 30003, "wrapperOnceExec returned a Response with an empty list"),
        ("not items", 30003, "returned a str in Response.list, expected a ResponseData"),
        ("data int", 30003, "returned an int as data of item 'result', expected bytes or str"),
        ("data none", 30003, "returned None as data of item 'result', expected bytes or str"),
        ("key none", 30003, "returned None as an item's key, expected str"),
        ("status text", 30003, "returned status '3' in item 'result'"),
        ("status big", 30003, "returned status 1099511627776 in item 'result'"),
        ("desc text", 30003, "returned a str as desc of item 'result', expected a dict"),
        ("code text", 30003, "returned error_code 'E1', expected a 32-bit number"),
        ("code big", 30003, "returned error_code 1099511627776"),
    ],
)
def test_every_failure_is_a_code_and_a_text_at_once(
    do: str, code: int, text: str, modes: WorkerHost
) -> None:
    found_code, found_text = error_of(modes.once(do=do))
    assert found_code == code
    assert text in found_text


def test_the_log_has_the_authors_traceback_and_none_of_our_frames(modes: WorkerHost) -> None:
    modes.once(do="raise")
    record = json.loads(modes.stderr.until("ValueError: boom"))
    assert record["@level"] == "error"
    lines = record["@message"].splitlines()
    assert lines[:2] == ["wrapperOnceExec raised:", "Traceback (most recent call last):"]
    assert "wrapper.py" in lines[2]
    assert "_runtime" not in record["@message"]


def test_twenty_mebibytes_go_both_ways(modes: WorkerHost) -> None:
    data = b"z" * (20 << 20)
    answer = modes.once(data, do="inputs", tag="big")
    assert answer.ret == 0
    assert len(answer.list[0].data) > len(data)


ASYNC = """
import asyncio, threading
from aiges.dto import Response, ResponseData, callback
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    serviceId = "async"
    version = "v1"

    def wrapperInit(self, config):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        return 0

    def wrapperOnceExec(self, params, reqData):
        pass

    def wrapperOnceExecAsync(self, params, reqData, usrTag, persId=0):
        how = params["how"]
        if how == "refuse":
            return -1
        if how == "callback and refuse":
            callback(Response().response_err(5), usrTag)
            return -1
        if how == "none":
            return None
        assert asyncio.run_coroutine_threadsafe(self.answer(usrTag, reqData, how), self.loop)
        return 0

    async def answer(self, tag, reqData, how):
        await asyncio.sleep(0.01)
        response = Response()
        if how == "error":
            response.response_err(5)
        elif how == "garbage":
            response = "garbage"
        elif how == "released":
            response.list[0].data = memoryview(b"gone")
            response.list[0].data.release()
        else:
            response.list[0].key = "result"
            response.list[0].setData(reqData.get("text").data)
        assert callback(response, tag) == 0

    def wrapperError(self, code):
        return f"code {code}"
"""


@BOTH_VERSIONS
def test_answers_by_callback_from_another_threads_event_loop(version: int, tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(ASYNC)
    with WorkerHost(tmp_path, env=environment(version)).connect() as host:
        assert host.init() == 0
        answer = host.once(b"later", how="answer")
        assert (answer.ret, answer.list[0].data) == (0, b"later")
        assert error_of(host.once(how="error")) == (5, "code 5")
        assert error_of(host.once(how="refuse")) == (-1, "code -1")
        expected = "wrapperOnceExecAsync returned None, expected 0"
        assert error_of(host.once(how="none")) == (30003, expected)
        assert "callback returned a str" in error_of(host.once(how="garbage"))[1]
        assert "callback: ValueError" in error_of(host.once(how="released"))[1]
        assert error_of(host.once(how="callback and refuse")) == (5, "code 5")
        if version == 1:
            assert error_of(host.results.get(timeout=20)) == (-1, "code -1")


CONCURRENT = """
import threading
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        self.together = threading.Barrier(3)
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        response.list[0].key = "result"
        try:
            self.together.wait(float(params["limit"]))
            response.list[0].setData(b"together")
        except threading.BrokenBarrierError:
            response.list[0].setData(b"alone")
        return response
"""


@pytest.mark.parametrize(("lanes", "result"), [(3, b"together"), (1, b"alone")])
def test_so_many_calls_run_at_once_as_there_are_lanes(
    lanes: int, result: bytes, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text(CONCURRENT)
    limit = "10" if result == b"together" else "0.3"
    env = environment(2, AIGES_WORKER_CONCURRENCY="3")
    with WorkerHost(tmp_path, env=env).connect() as host, ExitStack() as closing:
        assert host.init() == 0
        opened = [closing.enter_context(host.lane()) for _ in range(lanes)]
        used = [opened[number % lanes] for number in range(3)]
        for number, lane in enumerate(used):
            lane.send(b"", str(number), limit=limit)
        answers = [lane.answer(str(number)) for number, lane in enumerate(used)]
        assert {answer.list[0].data for answer in answers} == {result}


@pytest.mark.parametrize(("concurrency", "result"), [("3", b"together"), ("2", b"alone")])
def test_so_many_calls_run_at_once_as_the_host_says(
    concurrency: str, result: bytes, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text(CONCURRENT)
    env = environment(AIGES_WORKER_CONCURRENCY=concurrency)
    limit = "10" if result == b"together" else "0.3"
    with WorkerHost(tmp_path, env=env).connect() as host:
        assert host.init() == 0
        requests = [pb.Request(tag=str(number), params={"limit": limit}) for number in range(3)]
        calls = [host.wrapper.wrapperOnceExec.future(request) for request in requests]
        answers = [host.results.get(timeout=20) for _ in range(3)]
        assert {answer.list[0].data for answer in answers} == {result}
        assert all(call.result(20).ret == 0 for call in calls)


PLAIN = """
class Wrapper:
    def wrapperInit(self, config): return 0
    def wrapperOnceExec(self, params, reqData): return None
"""


@pytest.mark.parametrize(
    ("place", "paths"),
    [
        ("wrapper.py", ""),
        ("wrapper/wrapper.py", ""),
        ("lib/wrapper.py", "lib"),
        ("wrapper/__init__.py", ""),
    ],
)
def test_the_wrapper_is_found_where_people_put_it(place: str, paths: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLAIN)
    env = environment()
    if paths:
        env["PYTHONPATH"] += f":{tmp_path / paths}"
        (tmp_path / "wrapper").mkdir()  # a folder of that name is in nobody's way
    with WorkerHost(tmp_path, env=env).connect() as host:
        assert host.init() == 0
        meta = host.schema("myService")["meta"]
        assert (meta["serviceId"], meta["version"]) == ("myService", "v1")
        assert meta["route"] == "/v1/private/myService"


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import nothing_like_it", 30001, "No module named 'nothing_like_it'"),
        ("def broken(:", 30001, "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(0)", 30001, "SystemExit: 0"),
        ("x = 1", 30001, "has no class Wrapper"),
        ("Wrapper = 5", 30001, "has no class Wrapper"),
        ("class Wrapper:\n    def __init__(self, needed): pass", 30001, "TypeError"),
        ("class Wrapper: pass", 30001, "AttributeError"),
        ("class Wrapper:\n    def wrapperInit(self, config): return 1", 30002, "returned 1"),
        ("class Wrapper:\n    def wrapperInit(self, config): pass", 30002, "returned None"),
        ("class Wrapper:\n    def wrapperInit(self, config): 1 / 0", 30001, "ZeroDivisionError"),
        (
            "class Wrapper:\n    def wrapperInit(self, config): return 0\n"
            "    def wrapperOnceExec(self, a, b, c, d, fifth): pass",
            30001,
            "no host gives a parameter 'fifth'",
        ),
    ],
)
def test_a_wrapper_that_cannot_start_is_reported_with_its_own_traceback(
    source: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text(source + "\n")
    with WorkerHost(tmp_path).connect() as host:
        assert host.init() == code
        line = host.stderr.until(said)
        assert "aiges/_runtime" not in line
        assert "importlib" not in line
        if source.startswith(
            ("import", "def", "class Wrapper:\n    def wrapperInit(self, config): 1")
        ):
            assert f"{tmp_path}/wrapper.py" in line


@pytest.mark.parametrize(
    "constructor",
    [
        "def __init__(self, *args, **kwargs): super().__init__(*args, **kwargs)",
        "def __init__(self): super().__init__()",
        "def __init__(self): pass",
        "def __init__(self, legacy=True): super().__init__(legacy=legacy)",
        "pass",
    ],
)
def test_any_constructor_gives_a_new_style_schema(constructor: str, tmp_path: Path) -> None:
    source = f"""
from aiges.sdk import WrapperBase, StringBodyField
class Request:
    text = StringBodyField(key="text")
class Wrapper(WrapperBase):
    serviceId = "s"
    version = "v2"
    requestCls = Request()
    {constructor}
    def wrapperInit(self, config): return 0
"""
    (tmp_path / "wrapper.py").write_text(source)
    with WorkerHost(tmp_path).connect() as host:
        assert host.init() == 0
        schema = host.schema()
        assert schema["meta"]["webgate_type"] == 0  # legacy schemas have none
        assert list(schema["schemainput"]["properties"]["payload"]["properties"]) == ["text"]


def test_the_schema_of_a_wrapper_whose_schema_raises_is_a_bare_one(tmp_path: Path) -> None:
    source = PLAIN + "    def schema(self): raise KeyError('x')\n"
    (tmp_path / "wrapper.py").write_text(source)
    with WorkerHost(tmp_path).connect() as host:
        assert host.init() == 0
        assert host.schema("svc")["meta"]["serviceId"] == "svc"
        host.stderr.until("no usable schema")
