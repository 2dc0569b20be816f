"""How the supervisor reads a worker's handshake line. H numbers: docs/go-plugin.md."""

import asyncio
import logging
import os
import socket
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum
from aiges_loader.pool.lifecycle import State
from support.pools import pool_of, reason_of_failure, running
from support.waiting import dies_within, open_fds, until

FAKE = str(Path(__file__).resolve().parents[1] / "support" / "fake_worker.py")
STAYS = "; time.sleep(60)"
LINE = b"1|1|unix|/s|grpc|"


def writes(data: bytes, then: str = STAYS) -> tuple[str, ...]:
    """A worker that writes `data`, and says something on stderr before."""
    said = "import os, time; os.write(2, b'a last word\\n'); "
    return (sys.executable, "-c", f"{said}os.write(1, {data!r}){then}")


async def refusal(command: tuple[str, ...], folder: Path, *, start_timeout_s: float = 20.0) -> str:
    """Return why the pool gives up; it does so at once, and leaves nothing of the process."""
    pool = pool_of(command, os.environ, folder, start_timeout_s=start_timeout_s)
    began = time.monotonic()
    reason = await reason_of_failure(pool)
    assert time.monotonic() - began < 10.0  # far below startTimeout
    assert pool.workers[0].pid is None
    assert pool.workers[0].death is not None
    return reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"1|1|unix|/s", "unsupported plugin protocol 'netrpc'", id="H12"),
        pytest.param(b"1|1|unix|/s|netrpc|", "unsupported plugin protocol 'netrpc'", id="H12-said"),
        pytest.param(b"1|1|unix|/s||", "unsupported plugin protocol ''", id="H13-empty"),
        pytest.param(b"1|1|unix|/s|soap|", "unsupported plugin protocol 'soap'", id="H13-unknown"),
        pytest.param(b"Loading...", "expected at least 4 fields, got 'Loading...'", id="H18"),
        pytest.param(b"\n" + LINE, "expected at least 4 fields, got ''", id="H18-blank"),
        pytest.param(b"\xef\xbb\xbf" + LINE, "core version '\\ufeff1'", id="H18-bom"),
        pytest.param(b"x" * 300, "x'...", id="H18-cut"),
        pytest.param(bytes(range(128, 256)) + b"\0", "expected at least 4 fields", id="H20"),
        pytest.param(b"\xff|\xfe|\0|\x80", "core version", id="H20-fields"),
        pytest.param(b"2|1|unix|/s|grpc|", "core version '2', we speak 1", id="H21"),
        pytest.param(b"x|1|unix|/s|grpc|", "core version 'x'", id="H21-text"),
        pytest.param(b"1|9|unix|/s|grpc|", "9 is not one of those offered: 1, 2", id="H22"),
        pytest.param(b"1|x|unix|/s|grpc|", "app version 'x' is not a number", id="H22-text"),
        pytest.param(b"1|1|udp|127.0.0.1:9|grpc|", "network 'udp'", id="H23"),
        pytest.param(b"1|1|tcp|127.0.0.1:http|grpc|", "unknown port in tcp", id="H24-bad-port"),
    ],
)
async def test_a_line_that_will_not_do_is_refused_at_once(
    line: bytes, reason: str, tmp_path: Path
) -> None:
    assert reason in await refusal(writes(line + b"\n"), tmp_path)


async def test_an_endless_line_is_refused_and_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """H19."""
    caplog.set_level(logging.CRITICAL)  # what pytest keeps of the log is not what we keep
    command = writes(b"", then="; os.write(1, b'1|1|unix|/s|grpc||' + b'x' * 10_000_000)" + STAYS)
    tracemalloc.start()
    try:
        assert "longer than 65536 bytes: '1|1|unix|/s|grpc||xxx" in await refusal(command, tmp_path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ("; os._exit(0)", "exited with status 0"),
        ("; os._exit(1)", "exited with status 1"),
        ("; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
    ],
)
async def test_an_exit_before_the_line_is_told_with_the_last_words(
    then: str, reason: str, tmp_path: Path
) -> None:
    """H28."""
    pool = pool_of(writes(b"", then), os.environ, tmp_path)
    assert reason in await reason_of_failure(pool)
    death = pool.workers[0].death
    assert death is not None
    assert death.tail == ("a last word",)


async def test_a_line_that_ends_with_the_output_is_a_line(tmp_path: Path) -> None:
    """H16: read as one, and found to speak the wrong thing."""
    command = writes(b"1|1|unix|/s|netrpc", then="; os.close(1)" + STAYS)
    assert "unsupported plugin protocol 'netrpc'" in await refusal(command, tmp_path)


async def test_a_line_that_never_ends_is_waited_for_until_the_timeout(tmp_path: Path) -> None:
    """H17: all of it is there but the newline."""
    began = time.monotonic()
    reason = await refusal(writes(LINE), tmp_path, start_timeout_s=1.0)
    assert "no handshake line within 1 s (startTimeout)" in reason
    assert time.monotonic() - began >= 0.9


async def test_a_closed_stdout_without_a_line_is_an_end(tmp_path: Path) -> None:
    """H29."""
    command = writes(b"", then="; os.close(1)" + STAYS)
    assert "closed its stdout without a handshake line" in await refusal(command, tmp_path)


@pytest.mark.parametrize("line", [LINE, b"1|1|tcp|127.0.0.1:1|grpc"], ids=["unix", "tcp"])
async def test_an_address_where_nobody_is_is_named(line: bytes, tmp_path: Path) -> None:
    """H25."""
    line = line.replace(b"/s", b"/nonexistent/s")
    reason = await refusal(writes(line + b"\n"), tmp_path, start_timeout_s=1.0)
    assert "an answer to a health check took more than 1 s (startTimeout): UNAVAILABLE: " in reason
    assert ("No such file" if b"unix" in line else "Connection refused") in reason


async def test_a_stop_in_the_middle_of_a_start_leaves_no_process(tmp_path: Path) -> None:
    """H32."""
    before = open_fds()
    pool = pool_of(writes(b"1|1|"), os.environ, tmp_path)
    async with running(pool):
        await until(lambda: pool.workers[0].state is State.HANDSHAKING, "the spawn")
        pid = pool.workers[0].pid
        assert pid is not None
    assert dies_within(pid, 0.0)
    assert pool.workers[0].state is State.STOPPED
    assert open_fds() <= before + 1  # the way to the nursery, made by the first start


HAS_IPV6 = Path("/proc/net/if_inet6").exists() and socket.has_ipv6


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("serves", id="H10-five-fields"),
        pytest.param("drips", id="H15-byte-by-byte"),
        pytest.param("no-newline", id="H16-end-of-output"),
        pytest.param("localhost", id="H24-localhost"),
        pytest.param(
            "ipv6",
            id="H24-ipv6",
            marks=pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6"),
        ),
        pytest.param("hangs-up", id="H41-stdout-closed-later"),
    ],
)
async def test_a_worker_that_announces_itself_like_this_serves(mode: str, tmp_path: Path) -> None:
    """H36 H37: and without stdio and broker, which none of these has."""
    pool = pool_of((sys.executable, FAKE, mode), os.environ, tmp_path)
    async with running(pool):
        for sid in ("s1", "s2"):
            call = Call(sid, {"do": "echo", "sid": sid}, (Datum("text", b"hello", 0, 3),))
            assert (await pool.once(call)).outputs[0].data == b"hello"
        assert pool.workers[0].restarts == 0


async def test_a_start_slower_than_most_but_within_the_timeout_works(tmp_path: Path) -> None:
    """H31: the other side of it is H17."""
    script = f"sleep 1; exec {sys.executable} {FAKE} serves"
    pool = pool_of(("sh", "-c", script), os.environ, tmp_path, start_timeout_s=20.0)
    async with asyncio.timeout(20.0), running(pool):
        await until(lambda: pool.ready_workers, "a ready worker")
        assert pool.workers[0].time_to_ready_s is not None
        assert pool.workers[0].time_to_ready_s >= 1.0
