"""Typed wrappers by the methods that hosts call: once, in a stream, asynchronously."""

# ruff: noqa: N815 - the names that wrappers must use.

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import pytest

from aiges import running
from aiges.dto import DataListCls, DataListNode, Response
from aiges.errors import BAD_VALUE
from aiges.typed import Audio, CodedError, Image, Json, Param, Text, TypedWrapper
from aiges_wire.codes import Code


def request(**inputs: bytes) -> DataListCls:
    made = DataListCls()
    for key, data in inputs.items():
        node = DataListNode()
        node.key, node.data, node.len = key, data, len(data)
        made.list.append(node)
    return made


def packages(*texts: bytes, key: str = "text") -> Iterator[DataListCls]:
    return iter([request(**{key: text}) for text in texts])


def sent(response: Response) -> dict[str, bytes]:
    assert response.error_code == 0, response.error_text
    return {item.key: bytes(item.data) for item in response.list}  # type: ignore[arg-type]


def refused(response: Response) -> str:
    assert response.error_code == Code.BAD_VALUE
    return response.error_text


class Echo(TypedWrapper):
    serviceId = "echo"

    def infer(
        self,
        text: Text,
        times: Annotated[int, Param(minimum=1, maximum=3)],
        loud: bool = False,
        more: Text | None = None,
    ) -> Text:
        self.seen: Any = (text, times, loud, more)
        return Text((text.text.upper() if loud else text.text) * times)


def test_numbers_arrive_as_numbers_and_defaults_as_they_stand() -> None:
    wrapper = Echo()
    response = wrapper.wrapperOnceExec({"times": "2", "sid": "s"}, request(text=b"ab"))
    assert sent(response) == {"result": b"abab"}
    assert wrapper.seen == (Text("ab", encoding="utf8"), 2, False, None)
    wrapper.wrapperOnceExec({"times": "1", "loud": "true"}, request(text=b"ab", more=b"x"))
    assert wrapper.seen[2:] == (True, Text("x", encoding="utf8"))


def test_everything_that_is_wrong_is_named_at_once_with_one_code() -> None:
    response = Echo().wrapperOnceExec({"times": "9", "loud": "maybe"}, request(other=b"x"))
    assert refused(response).split("; ") == [
        "parameter 'times': expected a whole number from 1 to 3, got \"9\"",
        "parameter 'loud': expected true or false, got \"maybe\"",
        "payload 'text': is missing",
    ]
    assert (
        refused(Echo().wrapperOnceExec({}, request(text=b"x"))) == "parameter 'times': is missing"
    )
    assert BAD_VALUE == Code.BAD_VALUE


def test_the_first_of_two_inputs_of_one_key_counts() -> None:
    both = request(text=b"first")
    both.list += request(text=b"second").list
    assert sent(Echo().wrapperOnceExec({"times": "1"}, both)) == {"result": b"first"}


class Pair(NamedTuple):
    label: Text
    facts: Json


@dataclass
class Maybe:
    picture: Image
    sound: Audio | None = None


class Several(TypedWrapper):
    def infer(self, text: Text) -> Pair:
        return Pair(Text("l"), Json([1]))


class Optional(TypedWrapper):
    def infer(self, text: Text) -> Maybe:
        return Maybe(Image(b"p"))


def test_several_outputs_come_from_a_named_tuple_or_a_dataclass() -> None:
    assert sent(Several().wrapperOnceExec({}, request(text=b""))) == {
        "label": b"l",
        "facts": b"[1]",
    }
    assert sent(Optional().wrapperOnceExec({}, request(text=b""))) == {"picture": b"p"}


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("a str", "Wrong.infer returned a str, expected Pair"),
        (None, "Wrong.infer returned a NoneType, expected Pair"),
        ((Text("a"), Json(1)), "Wrong.infer returned a tuple, expected Pair"),
        (Pair(Text("a"), None), "Wrong.infer: facts is a NoneType, expected Json"),  # type: ignore[arg-type]
    ],
)
def test_a_result_of_another_type_is_a_bug_and_says_so(returned: object, words: str) -> None:
    class Wrong(TypedWrapper):
        def infer(self, text: Text) -> Pair:
            return returned  # type: ignore[return-value]

    with pytest.raises(TypeError) as caught:
        Wrong().wrapperOnceExec({}, request(text=b""))
    assert str(caught.value) == words


def test_a_coded_error_is_an_answer_with_code_and_words() -> None:
    class Refusing(TypedWrapper):
        def infer(self, text: Text) -> Text:
            raise CodedError(101, text.text)

    response = Refusing().wrapperOnceExec({}, request(text=b"words"))
    assert (response.error_code, response.error_text) == (101, "words")


def test_load_gets_the_configuration_and_only_an_exception_stops_the_start() -> None:
    class Loading(Echo):
        def load(self, config: Mapping[str, str]) -> None:
            self.model = config["model"]

        def unload(self) -> None:
            self.model = ""

    wrapper = Loading()
    assert wrapper.wrapperInit({"model": "m"}) == 0
    assert wrapper.model == "m"
    with pytest.raises(KeyError):
        wrapper.wrapperInit({})
    assert wrapper.wrapperFini() == 0
    assert wrapper.model == ""


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (-1, -1)])
def test_who_is_used_to_it_may_say_by_a_number_how_loading_went(
    returned: int | None, status: int
) -> None:
    class Loading(Echo):
        def load(self, config: Mapping[str, str]) -> int | None:
            return returned

    assert Loading().wrapperInit({}) == status


class Counting(TypedWrapper):
    def infer(self, text: Text, up_to: int = 2) -> Iterator[Text]:
        self.ended = False
        try:
            for number in range(up_to):
                yield Text(f"{text} {number}")
            if up_to == 0:
                raise CodedError(7, "nothing to count")
        finally:
            self.ended = True


def streamed(wrapper: TypedWrapper, params: dict[str, str], *texts: bytes) -> list[Response]:
    return list(wrapper.wrapperStream(params, packages(*texts)))


def test_a_generator_is_a_stream_of_results_over_the_whole_input() -> None:
    results = streamed(Counting(), {}, b"on", b"e")
    assert [sent(response) for response in results] == [{"result": b"one 0"}, {"result": b"one 1"}]


def test_a_stream_that_cannot_begin_or_ends_with_an_error_says_so() -> None:
    (bad,) = streamed(Counting(), {"up_to": "x"}, b"a")
    assert refused(bad).startswith("parameter 'up_to': ")
    (missing,) = streamed(Counting(), {})
    assert refused(missing) == "payload 'text': is missing"
    (coded,) = streamed(Counting(), {"up_to": "0"}, b"a")
    assert (coded.error_code, coded.error_text) == (7, "nothing to count")


def test_a_stream_that_nobody_reads_further_is_closed_with_its_generator() -> None:
    wrapper = Counting()
    results = wrapper.wrapperStream({"up_to": "9"}, packages(b"a"))
    next(results)
    assert not wrapper.ended
    results.close()
    assert wrapper.ended


def test_nothing_is_begun_for_a_client_that_left_before_its_input_was_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Gone:
        sid, is_cancelled, remaining_s = "s", True, None

    monkeypatch.setattr(running, "current_call", Gone)
    assert streamed(Counting(), {}, b"a") == []


class Dialogue(TypedWrapper):
    def infer(self, sound: Iterator[Audio], name: Text, gain: int = 1) -> Iterator[Text]:
        for piece in sound:
            rate = piece.attributes.get("rate", "")
            yield Text(f"{name} {piece.data.decode() * gain} {rate}")


def test_an_iterator_as_input_gives_what_comes_as_it_comes() -> None:
    def pieces() -> Iterator[DataListCls]:
        for number, data in enumerate((b"a", b"b", b"", b"c")):
            package = request(sound=data) if data else request(other=b"x")
            for node in package.list:
                node.type = 1 if node.key == "sound" else 0
                node.desc = {"rate": "8"} if number == 0 else {}
            if number == 0:
                package.list += request(name=b"n").list
            asked.append(data)
            yield package

    asked: list[bytes] = []
    results = Dialogue().wrapperStream({"gain": "2"}, pieces())
    assert sent(next(results)) == {"result": b"n aa 8"}
    assert asked == [b"a"]
    assert [sent(response) for response in results] == [
        {"result": b"n bb 8"},
        {"result": b"n cc 8"},
    ]


def test_a_piece_that_is_not_what_it_should_be_ends_the_stream_with_its_name() -> None:
    first = request(sound=b"a", name=b"n")
    first.list[0].type = 1
    good, bad = Dialogue().wrapperStream({}, iter([first, request(sound=b"text")]))
    assert sent(good) == {"result": b"n a "}
    assert refused(bad) == "payload 'sound': expected audio, got text"


class Async(TypedWrapper):
    """Opens something in its event loop, and uses it there."""

    async def load(self, config: Mapping[str, str]) -> None:
        self.loop = asyncio.get_running_loop()
        self.together = asyncio.Event()
        self.waiting = 0

    async def infer(self, text: Text, wait_for: int = 0) -> Text:
        assert asyncio.get_running_loop() is self.loop
        if text.text == "exit":
            sys.exit(3)
        if text.text == "coded":
            raise CodedError(9, "words")
        self.waiting += 1
        if self.waiting == wait_for:
            self.together.set()
        if wait_for:
            await self.together.wait()
        return Text(text.text * 2)

    async def unload(self) -> None:
        self.unloaded_in = asyncio.get_running_loop()


@pytest.fixture
def asynchronous() -> Iterator[Async]:
    wrapper = Async()
    assert wrapper.wrapperInit({}) == 0
    yield wrapper
    wrapper.wrapperFini()


def test_a_coroutine_runs_in_one_loop_for_all_calls(asynchronous: Async) -> None:
    assert sent(asynchronous.wrapperOnceExec({}, request(text=b"a"))) == {"result": b"aa"}
    answers: list[Response] = []

    def call() -> None:
        answers.append(asynchronous.wrapperOnceExec({"wait_for": "4"}, request(text=b"b")))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [sent(answer) for answer in answers] == [{"result": b"bb"}] * 3


def test_what_a_coroutine_raises_is_raised_and_the_loop_goes_on(asynchronous: Async) -> None:
    with pytest.raises(SystemExit):
        asynchronous.wrapperOnceExec({}, request(text=b"exit"))
    coded = asynchronous.wrapperOnceExec({}, request(text=b"coded"))
    assert (coded.error_code, coded.error_text) == (9, "words")
    assert sent(asynchronous.wrapperOnceExec({}, request(text=b"a"))) == {"result": b"aa"}


def test_unload_runs_in_the_loop_which_then_ends() -> None:
    before = threading.active_count()
    wrapper = Async()
    wrapper.wrapperInit({})
    assert threading.active_count() == before + 1
    wrapper.wrapperFini()
    assert wrapper.unloaded_in is wrapper.loop
    assert wrapper.loop.is_closed()
    assert threading.active_count() == before


class AsyncStream(TypedWrapper):
    async def infer(self, text: Text) -> AsyncIterator[Text]:
        self.ended = False
        try:
            for letter in text.text:
                await asyncio.sleep(0)
                yield Text(letter)
        finally:
            self.ended = True


def test_an_asynchronous_generator_is_a_stream_and_is_closed_with_it() -> None:
    wrapper = AsyncStream()
    wrapper.wrapperInit({})
    results = streamed(wrapper, {}, b"ab", b"c")
    assert [sent(response)["result"] for response in results] == [b"a", b"b", b"c"]
    left = wrapper.wrapperStream({}, packages(b"abc"))
    next(left)
    assert not wrapper.ended
    left.close()
    assert wrapper.ended
    wrapper.wrapperFini()


def test_a_local_run_tries_a_stream_without_being_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Streams(TypedWrapper):
        def infer(self, text: Text, word: str = "w") -> Iterator[Text]:
            yield Text(word)

    Streams().run()
    assert capsys.readouterr().out == "result: 'w'\n"


def test_a_local_run_shows_a_bad_value_as_a_client_would_get_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Tested(TypedWrapper):
        def infer(self, text: Text, n: Annotated[int, Param(test="x")] = 1) -> Text:
            return text

    with caplog.at_level("INFO"):
        Tested().run_once()
    assert "error 10107: 'parameter \\'n\\': expected a whole number, got \"x\"'" in caplog.text
