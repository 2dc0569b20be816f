import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

import aiges.callback
import aiges_embed
from aiges import dto
from aiges._runtime import results
from aiges.dto import Response, ResponseData

EVERY_CALLBACK = [
    pytest.param(dto.callback, ("tag",), id="dto"),
    pytest.param(aiges_embed.callback, ("tag",), id="embed"),
    pytest.param(aiges.callback.callback, ("tag", "sid"), id="tag and sid"),
    pytest.param(aiges.callback.callback, ("tag",), id="tag alone"),
    pytest.param(aiges.callback.callback, ("", "tag"), id="sid alone"),
]


class Sink:
    def __init__(self, status: int = 0) -> None:
        self.taken: list[tuple[Response, str, threading.Thread]] = []
        self.status = status

    def __call__(self, response: Response, key: str) -> int:
        self.taken.append((response, key, threading.current_thread()))
        return self.status


@pytest.mark.parametrize(("callback", "keys"), EVERY_CALLBACK)
def test_every_callback_delivers_to_the_runtime(
    callback: Callable[..., int], keys: tuple[str, ...]
) -> None:
    sink = Sink()
    results.connect(sink)
    response = Response()
    assert callback(response, *keys) == 0
    assert [(taken, key) for taken, key, _ in sink.taken] == [(response, "tag")]


@pytest.mark.parametrize(("callback", "keys"), EVERY_CALLBACK)
def test_every_callback_returns_what_the_runtime_says(
    callback: Callable[..., int], keys: tuple[str, ...]
) -> None:
    results.connect(Sink(status=-1))
    assert callback(Response(), *keys) == -1


def test_callback_works_from_any_thread() -> None:
    sink = Sink()
    results.connect(sink)
    threads = [
        threading.Thread(target=dto.callback, args=(Response(), f"tag {number}"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for _, key, _ in sink.taken) == [f"tag {number}" for number in range(8)]
    assert {thread for _, _, thread in sink.taken} == set(threads)


@pytest.mark.parametrize(("key", "routed"), [(b"tag", "tag"), (17, "17"), ("tag", "tag")])
def test_a_routing_key_reaches_the_runtime_as_text(key: Any, routed: str) -> None:
    sink = Sink()
    results.connect(sink)
    dto.callback(Response(), key)
    assert sink.taken[0][1] == routed


def test_a_later_sink_replaces_the_earlier_one() -> None:
    first, second = Sink(), Sink()
    results.connect(first)
    results.connect(second)
    assert results.connected()
    dto.callback(Response(), "tag")
    assert (len(first.taken), len(second.taken)) == (0, 1)


def test_push_without_a_runtime_says_so() -> None:
    assert not results.connected()
    with pytest.raises(results.NotConnectedError, match="does not run in a worker"):
        results.push(Response(), "tag")


def test_without_a_runtime_callback_asks_for_init_rq() -> None:
    with pytest.raises(Exception, match=r"init_rq\(\)"):
        dto.callback(Response(), "tag")


def test_without_a_runtime_results_are_printed_and_queued(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting = dto.init_rq()
    assert waiting is dto.result_Queue
    response = Response(
        list=[
            ResponseData(key="content", data=b"abc", status=dto.DataBegin),
            ResponseData(key="usage", data=b"", type=17, status=18),
        ]
    )
    assert aiges_embed.callback(response, "s1") == 0
    assert waiting.get_nowait() is response
    assert capsys.readouterr().out.splitlines() == [
        "callback sid=s1 key=content len=3 type=text status=begin",
        "callback sid=s1 key=usage len=0 type=17 status=18",
    ]


def test_metrics_and_traces_return_numbers_and_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "aiges.metrics"):
        returned = [
            aiges_embed.callback_metric("tag", "tokens", 3),
            aiges_embed.callback_metric_ex("tag", "app", "channel", "tokens", 3),
            aiges_embed.callback_trace("tag", "key", "value"),
        ]
    # Wrappers format it with %d.
    assert [f"{status:d}" for status in returned] == ["0", "0", "0"]
    assert len(caplog.messages) == 3


def test_the_embed_module_has_every_name_of_dto() -> None:
    assert set(dto.__all__) <= set(dir(aiges_embed))
    assert all(getattr(aiges_embed, name) is getattr(dto, name) for name in dto.__all__)
