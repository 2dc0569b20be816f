"""The speech sample, served: events while audio comes, whole recordings, wrong parameters."""

import asyncio
import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest

from aiges.client import AsyncClient, Client, Result, WrapperError
from support.samples import sample_service
from support.service import Service
from support.sounds import example, pcm, silence, voice
from support.waiting import LIMIT_S

EVENTS = [
    {"event": "begin", "what": "speech", "ms": 300},
    {"event": "end", "what": "speech", "ms": 800},
    {"event": "begin", "what": "key", "ms": 1200, "key": "5"},
    {"event": "end", "what": "key", "ms": 1320, "key": "5"},
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with sample_service("speech", tmp_path_factory.mktemp("config")).ready() as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.http_port}") as made:
        yield made


def content(result: Result) -> Any:
    return json.loads(result.text)


def events(results: list[Result]) -> list[Any]:
    """Return all events of a stream, whose last result is the runtime's empty one."""
    assert results[-1].text == ""
    return [event for result in results[:-1] for event in content(result)["events"]]


def test_a_whole_recording_gets_all_events_at_once(client: Client) -> None:
    assert content(client.once(example())) == {"heard_ms": 1500, "events": EVENTS}


@pytest.mark.parametrize("size", [333, 640, 32_001])
def test_a_stream_gets_the_same_events_however_it_is_cut(size: int, client: Client) -> None:
    data = example()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert events(list(client.stream(pieces))) == EVENTS


async def test_events_come_while_the_speaker_still_speaks(service: Service) -> None:
    async with (
        AsyncClient(f"ws://127.0.0.1:{service.http_port}") as client,
        client.session() as session,
        asyncio.timeout(LIMIT_S),
    ):
        await session.send(audio=pcm(silence(0.3), voice(0.2), noise=0.002))
        assert content(await session.receive())["events"] == EVENTS[:1]
        await session.send(audio=pcm(voice(0.3), silence(0.4), noise=0.002))
        assert content(await session.receive())["events"] == EVENTS[1:2]
        await session.send(audio=b"", last=True)
        assert content(await session.receive()) == {"heard_ms": 1200, "events": []}


def test_two_speakers_do_not_hear_each_other(client: Client) -> None:
    one = client.stream(iter([example()[:20_000], example()[20_000:]]))
    other = client.stream(iter([pcm(silence(0.5)), pcm(silence(0.5))]))
    # In turns: each result is asked for while the other session waits.
    heard = list(zip_longest(one, other))
    assert events([first for first, _ in heard if first]) == EVENTS
    assert events([second for _, second in heard if second]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold_db", 2.9), ("threshold_db", "nan"), ("hangover_ms", 39), ("hangover_ms", "long")],
)
def test_a_wrong_parameter_has_its_code(name: str, value: str | float, client: Client) -> None:
    for ask in (client.once, lambda *a, **k: list(client.stream(*a, **k))):
        with pytest.raises(WrapperError, match="threshold_db is 3 to 40, hangover_ms") as raised:
            ask(example(), params={name: value})
        assert raised.value.code == 101
