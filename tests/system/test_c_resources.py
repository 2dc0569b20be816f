"""Resources of a C plugin, loaded over gRPC: what its functions get, and what operators see.

The plugin writes its calls down (tests/support/faulty_library).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiges_loader.admin_screen import print_status
from support.faulty_plugin import Call, build, calls_named, serve
from support.service import Service
from support.waiting import eventually
from support.xsf_texts import xsf

CONTENT = {
    "key": "adapter",
    "len": 7,
    "type": 4,
    "status": 2,
    "is_null": False,
    "data": "weights",
    "desc": {"patch_id": "7", "rank": "8"},
}


@pytest.fixture(params=[False, True], ids=["by return", "by callback"])
def service(request: pytest.FixtureRequest, library: Path, tmp_path: Path) -> Iterator[Service]:
    pool = {"workers": 2, "resourceTimeout": 10, "maxResourcesMb": 1}
    with serve(tmp_path / "c", library, by_callback=request.param, pool=pool).ready() as started:
        for number in (1, 2):
            started.wait_for(f"worker ready worker={number}")
        yield started


def ids_of(service: Service, function: str) -> list[int]:
    return [call["id"] for call in calls_named(service.folder, function)]


def resources_of(service: Service, tag: str, functions: Sequence[str]) -> list[int]:
    """Return the resources that the functions got which began a request."""
    began: list[Call] = [call for name in functions for call in calls_named(service.folder, name)]
    (found,) = [call["resources"] for call in began if call["tag"] == tag]
    return list(found)


def status(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.admin("GET", "/status").json
    return found


def test_a_resource_is_loaded_used_replaced_and_unloaded(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    once, create = ("wrapperExec", "wrapperExecAsync"), ("wrapperCreate",)
    with xsf(service) as client:
        assert client.load("7", b"weights", rank="8") == {}
        loads = calls_named(service.folder, "wrapperLoadRes")
        assert [(call["id"], call["data"]) for call in loads] == [(7, [CONTENT])] * 2
        assert len({call["thread"] for call in loads}) == 2  # one in each worker
        client.once("with", patch_id="7")
        client.once("without")
        client.once("another", patch_id="8")
        client.session("session", patch_id="7")
        assert resources_of(service, "with", once) == [7]
        assert resources_of(service, "without", once) == []
        assert resources_of(service, "another", once) == []
        assert resources_of(service, "session", create) == [7]
        listed = [{"id": "7", "key": "adapter", "size_bytes": 7}]
        assert status(service)["resources"] == listed
        print_status(status(service))
        assert " · 1 resource" in capsys.readouterr().out.replace("\n", " ")
        assert b"aiges_resources 1.0" in service.admin("GET", "/metrics").body
        assert client.load("7", b"others") == {}
        assert (ids_of(service, "wrapperLoadRes"), ids_of(service, "wrapperUnloadRes")) == (
            [7] * 4,
            [7] * 2,
        )
        assert client.unload("7") == {}
        assert ids_of(service, "wrapperUnloadRes") == [7] * 4
        client.once("afterwards", patch_id="7")
        assert resources_of(service, "afterwards", once) == []
        assert status(service)["resources"] == []


def test_a_worker_that_is_started_again_loads_before_it_takes_calls(service: Service) -> None:
    with xsf(service) as client:
        client.load("7", b"weights", rank="8")
        before = len(service.log)
        pid = status(service)["workers"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        service.wait_for("worker ready worker=1", after=before)
        loads = calls_named(service.folder, "wrapperLoadRes")
        assert [(call["id"], call["data"]) for call in loads] == [(7, [CONTENT])] * 3
        assert service.admin("POST", "/reload").status == 200
        assert ids_of(service, "wrapperLoadRes") == [7] * 5
        client.once("o", patch_id="7")
        assert resources_of(service, "o", ("wrapperExec", "wrapperExecAsync")) == [7]


@pytest.mark.parametrize(
    ("resource_id", "content", "fault", "code", "text"),
    [
        ("7", b"x", "wrapperLoadRes:code=55", 10903, "faulty error 55;code=55"),
        ("7", b"x", "wrapperLoadRes:segv", 10109, "the worker died during the call: killed by"),
        ("seven", b"x", "", 10903, "wrapperLoadRes needs a number from 1 to 4294967295 for a"),
        ("0", b"x", "", 10903, "wrapperLoadRes needs a number from 1 to 4294967295 for a"),
        ("7", b"x" * 1_100_000, "", 10009, "resource 7 is not loaded: with its 11000"),
    ],
)
def test_a_resource_that_cannot_be_loaded_is_in_no_worker(  # noqa: PLR0917 - a table
    resource_id: str, content: bytes, fault: str, code: int, text: str, service: Service
) -> None:
    with xsf(service) as client:
        answer = client.load(resource_id, content, fault=fault)
        assert (answer["code"], answer["status"]) == (code, "END")
        assert answer["err"].startswith(text)
        assert status(service)["resources"] == []
        eventually(lambda: status(service)["workers_ready"] == 2, "both workers")
        client.once("o", patch_id=resource_id)
        assert resources_of(service, "o", ("wrapperExec", "wrapperExecAsync")) == []


def test_a_resource_that_cannot_be_unloaded_stays(library: Path, tmp_path: Path) -> None:
    env = {"FAULTY_FAULT": "wrapperUnloadRes:code=66"}
    with serve(tmp_path / "c", library, env=env).ready() as service, xsf(service) as client:
        client.load("7", b"weights")
        answer = client.unload("7")
        assert (answer["code"], answer["err"]) == (10904, "faulty error 66;code=66")
        client.once("o", patch_id="7")
        assert resources_of(service, "o", ("wrapperExec",)) == [7]
        assert [found["id"] for found in status(service)["resources"]] == ["7"]


def test_a_library_without_the_functions_takes_no_resources(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = build(tmp_path_factory.mktemp("less"), without=("wrapperLoadRes",))
    with serve(tmp_path / "c", library).ready() as service, xsf(service) as client:
        assert client.load("7", b"weights") == {}
        assert status(service)["resources"] == []
