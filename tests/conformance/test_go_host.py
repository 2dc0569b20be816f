"""Our worker under the real go-plugin host. P numbers are those of docs/go-plugin.md."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.go_programs import GoPrograms
from support.waiting import LIMIT_S, dies_within

WRAPPER = """
import ctypes, os, subprocess, threading, time
from aiges.dto import Response, ResponseData
from aiges.sdk import WrapperBase, StringBodyField
from aiges.utils.log import log

class UserRequest:
    input1 = StringBodyField(key="text", value=b"hello")

class UserResponse:
    accept1 = StringBodyField(key="text")

class Wrapper(WrapperBase):
    serviceId = "echo"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        print("python in init")
        ctypes.CDLL(None).puts(b"c in init"); ctypes.CDLL(None).fflush(None)
        subprocess.run(["echo", "child in init"])
        return 0

    def wrapperOnceExec(self, params, reqData):
        data = reqData.get("text").data
        {once}
        item = ResponseData(key="text")
        item.setData(data)
        answer = Response()
        answer.list = [item]
        return answer

    def wrapperFini(self):
        log.info("fini was called")
        return 0
"""
INIT = 'wrapperInit={"config": {"key": "value"}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path)


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder for TMPDIR with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="go-") as folder:
        yield Path(folder)


def write(folder: Path, once: str = "pass") -> Path:
    (folder / "wrapper.py").write_text(WRAPPER.replace("{once}", once))
    return folder


def steps_of(seen: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert seen["error"] == ""
    assert [step["error"] for step in seen["steps"]] == [""] * len(seen["steps"])
    return {step["step"]: step for step in seen["steps"]}


def records(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """The worker's own log records as the host understood them."""
    logged = [json.loads(line) for line in seen["log"]]
    return [record for record in logged if not record["@module"].startswith("host")]


def test_a_go_host_finds_all_it_needs_in_a_worker(go: GoPrograms, folder: Path, mtls: bool) -> None:
    """P5 P6 P8 P18 P20 P22 P25 P27 P29 P40 P52."""
    steps = steps_of(
        seen := go.host(
            go.host_command(
                folder,
                "ping",
                INIT,
                'wrapperSchema={"serviceId": "svc"}',
                "once=hello",
                "big=20",
                "await=child in init",
                "kill",
                mtls=mtls,
            )
        )
    )
    assert seen["version"] == 1
    schema = json.loads(json.loads(steps['wrapperSchema={"serviceId": "svc"}']["reply"])["data"])
    assert schema["meta"]["serviceId"] == "echo"
    assert steps["once=hello"]["reply"] == "hello"
    assert steps["big=20"]["reply"] == str(20 << 20)
    assert seen["stdout"] == "python in init\nc in init\nchild in init\n"
    assert steps["kill"]["seconds"] < 1.5
    assert not any("gracefully" in line for line in seen["log"])
    assert [record["@message"] for record in records(seen)] == ["fini was called"]
    assert not Path(seen["address"]).parent.exists()


def test_the_certificate_of_the_handshake_appears_only_with_mtls(
    go: GoPrograms, folder: Path, mtls: bool
) -> None:
    """P16 P32: a wrapper behind a script that copies the handshake line aside."""
    line = folder / "line"
    script = folder / "worker.sh"
    script.write_text(f'exec "$0" -m aiges.serve | tee "{line}"\n'.replace("$0", sys.executable))
    seen = go.host(go.host_command(folder, "ping", mtls=mtls, command=f"sh {script}"))
    steps_of(seen)
    fields = line.read_text().splitlines()[0].split("|")
    assert len(fields) == 6
    assert bool(fields[5]) == mtls
    assert "=" not in fields[5]


@pytest.mark.parametrize(("offered", "chosen"), [("1,2", 2), ("3,1", 1)])
def test_host_and_worker_agree_on_a_version(
    offered: str, chosen: int, go: GoPrograms, folder: Path, mtls: bool
) -> None:
    """P8: with TLS it is version 1, whatever is offered besides."""
    seen = go.host(go.host_command(folder, "ping", versions=offered, mtls=mtls))
    assert seen["version"] == (1 if mtls else chosen)


def test_a_host_of_other_versions_says_so(go: GoPrograms, folder: Path) -> None:
    """P10."""
    seen = go.host(go.host_command(folder, versions="3"))
    assert not seen["started"]
    assert "ncompatible API version with plugin. Plugin version: 1" in seen["error"]


def test_log_records_keep_their_level_whatever_their_size(go: GoPrograms, tmp_path: Path) -> None:
    """P36 P37 P38."""
    once = """
        log.info("small")
        log.warning("w" * 100_000)
        try:
            raise KeyError("lost")
        except KeyError:
            log.exception("it failed")
        """
    seen = go.host(go.host_command(write(tmp_path, once), INIT, "once=x", "kill"))
    steps_of(seen)
    found = {(record["@level"], record["@message"][:9]) for record in records(seen)}
    assert found >= {("info", "small"), ("warn", "wwwwwwwww"), ("error", "it failed")}
    failure = next(r["@message"] for r in records(seen) if r["@level"] == "error")
    assert failure.startswith("it failed\nTraceback")
    assert failure.endswith("KeyError: 'lost'")


def test_much_output_reaches_the_host_and_blocks_nothing(go: GoPrograms, tmp_path: Path) -> None:
    """P20 P21: more than the worker keeps, while the host reads."""
    once = 'print("\\n".join(["x" * 1023] * 2048)); print("all printed")'
    seen = go.host(
        go.host_command(write(tmp_path, once), INIT, "once=x", "await=all printed", "kill")
    )
    assert steps_of(seen)["once=x"]["reply"] == "x"


@pytest.mark.parametrize(
    "once",
    ["time.sleep(60)", "threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)"],
)
def test_a_call_that_is_stuck_does_not_make_the_stop_longer(
    once: str, go: GoPrograms, tmp_path: Path
) -> None:
    """P41 P42."""
    write(tmp_path, f'log.info("stuck now"); {once}')
    seen = go.host(go.host_command(tmp_path, INIT, "stuck=stuck now", "kill"))
    assert steps_of(seen)["kill"]["seconds"] < 1.9
    assert seen["exited"]
    assert not any("gracefully" in line for line in seen["log"])
    assert not Path(seen["address"]).exists()


def test_a_crash_in_c_code_leaves_its_stacks_with_the_host(go: GoPrograms, tmp_path: Path) -> None:
    """P50."""
    seen = go.host(go.host_command(write(tmp_path, "ctypes.string_at(0)"), INIT, "once=x"))
    assert "Unavailable" in seen["steps"][-1]["error"]
    assert any("Segmentation fault" in line for line in seen["log"])


@pytest.mark.parametrize("launcher", ["", "sh "])
def test_a_worker_does_not_outlive_a_host_that_was_killed(
    launcher: str, go: GoPrograms, folder: Path, sockets: Path, mtls: bool
) -> None:
    """P45: also where a shell stands between them."""
    pid_file = folder / "pid"
    script = folder / "worker.sh"
    script.write_text(f"#!/bin/sh\n{sys.executable} -m aiges.serve\n")
    (folder / "wrapper.py").write_text(
        f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        + (folder / "wrapper.py").read_text()
    )
    direct = f"{sys.executable} -m aiges.serve"
    command = f"sh {script}" if launcher else direct
    host = subprocess.Popen(
        go.host_command(folder, INIT, "hold", mtls=mtls, command=command),
        env=go.environment(TMPDIR=str(sockets)),
        stdout=subprocess.PIPE,
    )
    try:
        assert host.stdout is not None
        steps_of(json.loads(host.stdout.readline()))
        assert list(sockets.iterdir())
        worker = int(pid_file.read_text())
    finally:
        host.kill()
        host.communicate(timeout=LIMIT_S)
    assert dies_within(worker, 3.0)
    assert not list(sockets.iterdir())


def test_another_host_reattaches_to_a_worker_that_the_first_has_left(
    go: GoPrograms, folder: Path
) -> None:
    """P52: the first lives on, for it holds the worker's pipes; the second may end the worker."""
    first = subprocess.Popen(
        go.host_command(folder, INIT, "once=one", "leave", "hold"),
        env=go.environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert first.stdout is not None
        seen = json.loads(first.stdout.readline())
        assert steps_of(seen)["once=one"]["reply"] == "one"
        worker = seen["pid"]
        steps = ("ping", "once=two", "kill")
        again = go.host(go.reattach_command(seen["address"], worker, *steps))
        assert steps_of(again)["once=two"]["reply"] == "two"
        assert again["exited"]
        assert not any("gracefully" in line for line in again["log"])
        assert dies_within(worker, 1.0)
        assert not Path(seen["address"]).parent.exists()
    finally:
        first.kill()
        first.communicate(timeout=LIMIT_S)


def test_what_is_no_certificate_is_refused_before_anything_is_served(
    go: GoPrograms, folder: Path
) -> None:
    """P7 P33: nothing on stdout, the reason on stderr."""
    seen = go.host(go.host_command(folder), PLUGIN_CLIENT_CERT="garbage")
    assert not seen["started"]
    (reason,) = [r for r in records(seen) if r["@level"] == "error"]
    assert reason["@message"].startswith("plugin init error: PLUGIN_CLIENT_CERT: ")
