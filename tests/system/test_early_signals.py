"""Signals in the first second of the program's life."""

import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import LIMIT_S, Service, config_text
from support.trees import MARKER, kill_marked, marked

WRAPPER = """
from aiges.sdk import WrapperBase

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v3"

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        return 0
"""

AS_A_MODULE = (sys.executable, "-m", "aiges_loader")
AS_A_COMMAND = (sys.executable, "-c", "from aiges_loader.__main__ import main; main()")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    return tmp_path


@pytest.fixture
def marker() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    kill_marked(name)


def begun(service: Service) -> None:
    """Wait for the program's first instruction; what comes before is the interpreter's own start.

    Python always handles SIGINT; SIGTERM is handled when we have said so.
    """
    status = Path(f"/proc/{service.process.pid}/status")
    deadline = time.monotonic() + LIMIT_S
    while not handles(status.read_text(), signal.SIGTERM):
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def handles(status: str, number: int) -> bool:
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("program", [AS_A_MODULE, AS_A_COMMAND], ids=["module", "command"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_ten_instants_of_the_first_second_a_signal_ends_the_program_with_0(
    number: signal.Signals, program: tuple[str, ...], folder: Path, marker: str
) -> None:
    drawn = random.Random(f"{number} {program}")
    for delay_s in [0.0, *(drawn.random() for _ in range(9))]:
        with Service(folder, program=program, env={MARKER: marker}) as service:
            begun(service)
            time.sleep(delay_s)  # the instant itself, nothing is waited for
            assert service.stop(number) == 0, (delay_s, service.log)
            assert marked(marker) == []
            assert not any("Traceback" in line for line in service.log)


def test_signals_to_the_whole_group_end_it_with_0(folder: Path, marker: str) -> None:
    """As Ctrl-C does, also while the nursery starts."""
    grouped = ("setsid", *AS_A_MODULE)
    drawn = random.Random("group")
    for delay_s in [drawn.random() / 2 for _ in range(10)]:
        with Service(folder, program=grouped, env={MARKER: marker}) as service:
            begun(service)
            time.sleep(delay_s)  # the instant itself, nothing is waited for
            assert os.getpgid(service.process.pid) == service.process.pid
            os.killpg(service.process.pid, signal.SIGINT)
            assert service.wait() == 0, (delay_s, service.log)
            assert marked(marker) == []
            assert not any("Traceback" in line for line in service.log)


def test_sighup_at_any_instant_ends_nothing_and_its_wish_is_granted(folder: Path) -> None:
    os.mkfifo(folder / "aiges.toml")
    with Service(folder, writes_config=False) as service:
        with (folder / "aiges.toml").open("w") as config:  # opens when it is read at the other end
            config.write(config_text())
            config.flush()
            (folder / "new.toml").write_text(config_text(pool={"workers": 2}))
            (folder / "new.toml").rename(folder / "aiges.toml")
            service.process.send_signal(signal.SIGHUP)  # what is being read is old already
        service.wait_for("worker ready worker=2")
        assert service.stop() == 0


def test_whoever_asks_twice_does_not_wait_for_a_file_that_is_slow(
    folder: Path, marker: str
) -> None:
    os.mkfifo(folder / "aiges.toml")
    with Service(folder, writes_config=False, env={MARKER: marker}) as service:
        with (folder / "aiges.toml").open("w"):  # opens when it is read at the other end
            deadline = time.monotonic() + LIMIT_S
            while service.process.poll() is None and time.monotonic() < deadline:
                service.process.send_signal(signal.SIGTERM)
                time.sleep(0.01)
            assert service.wait() == 0
        assert marked(marker) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sub_command_can_be_interrupted(number: signal.Signals, folder: Path) -> None:
    os.mkfifo(folder / "aiges.toml")
    with (
        Service(folder, arguments=("check",), writes_config=False) as service,
        (folder / "aiges.toml").open("w"),  # opens when it is read at the other end
    ):
        status = service.stop(number)
    assert status in (-number, 1)  # click says "Aborted!" for SIGINT
