"""The chat sample and its endpoint: what it reads, how often it asks, when it stops."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from support.chat_endpoint import ChatEndpoint
from support.samples import sample_modules
from support.waiting import until

NAMES = ("settings", "events", "faults", "endpoint", "wrapper")


@pytest.fixture(scope="module")
def chat() -> Iterator[Any]:
    """The sample's modules, by their names."""
    with sample_modules("chat", *NAMES) as modules:
        yield SimpleNamespace(**dict(zip(NAMES, modules, strict=True)))


@pytest.fixture
def endpoint() -> Iterator[ChatEndpoint]:
    with ChatEndpoint() as running:
        yield running


@asynccontextmanager
async def asking(chat: Any, endpoint: ChatEndpoint, **settings: Any) -> AsyncIterator[Any]:
    made = chat.settings.Settings(base_url=endpoint.base_url, model="small", **settings)
    async with aiohttp.ClientSession() as session:
        yield chat.endpoint.Endpoint(made, session)


def body(message: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": message}]}


async def answered(asked: Any, message: str) -> list[str]:
    return [text async for text in asked.deltas(body(message))]


async def fault_of(chat: Any, asked: Any, message: str) -> str:
    with pytest.raises(chat.faults.ChatError) as raised:
        await answered(asked, message)
    return str(raised.value.fault.name)


async def test_the_answer_comes_in_the_endpoints_pieces(chat: Any, endpoint: ChatEndpoint) -> None:
    async with asking(chat, endpoint, api_key="secret") as asked:
        assert await answered(asked, "one two") == ["one ", "two "]
    ((headers, sent),) = endpoint.requests
    assert headers["Authorization"] == "Bearer secret"
    assert sent == {**body("one two"), "model": "small", "stream": True}


async def test_without_a_key_none_is_sent(chat: Any, endpoint: ChatEndpoint) -> None:
    async with asking(chat, endpoint) as asked:
        await answered(asked, "one")
    assert "Authorization" not in endpoint.requests[0][0]


async def test_bytes_that_come_one_by_one_are_the_same_answer(
    chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint) as asked:
        assert "".join(await answered(asked, "cut")) == "灯\u2028塔"


@pytest.mark.parametrize(
    ("message", "attempts"), [("429 twice", 3), ("503 twice", 3), ("drops twice", 3)]
)
async def test_what_may_go_well_later_is_tried_again(
    message: str, attempts: int, chat: Any, endpoint: ChatEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.endpoint, "FIRST_PAUSE_S", 0.01)
    async with asking(chat, endpoint) as asked:
        assert "".join(await answered(asked, message)) == f"{message} "
    assert endpoint.attempts[message] == attempts


@pytest.mark.parametrize(
    ("message", "fault", "attempts"),
    [
        ("302", "REFUSED", 1),
        ("400", "REFUSED", 1),
        ("401", "NOT_ALLOWED", 1),
        ("404", "REFUSED", 1),
        ("429", "TOO_MANY_REQUESTS", 3),
        ("429 for long", "TOO_MANY_REQUESTS", 1),
        ("500", "FAILED", 1),
        ("503", "FAILED", 3),
        ("breaks", "BROKEN", 1),
        ("ends", "BROKEN", 1),
        ("garbage", "BROKEN", 1),
        ("reports", "FAILED", 1),
    ],
)
async def test_what_goes_wrong_has_a_code_and_is_tried_so_often(
    message: str, fault: str, attempts: int, chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint) as asked:
        assert await fault_of(chat, asked, message) == fault
    assert endpoint.attempts[message] == attempts


async def test_what_has_come_before_a_break_is_kept(chat: Any, endpoint: ChatEndpoint) -> None:
    came = []
    async with asking(chat, endpoint) as asked:
        with pytest.raises(chat.faults.ChatError):
            async for text in asked.deltas(body("breaks")):
                came.append(text)  # noqa: PERF401 - it raises
    assert came == ["one"]


@pytest.mark.parametrize("message", ["silent", "stalls"])
async def test_silence_ends_with_the_read_timeout(
    message: str, chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint, read_timeout_s=0.2) as asked:
        assert await fault_of(chat, asked, message) == "TOO_SLOW"
    await until(lambda: endpoint.hung_up == 1, "the endpoint sees that we hung up")


async def test_an_answer_without_an_end_meets_the_total_timeout(
    chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint, total_timeout_s=0.3) as asked:
        assert await fault_of(chat, asked, "wait") == "TOO_SLOW"


async def test_an_endpoint_that_is_not_there_is_unreachable(chat: Any) -> None:
    with ChatEndpoint() as gone:
        pass
    async with asking(chat, gone, attempts=1) as asked:
        assert await fault_of(chat, asked, "one") == "UNREACHABLE"


async def test_only_so_many_chats_at_once_the_others_wait(
    chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint, max_concurrent=2) as asked, asyncio.TaskGroup() as tasks:
        chats = [tasks.create_task(answered(asked, "wait")) for _ in range(6)]
        await until(lambda: endpoint.running == 2, "two chats run")
        endpoint.gate.set()
    assert [chat.result() for chat in chats] == [["waited"]] * 6
    assert endpoint.most == 2


async def test_who_waits_for_too_long_is_told_that_all_are_busy(
    chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint, max_concurrent=1, queue_timeout_s=0.1) as asked:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(answered(asked, "wait"))
            await until(lambda: endpoint.running == 1, "one chat runs")
            assert await fault_of(chat, asked, "one") == "BUSY"
            endpoint.gate.set()
        assert first.result() == ["waited"]
        assert await answered(asked, "one") == ["one "]


async def test_a_reader_who_stops_hangs_up_and_makes_room(
    chat: Any, endpoint: ChatEndpoint
) -> None:
    async with asking(chat, endpoint, max_concurrent=1) as asked:
        async with aclosing(asked.deltas(body("wait"))) as deltas:
            assert await anext(deltas) == "waited"
        await until(lambda: endpoint.hung_up == 1, "the endpoint sees that we hung up")
        assert await answered(asked, "one") == ["one "]


async def test_a_cancelled_reader_hangs_up(chat: Any, endpoint: ChatEndpoint) -> None:
    async with asking(chat, endpoint) as asked:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await answered(asked, "silent")
        await until(lambda: endpoint.hung_up == 1, "the endpoint sees that we hung up")


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"", []),
        (b"data: a\n\ndata:b\r\n\r\ndata: c\r\r", ["a", "b", "c"]),
        (b"event: x\ndata: a\nid: 7\ndata: b\n\n", ["a\nb"]),
        (b": comment\n\nretry: 10\n\ndata: a\n\n", ["a"]),
        (b"data: a\n", []),
    ],
)
def test_events_are_read_however_they_are_cut(data: bytes, events: list[str], chat: Any) -> None:
    for size in (1, 2, 3, 7, 100):
        reader = chat.events.Events()
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        assert [event for part in parts for event in reader.feed(part)] == events


def test_an_event_that_never_ends_is_not_kept(chat: Any) -> None:
    reader = chat.events.Events()
    with pytest.raises(chat.faults.ChatError):
        for _ in range(40):
            reader.feed(b"x" * 65536)


@pytest.mark.parametrize(
    ("event", "text", "is_last"),
    [
        ("[DONE]", "", True),
        ('{"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}', "a", False),
        ('{"choices": [{"delta": {"content": null}, "finish_reason": "stop"}]}', "", True),
        ('{"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]}', "a", True),
        ('{"choices": [{"delta": {"role": "assistant"}}]}', "", False),
        ('{"choices": [], "usage": {"total_tokens": 7}}', "", False),
    ],
)
def test_what_an_event_brings(event: str, text: str, is_last: bool, chat: Any) -> None:
    assert chat.events.delta_of(event) == chat.events.Delta(text, is_last)


@pytest.mark.parametrize(
    "event", ["", "[]", "7", "{}", '{"choices": 3}', '{"choices": [{"delta": {"content": 3}}]}']
)
def test_what_is_no_chunk_is_an_error(event: str, chat: Any) -> None:
    with pytest.raises(chat.faults.ChatError) as raised:
        chat.events.delta_of(event)
    assert raised.value.fault.name == "BROKEN"


def test_pauses_grow_and_the_endpoint_has_its_say(chat: Any) -> None:
    pause = chat.endpoint.pause_before
    assert [pause(attempt, None, 1.0) for attempt in (2, 3, 4)] == [0.5, 1.0, 2.0]
    assert pause(2, None, 0.0) == 0.25
    assert pause(4, 7.0, 0.5) == 7.0


GIVEN = {"base_url": "http://127.0.0.1:8000/v1/", "model": "small"}


def test_settings_come_from_the_section_and_then_from_the_environment(chat: Any) -> None:
    environ = {"OPENAI_BASE_URL": "https://e/v1", "OPENAI_MODEL": "e", "OPENAI_API_KEY": "secret"}
    made = chat.settings.settings_from({**GIVEN, "attempts": "5"}, environ)
    assert (made.base_url, made.model, made.api_key) == (
        "http://127.0.0.1:8000/v1",
        "small",
        "secret",
    )
    assert made.attempts == 5
    assert "secret" not in repr(made)
    assert chat.settings.settings_from({}, environ).base_url == "https://e/v1"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "127.0.0.1:8000"}, "base_url"),
        ({"model": ""}, "model"),
        ({"attempts": "0"}, "attempts"),
        ({"attempts": "1.5"}, "attempts"),
        ({"read_timeout": "soon"}, "read_timeout"),
        ({"total_timeout": "nan"}, "total_timeout"),
        ({"max_concurrent": "-1"}, "max_concurrent"),
    ],
)
def test_a_wrong_setting_is_named(changed: dict[str, str], named: str, chat: Any) -> None:
    with pytest.raises(chat.settings.SettingsError, match=rf"\[wrapper\] {named}"):
        chat.settings.settings_from({**GIVEN, **changed}, {})


@pytest.mark.parametrize(
    ("params", "data", "fault"),
    [
        ({}, b"", "BAD_MESSAGES"),
        ({}, b"hello", "BAD_MESSAGES"),
        ({}, b"[]", "BAD_MESSAGES"),
        ({}, b'{"role": "user"}', "BAD_MESSAGES"),
        ({}, b'["hello"]', "BAD_MESSAGES"),
        ({}, b'[{"content": "hello"}]', "BAD_MESSAGES"),
        ({"temperature": "hot"}, b'[{"role": "user"}]', "BAD_PARAMETER"),
        ({"temperature": "nan"}, b'[{"role": "user"}]', "BAD_PARAMETER"),
        ({"temperature": "2.1"}, b'[{"role": "user"}]', "BAD_PARAMETER"),
        ({"max_tokens": "0"}, b'[{"role": "user"}]', "BAD_PARAMETER"),
        ({"max_tokens": "many"}, b'[{"role": "user"}]', "BAD_PARAMETER"),
    ],
)
def test_a_wrong_request_is_refused_before_it_is_sent(
    params: dict[str, str], data: bytes, fault: str, chat: Any
) -> None:
    with pytest.raises(chat.faults.ChatError) as raised:
        chat.wrapper.body_of(params, data)
    assert raised.value.fault.name == fault


def test_a_request_goes_on_as_it_came(chat: Any) -> None:
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": [{"x": 1}]}]
    params = {"temperature": "0.25", "max_tokens": "7", "sid": "s"}
    assert chat.wrapper.body_of(params, json.dumps(messages).encode()) == {
        "messages": messages,
        "temperature": 0.25,
        "max_tokens": 7,
    }


def test_every_fault_has_words(chat: Any) -> None:
    assert set(chat.faults.TEXTS) == set(chat.faults.Fault)
