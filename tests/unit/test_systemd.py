"""What is told to systemd: over a real socket, in this process."""

import asyncio
import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiges_loader.systemd import Systemd
from support.notify_socket import NotifySocket
from support.waiting import until

QUEUE = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
"""So many messages wait at most in the kernel."""


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[NotifySocket]:
    with tempfile.TemporaryDirectory(prefix="sd-") as folder:  # pytest's own is too long
        name = f"@aiges-{uuid.uuid4().hex}" if request.param == "abstract" else f"{folder}/notify"
        with NotifySocket(name) as listening:
            yield listening


def test_what_systemd_gives_is_taken_from_the_environment() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/root",
    }
    assert Systemd.of(environ).watchdog_s == 3.0
    assert environ == {"HOME": "/root"}


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "500000", "NOTIFY_SOCKET": "@x"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "NOTIFY_SOCKET": "@x", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "500000"}, None),
        ({"NOTIFY_SOCKET": "@x"}, None),
    ],
)
def test_signs_of_life_are_given_if_they_are_asked_of_us(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert Systemd.of(environ).watchdog_s == watchdog_s


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("NOTIFY_SOCKET", value) for value in ("", "/", "@", "relative", "vsock:2:1")],
        *[("WATCHDOG_USEC", value) for value in ("", "0", "-1", "1s")],
    ],
)
def test_what_makes_no_sense_is_named_and_not_used(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1000000", name: value}
    assert Systemd.of(environ).watchdog_s is None
    assert name in caplog.text
    assert environ == {}


async def test_a_start_is_over_when_the_service_is_ready_for_the_first_time(
    manager: NotifySocket,
) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.address})
    for is_ready, status in ((False, "a"), (True, "b"), (False, "c"), (True, "d\ne")):
        systemd.report(is_ready=is_ready, status=status)
    assert [manager.next() for _ in range(4)] == [
        {"STATUS": "a"},
        {"READY": "1", "STATUS": "b"},
        {"STATUS": "c"},
        {"STATUS": "d e"},
    ]


async def test_a_reload_before_the_service_was_ready_does_not_make_it_so(
    manager: NotifySocket,
) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.address})
    systemd.reloading()
    systemd.reloaded("none")
    systemd.stopping("over")
    assert manager.next() == {"STOPPING": "1", "STATUS": "over"}


async def test_a_systemd_that_has_no_room_is_told_later_and_blocks_nobody(
    manager: NotifySocket,
) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.address})
    count = 3 * QUEUE
    for number in range(count):
        systemd.report(is_ready=False, status=str(number))

    def all_heard() -> bool:
        while manager.next(0.001):
            pass
        return len(manager.heard) == count

    await until(all_heard, "every message")
    assert manager.heard == [{"STATUS": str(number)} for number in range(count)]


async def test_a_systemd_that_is_gone_costs_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    with caplog.at_level(logging.WARNING):
        systemd.stopping("over")
    assert "systemd was not told 'STOPPING=1\\nSTATUS=over': " in caplog.text


async def test_signs_of_life_stop_when_the_loop_does_not_turn_and_at_the_end(
    manager: NotifySocket,
) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "40000"})
    async with systemd.watched():
        await asyncio.sleep(0)
        assert manager.next() == {"WATCHDOG": "1"}
        assert manager.next(0.2) is None  # this wait does not let the loop turn
        await until(lambda: manager.next(0.001), "a sign of life")
    manager.drop_waiting()
    await asyncio.sleep(0.2)
    assert manager.next(0.001) is None


async def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    systemd = Systemd.of({})
    async with systemd.watched():
        systemd.report(is_ready=True, status="ready")
        systemd.reloading()
        systemd.reloaded("ready")
        systemd.stopping("over")
