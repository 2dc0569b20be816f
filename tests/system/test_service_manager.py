"""What a real service tells systemd, and when."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.notify_socket import NotifySocket
from support.service import Service, config_text

WRAPPER = """
import os, time
from pathlib import Path
from aiges.sdk import WrapperBase

print("told", [n for n in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if n in os.environ])

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"

    def wrapperInit(self, config):
        while not Path("go").exists():
            time.sleep(0.01)
        return 0

    def wrapperOnceExec(self, params, reqData):
        return 0
"""

WATCHDOG_S = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    with (
        tempfile.TemporaryDirectory(prefix="sd-") as short,
        NotifySocket.in_folder(Path(short)) as listening,
    ):
        yield listening


def test_ready_is_said_when_readyz_says_it_and_the_end_when_it_begins(
    folder: Path, manager: NotifySocket
) -> None:
    env = {"NOTIFY_SOCKET": manager.address}
    with Service(folder, env=env, pool={"workers": 2, "minReady": 2}) as service:
        service.wait_for("worker started worker=2")
        service.wait_for("listening")
        assert manager.until(STATUS="0 of 2 workers ready").get("READY") is None
        assert manager.next(0.3) is None  # both workers load
        (folder / "go").touch()
        assert manager.until(READY="1") == {"READY": "1", "STATUS": "2 of 2 workers ready"}
        assert service.ready().ask("GET", "/readyz").status == 200
        service.process.send_signal(signal.SIGTERM)
        assert manager.until(STOPPING="1")["STATUS"] == "draining"
        assert service.wait() == 0
        assert any("told []" in line for line in service.log)
        assert [m for m in manager.heard if "READY" in m] == [
            {"READY": "1", "STATUS": "2 of 2 workers ready"}
        ]


def test_a_reload_is_told_with_its_beginning_and_its_end(
    folder: Path, manager: NotifySocket
) -> None:
    (folder / "go").touch()
    with Service(folder, env={"NOTIFY_SOCKET": manager.address}).ready() as service:
        manager.until(READY="1")
        before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        (folder / "aiges.toml").write_text(config_text(pool={"workers": 2}))
        service.process.send_signal(signal.SIGHUP)
        told_us = int(manager.until(RELOADING="1")["MONOTONIC_USEC"])
        assert before_us <= told_us <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        manager.until(READY="1")
        manager.until(STATUS="2 of 2 workers ready")
        (folder / "aiges.toml").write_text("[oops\n")
        service.process.send_signal(signal.SIGHUP)
        manager.until(RELOADING="1")
        assert "not reloaded: aiges.toml:1" in manager.until(READY="1")["STATUS"]
        assert service.stop() == 0


def test_a_service_that_gives_up_says_why(folder: Path, manager: NotifySocket) -> None:
    (folder / "wrapper.py").write_text("raise SystemExit(3)\n")
    with Service(folder, env={"NOTIFY_SOCKET": manager.address}) as service:
        assert "the worker did not start" in manager.until(STOPPING="1")["STATUS"]
        assert service.wait() == 1
        assert not any("READY" in message for message in manager.heard)


def test_signs_of_life_come_until_the_end_and_none_from_a_stopped_supervisor(
    folder: Path, manager: NotifySocket
) -> None:
    (folder / "go").touch()
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    with Service(folder, env=env).ready() as service:
        manager.until(READY="1")
        for _ in range(3):
            began = time.monotonic()
            manager.until(WATCHDOG="1")
            assert time.monotonic() - began < WATCHDOG_S
        service.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, service.process.pid, os.WSTOPPED | os.WNOWAIT)
        manager.drop_waiting()
        assert manager.next(2 * WATCHDOG_S) is None
        service.process.send_signal(signal.SIGCONT)
        manager.until(WATCHDOG="1")
        assert service.stop() == 0
