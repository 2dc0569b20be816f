"""Which functions of a C plugin are called, in which order, with what; what its codes become.

The plugin writes its calls down (tests/support/faulty_library). The sequences are those that
AIservice makes.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiges.client import Client
from support.faulty_plugin import Call, calls, serve
from support.service import LIMIT_S, Service
from support.waiting import eventually
from support.xsf_client import EXPECTED, payload_json
from support.xsf_texts import xsf


@pytest.fixture(scope="module")
def by_return(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("c"), library, **SECTIONS) as service:
        yield service.ready()


@pytest.fixture(scope="module")
def by_callback(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("c")
    with serve(folder, library, by_callback=True, **SECTIONS) as service:
        yield service.ready()


SECTIONS: Mapping[str, Any] = {
    "aiges": {"headerPass": "appid"},
    "wrapper": {"model": "größe.bin", "empty": ""},
    "pool": {"concurrency": 4},
}


INSPECTED = ("wrapperDebugInfo", "wrapperDestroy")
"""What follows on a step that failed: the log shows what the plugin says of the session."""


def calls_of(service: Service, tag: str) -> list[Call]:
    """Return the calls that name a request; wrapperExecFree and wrapperError name none."""
    return [call for call in calls(service.folder) if call.get("tag") == tag]


def names(found: Sequence[Call]) -> list[str]:
    return [str(call["call"]) for call in found]


def test_the_start_hands_over_the_configuration_and_then_the_hosts_functions(
    by_return: Service,
) -> None:
    version, init, *controls = calls(by_return.folder)[:5]
    assert (version["call"], init["call"]) == ("wrapperVersion", "wrapperInit")
    given = {key: text.encode("latin-1").decode() for key, text in init["config"].items()}
    assert given["model"] == "größe.bin"
    assert given["empty"] == ""
    assert given["http_listen"] == "127.0.0.1:0"
    assert [(call["call"], call["type"], call["is_null"]) for call in controls] == [
        ("wrapperSetCtrl", number, False) for number in range(3)
    ]


def test_a_single_request_is_executed_and_its_answer_freed(by_return: Service) -> None:
    with xsf(by_return) as client:
        answer = client.once("o1", p1="v1", empty="")
    assert answer["status"] == "ONCE"
    assert answer["pl"][0]["meta"]["attribute"] == {"encoding": "utf8", "seq": "0", "status": "3"}
    log = calls(by_return.folder)
    (executed,) = calls_of(by_return, "o1")
    assert executed["call"] == "wrapperExec"
    assert executed["params"] == {"p1": "v1", "empty": "", "appid": "me", "sid": "sid-o1"}
    assert executed["data"] == [
        {
            "key": "data",
            "len": 5,
            "type": 0,
            "status": 3,
            "is_null": False,
            "data": "hello",
            "desc": {"encoding": "utf8", "status": "3"},
        }
    ]
    assert executed["resources"] == []
    assert names(log[log.index(executed) :]) == ["wrapperExec", "wrapperExecFree"]


def test_data_without_bytes_is_not_null_and_a_missing_status_is_0(
    by_return: Service,
) -> None:
    with xsf(by_return) as client:
        data = {"state": "ONCE", "expect": [EXPECTED], "pl": [{"meta": {"name": "data"}}]}
        client.output("AIIn", "empty", SeqNo="1", waitTime="20000", data=data)
    (executed,) = calls_of(by_return, "empty")
    (item,) = executed["data"]
    assert (item["len"], item["is_null"], item["status"]) == (0, False, 0)
    assert item["desc"] == {"status": "0"}


def test_inputs_come_in_the_order_of_the_request(by_return: Service) -> None:
    names_of_inputs = ["c", "a", "b"]
    with xsf(by_return) as client:
        data = {
            "state": "ONCE",
            "expect": [EXPECTED],
            "pl": [payload_json(name.encode(), name, status="3") for name in names_of_inputs],
        }
        client.output("AIIn", "order", SeqNo="1", waitTime="20000", data=data)
    (executed,) = calls_of(by_return, "order")
    assert [(item["key"], item["data"]) for item in executed["data"]] == [
        (name, name) for name in names_of_inputs
    ]


def test_a_request_that_failed_has_nothing_to_free(by_return: Service) -> None:
    with xsf(by_return) as client:
        answer = client.once("o2", fault="wrapperExec:code=123")
    assert (answer["code"], answer["err"]) == (10909, "faulty error 123;code=123")
    log = calls(by_return.folder)
    (executed,) = calls_of(by_return, "o2")
    assert names(log[log.index(executed) :]) == ["wrapperExec", "wrapperError"]


def test_a_request_without_an_answer_fails_at_once_and_is_freed(by_return: Service) -> None:
    with xsf(by_return) as client:
        answer = client.once("o3", answer="null")
    assert answer["code"] == 10909
    assert answer["err"].endswith("returned 0 without a result;code=30003")
    log = calls(by_return.folder)
    (executed,) = calls_of(by_return, "o3")
    freed = log[log.index(executed) + 1]
    assert (freed["call"], freed["is_null"]) == ("wrapperExecFree", True)


def test_a_session_is_read_after_each_write_and_destroyed_after_its_last_result(
    by_return: Service,
) -> None:
    with xsf(by_return) as client:
        client.session("s1", p1="v1")
    eventually(lambda: "wrapperDestroy" in names(calls_of(by_return, "s1")))
    found = calls_of(by_return, "s1")
    assert names(found) == [
        "wrapperCreate",
        *("wrapperWrite", "wrapperRead"),
        *("wrapperWrite", "wrapperRead"),
        *("wrapperWrite", "wrapperRead"),
        "wrapperDestroy",
    ]
    created, first, *_ = found
    assert created["params"] == {"p1": "v1", "appid": "me", "sid": "sid-s1"}
    assert (created["calls_back"], created["resources"]) == (False, [])
    assert first["params"] is None  # the library's own: parameters come with wrapperCreate alone
    written = [call["data"][0] for call in found if call["call"] == "wrapperWrite"]
    assert [(item["data"], item["status"]) for item in written] == [
        ("piece 1", 0),
        ("piece 2", 1),
        ("piece 3", 2),
    ]


def test_a_session_that_answers_late_is_asked_until_it_has_answered(by_return: Service) -> None:
    with xsf(by_return) as client:
        client.open("s2", answer="null")
        client.feed("s2", 1, 2)
        eventually(lambda: names(calls_of(by_return, "s2")).count("wrapperRead") > 5)
        client.output("AIExcp", "s2")
        eventually(lambda: "wrapperDestroy" in names(calls_of(by_return, "s2")))
    found = names(calls_of(by_return, "s2"))
    assert set(found[2:-1]) == {"wrapperRead"}
    assert found[-1] == "wrapperDestroy"


def test_all_inputs_of_a_packet_are_written_in_one_call(by_return: Service) -> None:
    with xsf(by_return) as client:
        client.open("s3")
        both = [payload_json(b"1", "left", status="2"), payload_json(b"2", "right", status="2")]
        client.output("AIIn", "s3", data={"sync_id": 1, "pl": both})
        client.fetch("s3")
    (written,) = [call for call in calls_of(by_return, "s3") if call["call"] == "wrapperWrite"]
    assert [item["key"] for item in written["data"]] == ["left", "right"]


def test_the_input_is_complete_when_every_one_that_was_seen_has_ended(by_return: Service) -> None:
    with xsf(by_return) as client:
        client.open("s4", answer="null")
        client.output(
            "AIIn", "s4", data={"sync_id": 1, "pl": [payload_json(b"1", "left", status="2")]}
        )
        eventually(lambda: names(calls_of(by_return, "s4")).count("wrapperRead") > 5)
        client.output("AIExcp", "s4")


@pytest.mark.parametrize(
    ("function", "code", "called"),
    [
        ("wrapperCreate", 10905, ["wrapperCreate"]),
        ("wrapperWrite", 10907, ["wrapperCreate", "wrapperWrite", *INSPECTED]),
        ("wrapperRead", 10908, ["wrapperCreate", "wrapperWrite", "wrapperRead", *INSPECTED]),
    ],
)
def test_a_step_that_fails_ends_the_session_with_the_number_of_the_step(
    function: str, code: int, called: list[str], by_return: Service
) -> None:
    tag = f"failing-{function}"
    with xsf(by_return) as client:
        client.open(tag, fault=f"{function}:code=-7")
        answer = client.feed(tag, 1, 1)  # perhaps it brings the error already
        if "code" not in answer:
            answer = client.fetch(tag)
        assert (answer["code"], answer["err"]) == (code, "faulty error -7;code=-7")
        eventually(lambda: names(calls_of(by_return, tag)) == called, f"{called}")


def test_a_session_without_a_handle_has_failed_even_with_code_0(by_return: Service) -> None:
    with xsf(by_return) as client:
        client.open("null", answer="handle")
        answer = client.fetch("null")
    assert answer["code"] == 10905
    assert "NULL with code 0: faulty error 0" in answer["err"]
    assert names(calls_of(by_return, "null")) == ["wrapperCreate"]


def test_a_client_that_drops_its_session_has_it_destroyed_once(by_return: Service) -> None:
    with xsf(by_return) as client:
        client.open("dropped")
        client.feed("dropped", 1, 0)
        client.output("AIExcp", "dropped")
        eventually(lambda: "wrapperDestroy" in names(calls_of(by_return, "dropped")))
        client.session("after")
    assert names(calls_of(by_return, "dropped")).count("wrapperDestroy") == 1


def test_one_result_comes_by_callback_and_the_second_is_not_taken(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        answer = client.once("a1", callback="twice")
    assert answer["status"] == "ONCE"
    eventually(lambda: names(calls_of(by_callback, "a1")).count("callback") > 1)
    found = calls_of(by_callback, "a1")
    assert names(found) == ["wrapperExecAsync", "callback", "callback"]
    assert [call["returned"] for call in found[1:]] == [0, -1]


def test_a_session_with_callbacks_is_never_read(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        client.session("a2")
    eventually(lambda: "wrapperDestroy" in names(calls_of(by_callback, "a2")))
    found = calls_of(by_callback, "a2")
    assert found[0]["calls_back"] is True
    assert names(found) == [
        "wrapperCreate",
        *("wrapperWrite", "callback"),
        *("wrapperWrite", "callback"),
        *("wrapperWrite", "callback"),
        "wrapperDestroy",
    ]
    assert {call["returned"] for call in found if call["call"] == "callback"} == {0}


@pytest.mark.parametrize(
    ("params", "code"),
    [({"fault": "wrapperExecAsync:code=9"}, 10909), ({"callback": "code=9"}, 10910)],
    ids=["start", "callback"],
)
def test_a_start_that_fails_and_a_result_that_failed_have_numbers_of_their_own(
    params: dict[str, str], code: int, by_callback: Service
) -> None:
    with xsf(by_callback) as client:
        answer = client.once(f"a3-{code}", **params)
    assert (answer["code"], answer["err"]) == (code, "faulty error 9;code=9")


def test_a_callback_with_a_code_ends_its_session(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        client.open("a4", callback="code=9")
        client.feed("a4", 1, 0)
        answer = client.fetch("a4")
        assert (answer["code"], answer["err"]) == (10910, "faulty error 9;code=9")
        eventually(lambda: names(calls_of(by_callback, "a4"))[-1] == "wrapperDestroy")


def test_descriptions_of_a_sessions_results_reach_the_client(
    by_return: Service, by_callback: Service
) -> None:
    """Values end at their NUL in callbacks; elsewhere their length counts."""
    for service, expected in ((by_return, "a\0b"), (by_callback, "a")):
        with xsf(service) as client:
            client.open("desc", answer="bad_desc")
            client.feed("desc", 1, 2)
            (result,) = client.fetch("desc")["pl"]
        attributes = result["meta"]["attribute"]
        assert (attributes["from"], attributes["nul"]) == ("faulty", expected)
        assert attributes["latin\ufffd"] == "caf\ufffd"


def test_results_are_read_only_once_the_input_is_complete_if_they_are_held_back(
    library: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "c", library, aiges={"realTimeRlt": False}).ready() as service:
        with xsf(service) as client:
            client.session("held")
        eventually(lambda: "wrapperDestroy" in names(calls_of(service, "held")))
        assert names(calls_of(service, "held")) == [
            "wrapperCreate",
            *("wrapperWrite", "wrapperWrite", "wrapperWrite"),
            *("wrapperRead", "wrapperRead", "wrapperRead"),
            "wrapperDestroy",
        ]


def test_the_stop_ends_sessions_and_then_the_plugin_once(library: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "c", library, pool={"drainTimeout": 1}).ready() as service:
        with xsf(service) as client:
            client.once("o")
            client.open("open")
            client.feed("open", 1, 0)
            eventually(lambda: "wrapperRead" in names(calls_of(service, "open")))
            assert service.stop() == 0
        log = calls(service.folder)
    assert names(log)[-2:] == ["wrapperDestroy", "wrapperFini"]
    assert names(log).count("wrapperFini") == 1
    assert (log[-1]["answers"], log[-1]["sessions"]) == (0, 0)


def test_requests_are_executed_at_the_same_time(by_return: Service) -> None:
    """Each of the four returns only once all of them are in the plugin."""
    answers: list[str] = []
    with Client(f"http://127.0.0.1:{by_return.http_port}", timeout_s=LIMIT_S) as client:

        def call() -> None:
            answer = client.once(
                {"text": "x"}, params={"fault": "wrapperExec:meet=4"}, expect={"result": "text"}
            )
            answers.append(answer.text)

        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(LIMIT_S)
    assert answers == ["x"] * 4
