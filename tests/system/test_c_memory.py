"""Memory of workers that serve a C plugin: nothing leaks, and nothing is used that has gone."""

import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aiges.client import Client
from drills.load import Load, Target, our_code
from support.c_programs import run
from support.faulty_plugin import calls_named, serve
from support.service import ROOT, Service, once_body

CALLS = 10_000
WARM_UP_CALLS = 3_000
SESSIONS = 300
WARM_UP_SESSIONS = 100
SESSION_BYTES = 100_000

GROWTH_BYTES = {False: 1 << 20, True: 4 << 20}
"""How much more a worker may have after the calls above, by return and by callback.

An input of 10 KB that leaks with each call is 100 MB, a C string of a tag 1 MB. Plugins may look at
the names of calls long after, in async mode, so the worker keeps the last 65 536 of them.
"""


def served_without_log(folder: Path, library: Path, *, by_callback: bool) -> Service:
    env = {"FAULTY_LOG": ""}  # it would be a file of many megabytes
    pool = {"concurrency": 2}
    return serve(folder, library, by_callback=by_callback, env=env, pool=pool)


def growth(service: Service, warm_up: Callable[[], None], work: Callable[[], None]) -> int:
    """Return how many bytes of memory the worker has more behind `work`."""
    (worker,) = service.admin("GET", "/status").json["workers"]
    process = psutil.Process(worker["pid"])
    warm_up()
    before = process.memory_info().rss
    work()
    return int(process.memory_info().rss) - before


@pytest.mark.parametrize("by_callback", [False, True])
def test_ten_thousand_calls_leak_nothing(by_callback: bool, library: Path, tmp_path: Path) -> None:
    body = once_body(b"x" * 10_000)
    with served_without_log(tmp_path / "c", library, by_callback=by_callback).ready() as service:
        target = Target(service.http_port, "/v1/svcName", lambda do: body, our_code)
        with Load(target, 4) as load:
            grown = growth(
                service, lambda: load.wait_for(WARM_UP_CALLS), lambda: load.wait_for(CALLS)
            )
        assert load.failed == []
    assert grown < GROWTH_BYTES[by_callback]


@pytest.mark.parametrize("by_callback", [False, True])
def test_sessions_leak_none_of_their_data(by_callback: bool, library: Path, tmp_path: Path) -> None:
    packages = [{"text": "x" * SESSION_BYTES}] * 3

    def run_sessions(count: int) -> None:
        for _ in range(count):
            results = client.stream(packages, expect={"result": "text"})
            assert [len(result.text) for result in results] == [SESSION_BYTES] * 3

    with served_without_log(tmp_path / "c", library, by_callback=by_callback).ready() as service:
        url = f"grpc://127.0.0.1:{service.grpc_port}"
        with Client(url) as client:
            grown = growth(
                service,
                lambda: run_sessions(WARM_UP_SESSIONS),
                lambda: run_sessions(SESSIONS),
            )
    # Session by session the heap finds its shape: 5 MB in the first thousand, then no more.
    assert grown < SESSIONS * SESSION_BYTES / 2


@pytest.mark.parametrize("by_callback", [False, True])
def test_everything_that_the_plugin_gave_is_given_back(
    by_callback: bool, library: Path, tmp_path: Path
) -> None:
    """Answers freed and sessions destroyed, by the plugin's own count."""
    odd = ("", "null", "nothing", "no_data", "endless", "bad_desc", "twice", "size=1000000")
    with serve(tmp_path / "c", library, by_callback=by_callback).ready() as service:
        for answer in odd:
            service.once(answer=answer)
            with Client(f"ws://127.0.0.1:{service.http_port}") as client:
                packages = [{"text": "a"}, {"text": "b"}]
                stream = client.stream(
                    packages, params={"fault": "wrapperWrite:code=0"}, expect={"result": "text"}
                )
                assert [result.text for result in stream] == ["a", "b"]
        assert service.stop() == 0
        (end,) = calls_named(service.folder, "wrapperFini")
    assert (end["answers"], end["sessions"]) == (0, 0)


@pytest.mark.parametrize("mode", ["return", "callback"])
def test_the_adapter_uses_no_memory_that_has_gone(mode: str, library: Path, tmp_path: Path) -> None:
    """Under valgrind, which sees what Python, cffi and the plugin do to each other's memory."""
    trees = ":".join(str(ROOT / tree) for tree in ("tests", "plugin_runtime", "proto"))
    said = run(
        [
            *("env", f"PYTHONPATH={trees}", "PYTHONMALLOC=malloc", "FAULTY_LOG="),
            *("valgrind", "--quiet", "--error-exitcode=9"),
            "--undef-value-errors=no",  # Python's collector looks at what was never set
            *(sys.executable, "-m", "support.library_calls", library, mode, "1"),
        ],
        tmp_path,
    )
    assert " requests" in said
