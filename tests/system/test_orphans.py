"""kill -9 of the whole service at many instants: no process stays, and the next start cleans up."""

import os
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import LIMIT_S, Service
from support.trees import DAEMONISES, MARKER, gone_within, kill_marked, marked

WRAPPER = f"""
import subprocess, sys
from aiges.sdk import WrapperBase
from aiges.dto import Response, ResponseData

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"

    def wrapperInit(self, config):
        # A child that daemonises, and one that does not.
        subprocess.Popen([sys.executable, "-c", {DAEMONISES!r}], stdout=subprocess.DEVNULL)
        subprocess.Popen(["sleep", "600"])
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        item = ResponseData(key="result")
        item.setData(reqData.list[0].data)
        response.list = [item]
        return response
"""

START = ""  # the start of the process itself
LISTENING = r"listening http="
STARTED = r"worker started worker=1"
READY = r"worker ready worker=1"
ROUTES = r"ready routes="

INSTANTS = [
    *[(START, ms) for ms in (0, 20, 60, 120, 180, 240, 300, 400)],
    *[(STARTED, ms) for ms in (0, 1, 3, 10, 50, 150, 300)],
    *[(READY, ms) for ms in (0, 5)],
    *[(ROUTES, ms) for ms in (0, 30)],
    (LISTENING, 0),
]
"""Twenty moments: a line of the log, and so many milliseconds after it."""


@pytest.fixture
def marker() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    kill_marked(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aiges-test-") as name:  # pytest's own is too long
        yield Path(name)


def test_at_twenty_instants_a_killed_supervisor_leaves_no_process_and_no_folder(
    folder: Path, temporary: Path, marker: str
) -> None:
    """H62."""
    env = {MARKER: marker, "TMPDIR": str(temporary)}
    for line, milliseconds in INSTANTS:
        with Service(folder, env=env) as service:
            if line:
                service.wait_for(line)
            time.sleep(milliseconds / 1000)  # the instant itself, nothing is waited for
            assert service.process.poll() is None, "\n".join(service.log)
            service.process.kill()
            gone_within(marker, 1.0)
    with Service(folder, env=env).ready() as service:
        assert service.once().code == 0
        assert service.stop() == 0
    assert marked(marker) == []
    assert list(temporary.iterdir()) == []


def test_an_orderly_stop_leaves_no_process(folder: Path, marker: str) -> None:
    """H63: SIGTERM."""
    with Service(folder, env={MARKER: marker}).ready() as service:
        assert len(marked(marker)) >= 5  # supervisor, nursery, guard, worker, its children
        assert service.stop() == 0
        assert marked(marker) == []


def test_a_worker_behind_a_longer_shell_command_leaves_nothing(folder: Path, marker: str) -> None:
    command = "true && python -m aiges.serve && true"
    aiges = {"pythonPluginCmd": command}
    with Service(folder, env={MARKER: marker}, aiges=aiges).ready() as service:
        service.process.kill()
        gone_within(marker, 1.0)


def test_two_workers_and_the_group_killed_leave_nothing(folder: Path, marker: str) -> None:
    with Service(folder, env={MARKER: marker}, pool={"workers": 2}) as service:
        service.wait_for(r"worker ready worker=1")
        service.wait_for(r"worker ready worker=2")
        workers = {int(service.wait_for(rf"worker ready worker={n} pid=(\d+)")[1]) for n in (1, 2)}
        for pid in workers:  # each leads a group of its own
            assert os.getpgid(pid) == pid
        service.process.kill()
        gone_within(marker, 1.0)


def test_a_worker_that_dies_leaves_nothing_of_its_own(folder: Path, marker: str) -> None:
    with Service(folder, env={MARKER: marker}).ready() as service:
        first = int(service.wait_for(r"worker ready worker=1 pid=(\d+)")[1])
        before = set(marked(marker))
        seen = len(service.log)
        os.kill(first, signal.SIGKILL)
        service.wait_for(r"worker died worker=1 reason=killed by SIGKILL", after=seen)
        service.wait_for(READY, after=seen)
        after = set(marked(marker))
        # Supervisor and nursery are the same; guard, worker and children are new.
        assert len(before & after) == 2
        assert service.once().code == 0
        assert service.stop() == 0
        assert marked(marker) == []
        assert service.process.wait(LIMIT_S) == 0
