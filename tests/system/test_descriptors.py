"""The limit of file descriptors: all that is allowed for the supervisor, as found for workers."""

import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import Service

ECHO = Path(__file__).resolve().parents[2] / "wrappers" / "echo" / "wrapper.py"


def limits(pid: int) -> tuple[int, int]:
    """Return the soft and the hard limit of a process."""
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


@pytest.fixture
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="d-") as name:  # short: sockets in it have long names
        yield Path(name)


@pytest.fixture
def service(tmp_path: Path, temporary: Path) -> Service:
    (tmp_path / "wrapper.py").write_text(ECHO.read_text())
    under = ("sh", "-ec", 'ulimit -Sn 300; exec "$@"', "-", sys.executable, "-m", "aiges_loader")
    return Service(tmp_path, program=under, env={"TMPDIR": str(temporary)})


def test_the_supervisor_takes_what_it_may_and_workers_get_what_it_found(service: Service) -> None:
    with service.ready():
        soft, hard = limits(service.process.pid)
        assert soft == hard > 300
        for pid in service.workers():
            assert limits(pid) == (300, hard)


def test_killed_workers_leave_no_sockets(service: Service, temporary: Path) -> None:
    with service.ready():
        (folder,) = temporary.glob("aiges-loader-*")
        for _ in range(3):
            before = len(service.log)
            os.kill(service.worker_pid(), signal.SIGKILL)
            service.wait_for("worker ready", after=before)
        pid = str(service.worker_pid())
        assert all(pid in path.name for path in folder.glob("*.sock"))
        assert len(list(folder.glob("*.sock"))) == 3
