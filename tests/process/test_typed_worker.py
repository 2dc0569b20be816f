"""Typed wrappers in a real worker, by both versions of the worker protocol."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aiges_loader.errors import SessionStepError
from aiges_wire.codes import Code, DataStatus
from aiges_wire.pb import aiges_inner_pb2 as pb
from support.served_sessions import LIMIT_S, next_text, opened, served, text
from support.worker_host import WorkerHost, environment

ONCE = """
from __future__ import annotations

import sys
from typing import Annotated, Literal

from aiges.sdk import current_call
from aiges.typed import CodedError, Param, Text, TypedWrapper


class Wrapper(TypedWrapper):
    serviceId = "typed"

    def load(self, config):
        self.greeting = config["greeting"]

    async def infer(
        self,
        text: Text,
        times: Annotated[int, Param(minimum=1, maximum=3)] = 1,
        do: Literal["answer", "code", "raise", "exit", "str", "call"] = "answer",
    ) -> Text:
        if do == "code":
            raise CodedError(101, "these words")
        if do == "raise":
            raise ValueError("boom")
        if do == "exit":
            sys.exit(3)
        if do == "str":
            return "a str"
        if do == "call":
            call = current_call()
            return Text(call.sid if call else "none")
        return Text(self.greeting + text.text * times)
"""

BOTH = pytest.mark.parametrize("version", [1, 2])


@pytest.fixture(scope="module", params=[1, 2])
def worker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerHost]:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "wrapper.py").write_text(ONCE)
    with WorkerHost(folder, env=environment(request.param)).connect() as host:
        assert host.init(greeting="hi ") == 0
        yield host


def outcome(answer: pb.Response) -> tuple[int, str]:
    return answer.ret, answer.list[0].data.decode()


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({}, 0, "hi x"),
        ({"times": "3"}, 0, "hi xxx"),
        ({"times": "6755399441055744p-51"}, 0, "hi xxx"),
        (
            {"times": "4"},
            10107,
            "parameter 'times': expected a whole number from 1 to 3, got \"4\"",
        ),
        ({"do": "fly"}, 10107, "parameter 'do': expected one of \"answer\", "),
        ({"do": "code"}, 101, "these words"),
        ({"do": "raise"}, 30003, "wrapperOnceExec raised ValueError: boom (wrapper.py:2"),
        ({"do": "exit"}, 30003, "wrapperOnceExec raised SystemExit: 3 (wrapper.py:2"),
        ({"do": "str"}, 30003, "Wrapper.infer returned a str, expected Text"),
    ],
)
def test_a_call_ends_as_its_method_does(
    params: dict[str, str], code: int, words: str, worker: WorkerHost
) -> None:
    found_code, found_words = outcome(worker.once(b"x", **params))
    assert found_code == code
    assert words in found_words


def test_the_running_call_is_known_inside_a_coroutine(worker: WorkerHost) -> None:
    expected = "none" if worker.version == 1 else "the-call"
    assert outcome(worker.once(b"x", tag="the-call", do="call")) == (0, expected)


def test_the_log_has_the_author_s_traceback_and_none_of_our_frames(worker: WorkerHost) -> None:
    worker.once(b"x", do="raise")
    line = worker.stderr.until("ValueError: boom")
    assert "wrapper.py" in line
    assert "_runtime" not in line
    assert "concurrent" not in line


def test_the_host_gets_a_schema_made_of_the_signature(worker: WorkerHost) -> None:
    schema = worker.schema()
    service = schema["schemainput"]["properties"]["parameter"]["properties"]["typed"]
    assert service["properties"]["times"] == {
        "minimum": 1,
        "maximum": 3,
        "type": "integer",
        "defaultVal": 1,
    }
    assert schema["meta"]["typed"] == {
        "input": {"text": {"dataType": "text"}},
        "accept": {"result": {"dataType": "text"}},
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "def infer(self, text: Text, x) -> Text: ...",
            "Wrapper.infer: parameter 'x': has no type",
        ),
        (
            "def infer(self, text: Text) -> str: ...",
            "Wrapper.infer: its result: str cannot be sent",
        ),
        ("pass", "Wrapper defines no method infer"),
    ],
)
def test_a_signature_that_cannot_be_served_is_one_line_at_load(
    body: str, words: str, tmp_path: Path
) -> None:
    source = (
        f"from aiges.typed import Text, TypedWrapper\nclass Wrapper(TypedWrapper):\n    {body}\n"
    )
    (tmp_path / "wrapper.py").write_text(source)
    with WorkerHost(tmp_path).connect() as host:
        assert host.init() == 30001
        line = host.stderr.until("cannot load the wrapper: ")
        assert words in line
        assert "Traceback" not in line


STREAM = """
from collections.abc import AsyncIterator, Iterator

from aiges.typed import CodedError, Text, TypedWrapper


class Wrapper(TypedWrapper):
    serviceId = "typed"

    {infer}
"""

ASYNC = """async def infer(self, text: Text) -> AsyncIterator[Text]:
        for letter in text.text:
            yield Text(letter)
"""
LETTERS = """def infer(self, text: Text, up_to: int = 9) -> Iterator[Text]:
        for letter in text.text[:up_to]:
            yield Text(letter)
        if up_to == 0:
            raise CodedError(7, "nothing")
"""
DIALOGUE = """def infer(self, text: Iterator[Text]) -> Iterator[Text]:
        for piece in text:
            yield Text(piece.text.upper())
"""


@BOTH
@pytest.mark.parametrize("infer", [LETTERS, ASYNC], ids=["generator", "async generator"])
async def test_a_generator_serves_sessions_over_their_whole_input(
    version: int, infer: str, tmp_path: Path
) -> None:
    async with served(STREAM.format(infer=infer), version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("a", DataStatus.BEGIN)])
        await session.write(2, [text("b", DataStatus.END)])
        found = [await next_text(session) for _ in range(3)]
        assert found == [("a", DataStatus.BEGIN), ("b", DataStatus.CONTINUE), ("", DataStatus.END)]


@BOTH
@pytest.mark.parametrize(
    ("up_to", "code", "words"),
    [
        ("x", Code.BAD_VALUE, "parameter 'up_to': expected a whole number, got \"x\""),
        ("0", 7, "nothing"),
    ],
)
async def test_a_session_ends_with_the_code_and_words_of_its_error(
    version: int, up_to: str, code: int, words: str, tmp_path: Path
) -> None:
    async with served(STREAM.format(infer=LETTERS), version, tmp_path) as (_, sessions):
        session = await opened(sessions, params={"up_to": up_to})
        await session.write(1, [text("a", DataStatus.ONCE)])
        with pytest.raises(SessionStepError) as caught:
            await session.read(LIMIT_S)
        assert (caught.value.code, str(caught.value)) == (code, words)


@BOTH
async def test_a_method_that_takes_an_iterator_answers_while_input_comes(
    version: int, tmp_path: Path
) -> None:
    async with served(STREAM.format(infer=DIALOGUE), version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        for number, (piece, status) in enumerate((("a", 0), ("b", 1), ("c", 2)), 1):
            await session.write(number, [text(piece, status)])
            assert (await next_text(session))[0] == piece.upper()
        assert await next_text(session) == ("", DataStatus.END)
