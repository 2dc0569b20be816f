"""What a C plugin can do wrong costs the calls that are in it, and tells what it was.

The plugin is tests/support/faulty_library: it does wrong what a request tells it to.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiges.client import Client, WorkerDiedError
from support.c_programs import INCLUDE, run
from support.faulty_plugin import build, calls, calls_named, serve
from support.service import Answer, Service
from support.waiting import eventually
from support.xsf_texts import xsf

RESTARTS_AT_ONCE: Mapping[str, Any] = {
    "pool": {"concurrency": 4, "maxRestarts": 1000, "backoffMin": 0.01, "backoffMax": 0.02}
}


@pytest.fixture(scope="module")
def by_return(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("c"), library, **RESTARTS_AT_ONCE) as service:
        yield service.ready()


@pytest.fixture(scope="module")
def by_callback(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("c")
    with serve(folder, library, by_callback=True, **RESTARTS_AT_ONCE) as service:
        yield service.ready()


def serves(service: Service) -> bool:
    return service.once(b"still here").text() == "still here"


def calls_running(service: Service) -> int:
    (worker,) = service.admin("GET", "/status").json["workers"]
    running: int = worker["in_flight"]
    return running


# --- crashes ---

SIGNALS = {
    "segv": "killed by SIGSEGV",
    "abort": "killed by SIGABRT",
    "double_free": "killed by SIGABRT",
    "throw": "killed by SIGABRT",
    "stack": "killed by SIGSEGV",
    "exit": "exited with status 3",
}


@pytest.mark.parametrize(("what", "reason"), SIGNALS.items())
def test_a_crash_costs_the_one_call_and_its_report_names_the_signal(
    what: str, reason: str, by_return: Service
) -> None:
    before = len(by_return.log)
    answer = by_return.once(fault=f"wrapperExec:{what}")
    assert (answer.status, answer.code) == (502, 10109)
    assert reason in answer.message
    assert serves(by_return)
    by_return.wait_for(f"worker died .*{reason}", after=before)
    (worker,) = by_return.admin("GET", "/status").json["workers"]
    assert worker["last_exit"]["reason"] == reason


@pytest.mark.parametrize("what", ["segv", "abort", "double_free", "throw"])
def test_the_log_shows_which_function_of_the_plugin_crashed(what: str, by_return: Service) -> None:
    before = len(by_return.log)
    assert by_return.once(fault=f"wrapperExec:{what}").code == 10109
    by_return.wait_for(r"libwrapper\.so\(wrapperExec\+0x", after=before)


def test_what_was_thrown_stands_in_the_log(by_return: Service) -> None:
    before = len(by_return.log)
    assert by_return.once(fault="wrapperExec:throw").code == 10109
    by_return.wait_for(r"what\(\):  thrown by the plugin", after=before)


def test_a_crash_while_the_answer_is_freed_or_the_error_is_named_costs_that_call(
    by_return: Service,
) -> None:
    for fault in ("wrapperExecFree:segv", "wrapperExec:code=666"):  # wrapperError(666) crashes
        answer = by_return.once(fault=fault)
        assert (answer.code, "SIGSEGV" in answer.message) == (10109, True), fault
        assert serves(by_return)


@pytest.mark.parametrize("what", ["segv", "throw", "exit"])
def test_a_crash_in_async_mode_costs_that_call(what: str, by_callback: Service) -> None:
    answer = by_callback.once(fault=f"wrapperExecAsync:{what}")
    assert (answer.code, SIGNALS[what] in answer.message) == (10109, True)
    assert serves(by_callback)


@pytest.mark.parametrize("function", ["wrapperCreate", "wrapperWrite", "wrapperRead"])
def test_a_crash_in_a_step_of_a_session_ends_it(function: str, by_return: Service) -> None:
    with Client(f"ws://127.0.0.1:{by_return.http_port}") as client:
        with pytest.raises(WorkerDiedError, match="SIGSEGV"):
            list(
                client.stream(
                    [{"text": "a"}, {"text": "b"}],
                    params={"fault": f"{function}:segv"},
                    expect={"result": "text"},
                )
            )
        again = client.stream([{"text": "a"}, {"text": "b"}], expect={"result": "text"})
        assert [result.text for result in again] == ["a", "b"]


@pytest.mark.parametrize("function", ["wrapperCreate", "wrapperWrite"])
def test_a_crash_in_a_step_of_a_session_with_callbacks_ends_it(
    function: str, by_callback: Service
) -> None:
    with Client(f"ws://127.0.0.1:{by_callback.http_port}") as client:
        with pytest.raises(WorkerDiedError, match="SIGSEGV"):
            list(
                client.stream(
                    [{"text": "a"}, {"text": "b"}],
                    params={"fault": f"{function}:segv"},
                    expect={"result": "text"},
                )
            )
        again = client.stream([{"text": "a"}, {"text": "b"}], expect={"result": "text"})
        assert [result.text for result in again] == ["a", "b"]


def test_a_crash_behind_a_sessions_last_result_takes_nothing_from_its_client(
    by_return: Service,
) -> None:
    before = len(by_return.log)
    with Client(f"ws://127.0.0.1:{by_return.http_port}") as client:
        results = client.stream(
            [{"text": "a"}, {"text": "b"}],
            params={"fault": "wrapperDestroy:segv"},
            expect={"result": "text"},
        )
        assert [result.text for result in results] == ["a", "b"]
    by_return.wait_for("worker died .*SIGSEGV", after=before)
    assert serves(by_return)


def test_calls_in_another_worker_do_not_notice(library: Path, tmp_path: Path) -> None:
    pool = {**RESTARTS_AT_ONCE["pool"], "workers": 2, "concurrency": 1}
    with serve(tmp_path / "c", library, pool=pool).ready() as service:
        answers: list[Answer] = []
        sleeper = threading.Thread(
            target=lambda: answers.append(service.once(fault="wrapperExec:sleep=1000"))
        )
        sleeper.start()
        eventually(lambda: calls_named(service.folder, "wrapperExec"))  # its worker is full now
        assert service.once(fault="wrapperExec:segv").code == 10109
        sleeper.join()
        assert answers[0].code == 0


def test_all_calls_in_the_worker_that_crashed_fail_at_once(by_return: Service) -> None:
    begun = len(calls_named(by_return.folder, "wrapperExec"))
    answers: list[Answer] = []
    sleepers = [
        threading.Thread(
            target=lambda: answers.append(by_return.once(fault="wrapperExec:sleep=15000"))
        )
        for _ in range(3)
    ]
    for sleeper in sleepers:
        sleeper.start()
    eventually(lambda: len(calls_named(by_return.folder, "wrapperExec")) == begun + 3)
    began = time.monotonic()
    assert by_return.once(fault="wrapperExec:segv").code == 10109
    for sleeper in sleepers:
        sleeper.join()
    assert time.monotonic() - began < 10.0
    assert [answer.code for answer in answers] == [10109] * 3
    assert serves(by_return)


def test_a_plugin_that_spins_is_replaced(library: Path, tmp_path: Path) -> None:
    pool = {"hangTimeout": 1, "heartbeat": 0.2, "concurrency": 2}
    with serve(tmp_path / "c", library, pool=pool).ready() as service:
        answer = service.once(fault="wrapperExec:spin")
        assert answer.code == 10109
        service.wait_for("worker hangs")
        service.wait_for("in wrapperOnceExec")  # where it was
        assert serves(service)


# --- the start and the stop ---


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrapperVersion:segv", "SIGSEGV"),
        ("wrapperInit:segv", "SIGSEGV"),
        ("wrapperInit:throw", "SIGABRT"),
        ("wrapperInit:exit", "exited with status 3"),
        ("wrapperInit:code=5", "wrapperInit failed: code 5: faulty error 5"),
        ("wrapperSetCtrl:segv", "SIGSEGV"),
    ],
)
def test_a_plugin_that_fails_in_its_start_ends_the_program_with_the_reason(
    fault: str, reason: str, library: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "c", library, env={"FAULTY_FAULT": fault}) as service:
        assert service.wait() == 1
        assert any(reason in line for line in service.log)


@pytest.mark.parametrize("fault", ["wrapperFini:segv", "wrapperFini:exit", "wrapperFini:code=5"])
def test_a_plugin_that_fails_in_its_end_does_not_keep_the_program(
    fault: str, library: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "c", library, env={"FAULTY_FAULT": fault}).ready() as service:
        assert serves(service)
        assert service.stop() == 0
        assert calls_named(service.folder, "wrapperFini")


def test_a_function_of_the_host_that_the_plugin_refuses_costs_nothing(
    library: Path, tmp_path: Path
) -> None:
    env = {"FAULTY_FAULT": "wrapperSetCtrl:code=5"}
    with serve(tmp_path / "c", library, env=env).ready() as service:
        assert serves(service)


# --- the library itself ---

NOT_NEEDED = [
    *("wrapperFini", "wrapperError", "wrapperVersion", "wrapperLoadRes", "wrapperUnloadRes"),
    *("wrapperCreate", "wrapperWrite", "wrapperRead", "wrapperDestroy", "wrapperExecAsync"),
    *("wrapperDebugInfo", "wrapperSetCtrl"),
]


def test_a_library_needs_only_what_its_work_needs(tmp_path: Path) -> None:
    library = build(tmp_path, without=NOT_NEEDED)
    with serve(tmp_path / "c", library).ready() as service:
        assert serves(service)
        answer = service.once(fault="wrapperExec:code=7")
        assert (answer.code, answer.message) == (7, "wrapper error 7")
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("without", "by_callback", "named"),
    [
        (["wrapperInit"], False, "has no function wrapperInit"),
        (
            ["wrapperExecFree", "wrapperDestroy"],
            False,
            r"lacks for calls wrapperExecFree or for sessions wrapperDestroy",
        ),
        (
            ["wrapperExecAsync", "wrapperWrite"],
            True,
            r"lacks for calls wrapperExecAsync or for sessions wrapperWrite",
        ),
    ],
)
def test_what_a_library_lacks_is_named(
    without: list[str], by_callback: bool, named: str, tmp_path: Path
) -> None:
    library = build(tmp_path, without=without)
    with serve(tmp_path / "c", library, by_callback=by_callback) as service:
        assert service.wait() == 1
        assert re.search(named, "\n".join(service.log))


def test_there_being_no_library_is_said(tmp_path: Path) -> None:
    with Service(tmp_path, env={"AIGES_PLUGIN_MODE": "c"}) as service:
        assert service.wait() == 1
        assert any(
            "libwrapper.so: cannot open" in line and f"there is none in {tmp_path}" in line
            for line in service.log
        )


def test_what_is_no_library_is_said(tmp_path: Path) -> None:
    (tmp_path / "libwrapper.so").write_text("not an ELF file\n" * 100)
    with Service(tmp_path, env={"AIGES_PLUGIN_MODE": "c"}) as service:
        assert service.wait() == 1
        assert any("libwrapper.so: invalid ELF header" in line for line in service.log)


def test_a_function_that_is_nowhere_is_named_at_the_start(tmp_path: Path) -> None:
    """Not in the call that first needs it: the library is bound at once."""
    source = """
    #include "wrapper.h"
    int never_written(void);
    int wrapperInit(pConfig cfg) { (void)cfg; return 0; }
    int wrapperExec(const char *tag, pParamList params, pDataList in, pDataList *out,
                    unsigned int ids[], int count) {
        (void)tag, (void)params, (void)in, (void)out, (void)ids, (void)count;
        return never_written();
    }
    int wrapperExecFree(const char *tag, pDataList *out) { (void)tag, (void)out; return 0; }
    """
    (tmp_path / "plugin.c").write_text(source)
    lazy = ["-shared", "-fPIC", "-Wl,-z,lazy", f"-I{INCLUDE}", "plugin.c", "-o", "libwrapper.so"]
    run(["gcc", *lazy], tmp_path)
    with Service(tmp_path, env={"AIGES_PLUGIN_MODE": "c"}) as service:
        assert service.wait() == 1
        assert any("undefined symbol: never_written" in line for line in service.log)


# --- codes ---


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (7, "faulty error 7"),
        (-7, "faulty error -7"),
        (2147483647, "faulty error 2147483647"),
        (-2147483648, "faulty error -2147483648"),
        (667, "wrapper error 667"),  # wrapperError has no text
        (668, "caf\ufffd"),  # it is no UTF-8
    ],
)
def test_codes_and_texts_reach_the_client(code: int, text: str, by_return: Service) -> None:
    answer = by_return.once(fault=f"wrapperExec:code={code}")
    assert (answer.status, answer.code, answer.message) == (500, code, text)


# --- answers ---

BAD_ANSWERS: Mapping[str, tuple[int, str]] = {
    "nothing": (30003, ""),
    "no_data": (30003, "gave no data for 'result', but length 5"),
    "endless": (30003, "gave more than 4096 outputs, or a list without end"),
    "bad_key": (10106, "wrapper output data is nil "),
    "audio": (10106, "wrapper output data invalid(key or type)"),
}


@pytest.mark.parametrize("mode", ["by_return", "by_callback"])
@pytest.mark.parametrize(("how", "expected"), BAD_ANSWERS.items())
def test_an_answer_that_is_none_fails_its_call(
    how: str, expected: tuple[int, str], mode: str, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(mode)
    answer = service.once(answer=how)
    code, text = expected
    assert answer.code == code
    assert text in answer.message
    assert serves(service)


@pytest.mark.parametrize("mode", ["by_return", "by_callback"])
@pytest.mark.parametrize("how", ["bad_desc", "twice", "status=0", "status=2", "size=0"])
def test_an_answer_that_is_odd_is_one(how: str, mode: str, request: pytest.FixtureRequest) -> None:
    service: Service = request.getfixturevalue(mode)
    answer = service.once(answer=how)
    assert (answer.code, answer.text()) == (0, "" if how == "size=0" else "hello")


@pytest.mark.parametrize("mode", ["by_return", "by_callback"])
def test_an_answer_of_100_mb_is_delivered(mode: str, request: pytest.FixtureRequest) -> None:
    service: Service = request.getfixturevalue(mode)
    answer = service.once(answer="size=100000000")
    assert answer.code == 0
    assert len(answer.text()) == 100_000_000
    assert serves(service)


# --- callbacks ---


def returned_by_callbacks(service: Service, tag: str) -> list[int]:
    return [
        call["returned"] for call in calls_named(service.folder, "callback") if call["tag"] == tag
    ]


def was_called(service: Service, function: str, tag: str) -> bool:
    return any(call["tag"] == tag for call in calls_named(service.folder, function))


def test_of_callbacks_from_five_threads_one_is_taken(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        assert client.once("five", callback="five")["status"] == "ONCE"
    eventually(lambda: len(returned_by_callbacks(by_callback, "five")) == 5)
    assert sorted(returned_by_callbacks(by_callback, "five")) == [-1, -1, -1, -1, 0]


def test_of_last_results_of_a_session_from_five_threads_one_is_taken(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        client.session("five-last", [2], callback="five")
    eventually(lambda: len(returned_by_callbacks(by_callback, "five-last")) == 5)
    assert sorted(returned_by_callbacks(by_callback, "five-last")) == [-1, -1, -1, -1, 0]


def test_a_callback_for_nobody_is_not_taken(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        assert client.once("known", callback="foreign")["status"] == "ONCE"
    eventually(lambda: returned_by_callbacks(by_callback, "known"))
    assert returned_by_callbacks(by_callback, "nobody")[-1] == -1
    assert returned_by_callbacks(by_callback, "known") == [0]


def test_a_callback_without_results_fails_its_call(by_callback: Service) -> None:
    answer = by_callback.once(callback="null")
    assert (answer.code, answer.status) == (30003, 500)
    assert serves(by_callback)


def test_a_callback_that_never_comes_costs_its_call_and_no_place(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        for number in range(5):  # there are four places
            answer = client.once(f"silent-{number}", wait_ms=100, callback="never")
            assert (answer["code"], answer["err"]) == (
                10102,
                "service exec once request timeout",
            )
    assert serves(by_callback)


def test_a_callback_that_comes_too_late_reaches_nobody(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        assert client.once("late", b"old", wait_ms=100, callback="late")["code"] == 10102
        eventually(lambda: calls_running(by_callback) == 0, "the worker to give the call up")
        answer = client.once("next", b"new")
    assert answer["pl"][0]["data"] == "bmV3"
    eventually(lambda: returned_by_callbacks(by_callback, "late"))
    assert returned_by_callbacks(by_callback, "late") == [-1]
    assert by_callback.once(b"third").text() == "third"


def test_a_callback_behind_wrapper_destroy_is_not_taken(by_callback: Service) -> None:
    with xsf(by_callback) as client:
        client.open("gone", callback="late")
        client.feed("gone", 1, 0)
        eventually(lambda: was_called(by_callback, "wrapperWrite", "gone"))
        client.output("AIExcp", "gone")
        eventually(lambda: was_called(by_callback, "wrapperDestroy", "gone"))
        client.session("after")
    assert returned_by_callbacks(by_callback, "gone") == [-1]


# --- what it tells ---


def test_what_a_plugin_tells_becomes_metrics_and_lines_of_the_log(
    library: Path, tmp_path: Path
) -> None:
    with serve(tmp_path / "c", library, pool={"heartbeat": 0.1}).ready() as service:
        for what in ("meter", "meter", "metric", "trace"):
            assert service.once(tell=what).code == 0
        told = [
            call for call in calls(service.folder) if call["call"] in ("meter", "metric", "trace")
        ]
        assert [call["returned"] for call in told] == [0] * 4
        tag = told[-1]["tag"]
        service.wait_for(f"trace tag={tag} key=step value=encode")
        wanted = ['aiges_used_total{key="words"} 14.0', 'aiges_measured{key="ratio"} 0.5']

        def are_there() -> bool:
            found = service.admin("GET", "/metrics").body.decode()
            return all(line in found for line in wanted)

        eventually(are_there)
