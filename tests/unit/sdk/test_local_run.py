# ruff: noqa: N802, N815 - the names that wrappers must use.

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiges.core.types import DataEnd, DataImage, Once
from aiges.dto import (
    DataListCls,
    Response,
    ResponseData,
    SessionCreateResponse,
    callback,
    init_rq,
)
from aiges.sdk import (
    BooleanParamField,
    ImageBodyField,
    IntegerParamField,
    StringBodyField,
    StringParamField,
    WrapperBase,
)

PLUGIN_RUNTIME = Path(__file__).resolve().parents[3] / "plugin_runtime"


class Request:
    mode = StringParamField(key="mode", value="fast", enums=["fast", "good"])
    count = IntegerParamField(key="count", value=3, required=True)
    flag = BooleanParamField(key="flag", default=True)
    text = StringBodyField(key="text", value="中")
    picture = ImageBodyField(key="img")


class Reply:
    result = StringBodyField(key="result")


class Wrapper(WrapperBase):
    requestCls = Request()
    responseCls = Reply()
    config = {"model": "m"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.seen.append(config)
        return 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
        self.seen += [params, reqData]
        return Response(list=[ResponseData(key="result", data=b"x")])

    def wrapperError(self, ret: int) -> str:
        self.seen.append(ret)
        return f"text for {ret}"


def test_the_wrapper_is_initialised_and_called_with_its_test_values() -> None:
    wrapper = Wrapper()
    assert wrapper.run_once() is True
    config, params, request = wrapper.seen
    assert config == {"model": "m"}
    assert config is not wrapper.config
    assert params == {"sid": "test-111111", "mode": "fast", "count": 3, "flag": True}
    nodes = [(node.key, node.data, node.len, node.type, node.status) for node in request.list]
    assert nodes == [
        ("text", "中".encode(), 3, 0, Once),
        ("img", b"<your image base64 here>", 24, 2, Once),
    ]


def test_the_parsers_fill_the_test_values_and_return_schemas() -> None:
    wrapper = Wrapper()
    inputs_fields, inputs_body = wrapper._parse_inputs()
    params_fields, required = wrapper._parse_params()
    assert wrapper.inputs_test_values == {
        "text": "中".encode(),
        "img": b"<your image base64 here>",
    }
    assert wrapper.params_test_values == {"mode": "fast", "count": 3, "flag": True}
    assert inputs_fields == {"text": {"dataType": "text"}, "img": {"dataType": "image"}}
    assert list(inputs_body) == ["text", "img"]
    assert params_fields["count"] == {"type": "integer", "maximum": 100}
    assert required == ["count"]


class Raising(Wrapper):
    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
        raise ValueError("boom")


def test_an_exception_is_shown_with_its_traceback_and_wrapper_error_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrapper = Raising()
    assert wrapper.run_once() is False
    assert wrapper.seen[-1] == -1
    assert "ValueError: boom" in caplog.text
    assert "test_local_run.py" in caplog.text
    assert "text for -1" in caplog.text


def test_a_wrapper_error_that_raises_does_not_hide_the_first_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Worse(Raising):
        def wrapperError(self, ret: int) -> str:
            raise KeyError(ret)

    assert Worse().run_once() is False
    assert "ValueError: boom" in caplog.text
    assert "KeyError: -1" in caplog.text


@pytest.mark.parametrize("returned", [1, -1, None])
def test_a_wrapper_init_that_does_not_return_0_is_a_failure(
    returned: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(Wrapper):
        def wrapperInit(self, config: dict[str, str]) -> Any:
            return returned

    wrapper = Refusing()
    assert wrapper.run_once() is False
    assert f"wrapperInit returned {returned}" in caplog.text
    assert wrapper.seen == [-1]


def test_a_bad_answer_is_a_failure() -> None:
    class Silent(Wrapper):
        def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
            return None

    assert Silent().run_once() is False


def test_an_error_code_is_an_answer_and_its_text_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Erring(Wrapper):
        def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
            return Response().response_err(100)

    with caplog.at_level("INFO"):
        assert Erring().run_once() is True
    assert "text for 100" in caplog.text


def test_run_leaves_with_status_1_after_a_failure_and_returns_otherwise() -> None:
    Wrapper().run()
    with pytest.raises(SystemExit) as left:
        Raising().run()
    assert left.value.code == 1


class Session(Wrapper):
    """Answers each write with two results, from a thread, the second of them the last."""

    handle: Any = "h"
    written = 0
    last = DataEnd
    error = 0

    def wrapperCreate(self, params: dict[str, str], sid: str) -> Any:
        self.seen += [params, sid]
        return self.handle

    def wrapperWrite(self, handle: str, req: DataListCls, sid: str) -> int:
        self.seen += [handle, req, sid]
        if self.written:
            return self.written
        threading.Thread(target=self.answer, args=(sid,)).start()
        return 0

    def answer(self, sid: str) -> None:
        callback(Response(list=[ResponseData(key="result", status=1)]), sid)
        last = Response(list=[ResponseData(key="result", status=self.last)])
        last.error_code = self.error
        callback(last, sid)


@pytest.mark.parametrize("last", [DataEnd, Once])
def test_a_session_runs_until_the_end_of_its_results(last: int) -> None:
    wrapper = Session()
    wrapper.last = last
    assert wrapper.run_stream() is True
    assert wrapper.seen[1]["sid"] == wrapper.seen[2] == wrapper.seen[5] == "test-111111"
    assert wrapper.seen[3] == "h"
    assert [node.key for node in wrapper.seen[4].list] == ["text", "img"]


def test_run_with_stream_runs_a_session() -> None:
    wrapper = Session()
    wrapper.run(stream=True)
    assert "h" in wrapper.seen


def test_a_wrapper_may_make_the_queue_itself() -> None:
    class Own(Session):
        def wrapperInit(self, config: dict[str, str]) -> int:
            init_rq()
            return 0

    assert Own().run_stream() is True


def test_a_write_without_sid_is_called_without_it() -> None:
    class Newer(Session):
        def wrapperWrite(self, handle: str, reqData: DataListCls) -> int:
            threading.Thread(target=self.answer, args=("s",)).start()
            return 0

    assert Newer().run_stream() is True


def test_a_handle_may_come_in_a_session_response() -> None:
    wrapper = Session()
    wrapper.handle = SessionCreateResponse()
    wrapper.handle.handle = "inside"
    assert wrapper.run_stream() is True
    assert "inside" in wrapper.seen


@pytest.mark.parametrize("handle", [None, "", -1, SessionCreateResponse()])
def test_no_handle_is_a_failure(handle: object, caplog: pytest.LogCaptureFixture) -> None:
    wrapper = Session()
    wrapper.handle = handle
    assert wrapper.run_stream() is False
    assert "wrapperCreate gave handle" in caplog.text


def test_a_refused_write_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    wrapper = Session()
    wrapper.written = -1
    assert wrapper.run_stream() is False
    assert "wrapperWrite returned -1" in caplog.text


def test_an_error_ends_a_session(caplog: pytest.LogCaptureFixture) -> None:
    wrapper = Session()
    wrapper.error = 7
    assert wrapper.run_stream() is False
    assert "text for 7" in caplog.text


def test_methods_get_what_their_parameters_names_say() -> None:
    class Asking(Wrapper):
        def wrapperOnceExec(
            self, params: dict[str, str], reqData: DataListCls, usrTag: str, persId: int
        ) -> Any:
            self.seen += [usrTag, persId]
            return result("x")

    wrapper = Asking()
    assert wrapper.run_once() is True
    assert wrapper.seen[1:] == ["test-111111", 0]


class Later(Wrapper):
    """Answers by callback, from another thread."""

    accepts = 0

    def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
        return None

    def wrapperOnceExecAsync(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str, persId: int = 0
    ) -> int:
        if not self.accepts:
            threading.Thread(target=callback, args=(result("later"), usrTag)).start()
        return self.accepts


def test_an_answer_by_callback_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert Later().run_once() is True
    assert "wrapperOnceExecAsync works" in caplog.text


def test_a_request_that_is_not_taken_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    wrapper = Later()
    wrapper.accepts = -1
    assert wrapper.run_once() is False
    assert "wrapperOnceExecAsync returned -1" in caplog.text


class Read(Wrapper):
    """A session that is asked for its results, with the oldest parameters there are."""

    def wrapperCreate(self, params: dict[str, str], errNum: int, sid: str, persId: int = 0) -> Any:
        self.seen += [errNum, sid]
        return "read"

    def wrapperWrite(self, handle: str, reqData: DataListCls) -> int:
        self.results: list[Any] = [None, Response(), result("a", 1), [], result("b", DataEnd)]
        return 0

    def wrapperRead(self, handle: str, sid: str) -> Any:
        self.seen.append(handle)
        return self.results.pop(0)

    def wrapperDestroy(self, handle: str) -> int:
        self.seen.append("destroyed")
        raise KeyError(handle)


def test_a_session_may_be_asked_for_its_results_and_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrapper = Read()
    assert wrapper.run_stream() is True
    assert wrapper.seen[1:3] == [0, "test-111111"]
    assert wrapper.seen[3:] == [*["read"] * 5, "destroyed"]
    assert "wrapperDestroy raised" in caplog.text


def test_the_words_of_an_error_come_before_those_for_its_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Worded(Wrapper):
        def wrapperOnceExec(self, params: dict[str, str], reqData: DataListCls) -> Any:
            return Response().response_err(100, "these words")

    with caplog.at_level("INFO"):
        assert Worded().run_once() is True
    assert "these words" in caplog.text
    assert "text for 100" not in caplog.text


class Stream(Wrapper):
    """A generator, by what it is to yield."""

    yields: tuple[Any, ...] = ()

    def wrapperStream(self, params: dict[str, str], inputs: Iterator[DataListCls]) -> Any:
        self.seen.append(params)
        for package in inputs:
            self.seen.append(package)
            yield from self.yields


def result(text: str, status: int = Once) -> Response:
    return Response(list=[ResponseData(key="result", data=text, status=status)])


def test_a_generator_gets_the_test_values_and_its_results_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrapper = Stream()
    picture = ResponseData(key="picture", data=b"\0\1", type=DataImage)
    wrapper.yields = (result("一"), Response(list=[picture]))
    assert wrapper.run_stream() is True
    assert capsys.readouterr().out == "result: '一'\npicture: 2 bytes\n"
    assert wrapper.seen[1] == {"sid": "test-111111", "mode": "fast", "count": 3, "flag": True}
    assert [node.key for node in wrapper.seen[2].list] == ["text", "img"]


def test_a_wrapper_that_only_streams_need_not_be_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Only(WrapperBase):
        def wrapperInit(self, config: dict[str, str]) -> int:
            return 0

        def wrapperStream(self, params: dict[str, str], inputs: Iterator[DataListCls]) -> Any:
            yield result("streamed")

    Only().run()
    assert capsys.readouterr().out == "result: 'streamed'\n"


def test_a_generator_s_end_status_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    wrapper = Stream()
    wrapper.yields = (result("a"), result("b", DataEnd), result("never"))
    assert wrapper.run_stream() is True
    assert capsys.readouterr().out == "result: 'a'\nresult: 'b'\n"


@pytest.mark.parametrize(
    ("yields", "words"),
    [
        ((), "wrapperStream ended without a result"),
        ((result("a"), None), "wrapperStream yielded a NoneType, expected a Response"),
        ((Response(list=[]),), "wrapperStream yielded a Response with an empty list"),
        ((Response().response_err(7),), "error 7: 'text for 7'"),
    ],
)
def test_a_generator_that_does_not_do_as_it_should_fails(
    yields: tuple[Any, ...], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrapper = Stream()
    wrapper.yields = yields
    assert wrapper.run_stream() is False
    assert words in caplog.text


def test_a_wrapper_stream_that_is_no_generator_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Returning(Wrapper):
        def wrapperStream(self, params: dict[str, str], inputs: Iterator[DataListCls]) -> Any:
            return 0

    assert Returning().run_stream() is False
    assert "wrapperStream returned no generator" in caplog.text


def test_there_is_no_gradio_page_but_a_hint() -> None:
    with pytest.raises(NotImplementedError, match="Swagger"):
        Wrapper().gradio()


SCRIPT = """
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        raise ValueError("boom")

if __name__ == "__main__":
    Wrapper().run()
"""


def test_python_wrapper_py_shows_the_traceback_and_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "wrapper.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PLUGIN_RUNTIME)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert 'raise ValueError("boom")' in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == [
        "wrapper.py"
    ]
