"""The supervisor as process 1 of a container, and as the heir of a script: whom it reaps."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.service import Service
from support.trees import MARKER, gone_within, kill_marked, marked
from support.waiting import LIMIT_S, until

PROGRAM = (sys.executable, "-m", "aiges_loader")
CONTAINER = ("unshare", "-pf", "--kill-child", "--mount-proc", *PROGRAM)

WRAPPER = """
from aiges.sdk import WrapperBase
from aiges.dto import Response, ResponseData

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        item = ResponseData(key="result")
        item.setData(reqData.list[0].data)
        response.list = [item]
        return response
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture
def marker() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    kill_marked(name)


def process_one(service: Service) -> psutil.Process:
    (one,) = psutil.Process(service.process.pid).children()
    assert b"NSpid:\t%d\t1\n" % one.pid in Path(f"/proc/{one.pid}/status").read_bytes()
    return one


def worker_of(one: psutil.Process) -> psutil.Process:
    """Find the worker from outside, where its pid is another one than in the log."""
    (worker,) = (p for p in one.children(recursive=True) if "aiges.serve" in p.cmdline())
    return worker


def leave_two_orphans(one: psutil.Process) -> None:
    """Do as `docker exec` does: enter from outside, with children that outlive their parent."""
    enter = ["nsenter", "-t", str(one.pid), "-p", "-m"]
    left = ["sh", "-c", "sleep 600 & sleep 600 & true"]
    subprocess.run([*enter, *left], timeout=LIMIT_S, check=True)


def adopted(parent: psutil.Process) -> list[psutil.Process]:
    return [child for child in parent.children() if child.name() == "sleep"]


async def is_reaped_when_killed(orphan: psutil.Process) -> None:
    orphan.kill()
    await until(lambda: not psutil.pid_exists(orphan.pid), "the orphan to be reaped")


@pytest.mark.usefixtures("needs_namespaces")
async def test_process_one_reaps_what_others_leave_to_it(folder: Path, marker: str) -> None:
    with Service(folder, program=CONTAINER, env={MARKER: marker}).ready() as service:
        one = process_one(service)
        leave_two_orphans(one)
        await until(lambda: len(adopted(one)) == 2, "two orphans below process 1")
        for orphan in adopted(one):
            await is_reaped_when_killed(orphan)
        # How its own end is still told:
        worker_of(one).kill()
        service.wait_for("worker died worker=1 reason=killed by SIGKILL")
        assert service.once().code == 0
        one.terminate()
        assert service.wait() == 0
        assert marked(marker) == []


@pytest.mark.usefixtures("needs_namespaces")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_one_reloads_and_ends_by_signals(
    number: signal.Signals, folder: Path, marker: str
) -> None:
    with Service(folder, program=CONTAINER, env={MARKER: marker}).ready() as service:
        one = process_one(service)
        one.send_signal(signal.SIGHUP)
        service.wait_for("reloaded routes=")
        one.send_signal(number)
        assert service.wait() == 0
        assert marked(marker) == []


@pytest.mark.usefixtures("needs_namespaces")
def test_when_process_one_is_killed_nothing_stays(folder: Path, marker: str) -> None:
    with Service(folder, program=CONTAINER, env={MARKER: marker}).ready() as service:
        assert len(marked(marker)) >= 5
        process_one(service).kill()
        gone_within(marker, 1.0)


async def a_killed_nursery_is_replaced(service: Service, supervisor: psutil.Process) -> None:
    """Kill it, and then the worker that it had started: a new one must come from another."""
    worker = worker_of(supervisor)
    (old,) = nurseries(supervisor)
    old.kill()
    service.wait_for(r"nursery ended pid=\d+ status=-9")
    await until(lambda: not psutil.pid_exists(old.pid), "the old nursery to be reaped")
    assert service.once().code == 0
    await until(lambda: nurseries(supervisor), "another nursery")
    (new,) = nurseries(supervisor)
    seen = len(service.log)
    worker.kill()
    service.wait_for("worker ready worker=1", after=seen)
    assert service.once().code == 0
    assert worker_of(new) == worker_of(supervisor)


def nurseries(supervisor: psutil.Process) -> list[psutil.Process]:
    return [child for child in supervisor.children() if child.name() == "aiges-nursery"]


async def test_a_killed_nursery_costs_nothing(folder: Path, marker: str) -> None:
    with Service(folder, env={MARKER: marker}).ready() as service:
        await a_killed_nursery_is_replaced(service, psutil.Process(service.process.pid))
        assert service.stop() == 0
        assert marked(marker) == []


@pytest.mark.usefixtures("needs_namespaces")
async def test_a_killed_nursery_costs_process_one_nothing(folder: Path, marker: str) -> None:
    with Service(folder, program=CONTAINER, env={MARKER: marker}).ready() as service:
        one = process_one(service)
        await a_killed_nursery_is_replaced(service, one)
        # The guard that came to process 1 meanwhile is reaped as well.
        await until(lambda: one.children() == nurseries(one), "nothing but the nursery")
        one.terminate()
        assert service.wait() == 0


async def test_what_a_script_has_started_before_it_became_us_is_reaped(
    folder: Path, marker: str
) -> None:
    script = ("bash", "-c", 'sleep 600 & exec "$@"', "bash", *PROGRAM)
    with Service(folder, program=script, env={MARKER: marker}).ready() as service:
        (orphan,) = adopted(psutil.Process(service.process.pid))
        await is_reaped_when_killed(orphan)
        assert service.stop() == 0


LEAVES_A_ZOMBIE = """
import os, signal, sys
pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
os.kill(pid, signal.SIGKILL)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
os.execv(sys.argv[1], sys.argv[1:])
"""


async def test_what_ended_before_we_could_look_is_reaped(folder: Path) -> None:
    program = (sys.executable, "-c", LEAVES_A_ZOMBIE, *PROGRAM)
    with Service(folder, program=program).ready() as service:
        supervisor = psutil.Process(service.process.pid)
        await until(lambda: len(supervisor.children()) == 1, "the zombie to be reaped")
        assert service.stop() == 0
