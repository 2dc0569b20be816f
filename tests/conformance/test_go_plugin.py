"""The supervisor's pool with workers made with the real go-plugin. H numbers: docs/go-plugin.md."""

import asyncio
import logging
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aiges_loader.calls import Call, Datum
from aiges_loader.errors import BodyTooLargeError, WorkerDiedError
from aiges_loader.pool.pool import Pool
from support.go_programs import GoPrograms
from support.pools import pool_of, reason_of_failure, running
from support.service import SOURCES, Service, once_body
from support.waiting import dies_within, open_fds, until


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="go-") as folder:
        yield Path(folder)


def make(
    go: GoPrograms,
    folder: Path,
    *,
    awful: str = "",
    mtls: bool = False,
    start_timeout_s: float = 20.0,
    **env: str,
) -> Pool:
    environ = go.environment(**{"AWFUL": awful, "TMPDIR": str(folder), **env})
    command = (str(go.plugin),)
    return pool_of(command, environ, folder, auto_mtls=mtls, start_timeout_s=start_timeout_s)


def call(data: bytes = b"hello", sid: str = "s1") -> Call:
    return Call(sid, {"sid": sid}, (Datum("text", data, 0, 3),))


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def echoed(pool: Pool, data: bytes = b"hello", sid: str = "s1") -> bytes:
    return (await pool.once(call(data, sid))).outputs[0].data


async def test_a_go_plugin_serves_and_leaves_when_asked(
    go: GoPrograms, sockets: Path, mtls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """H1 H2 H9 H33 H37 H42 H52 H53."""
    caplog.set_level(logging.INFO)
    async with running(make(go, sockets, mtls=mtls)) as pool:
        assert await echoed(pool) == b"hello"
        assert await pool.described == '{"meta": {"serviceId": "go"}}'
        answers = await asyncio.gather(*(echoed(pool, b"%d" % n, f"c{n}") for n in range(4)))
        assert answers == [b"0", b"1", b"2", b"3"]
    assert "worker stopped worker=1 exited with status 0" in caplog.text
    assert left_in(sockets) == []


async def test_variables_of_an_outer_host_do_not_reach_the_plugin(
    go: GoPrograms, sockets: Path
) -> None:
    """H3 H5: with a certificate that nobody holds the key of, it would serve nobody."""
    async with running(make(go, sockets, PLUGIN_CLIENT_CERT="stale")) as pool:
        assert await echoed(pool) == b"hello"


async def test_a_proxy_is_not_asked(
    go: GoPrograms, sockets: Path, mtls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H38."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, proxy)
        async with running(make(go, sockets, mtls=mtls)) as pool:
            assert await echoed(pool) == b"hello"


async def test_a_message_over_the_plugins_own_limit_is_refused_alone(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H39: grpc-go takes 4 MiB."""
    async with running(make(go, sockets, mtls=mtls)) as pool:
        assert await echoed(pool, b"x" * (3 << 20)) == b"x" * (3 << 20)
        with pytest.raises(BodyTooLargeError):
            await echoed(pool, b"x" * (5 << 20), "s2")
        assert await echoed(pool, sid="s3") == b"hello"
        assert pool.workers[0].restarts == 0


async def test_a_message_of_20_mib_passes_where_the_plugin_takes_it(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H39."""
    data = b"x" * (20 << 20)
    async with running(make(go, sockets, awful="takes-much", mtls=mtls)) as pool:
        assert await echoed(pool, data) == data


async def test_output_on_every_channel_is_drained(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H35 H40: 10 MiB on each of the stream's two channels and on the pipe of the handshake."""
    async with running(make(go, sockets, awful="prints-much", mtls=mtls)) as pool:
        assert await echoed(pool) == b"hello"


async def test_a_flood_before_the_handshake_does_not_block(go: GoPrograms, sockets: Path) -> None:
    """H30: 4 MB of stderr."""
    async with running(make(go, sockets, awful="floods-stderr")) as pool:
        assert await echoed(pool) == b"hello"


async def test_a_panic_fails_its_call_and_the_plugin_is_started_again(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H60 H61."""
    async with running(make(go, sockets, awful="panics", mtls=mtls)) as pool:
        await until(lambda: pool.ready_workers, "a ready worker")
        began = time.monotonic()
        with pytest.raises(WorkerDiedError, match="exited with status 2"):
            await pool.once(call())
        assert time.monotonic() - began < 1.0
        await until(lambda: pool.workers[0].death, "the report")
        death = pool.workers[0].death
        assert death is not None
        assert any("panic: awful on request" in line for line in death.tail)
        await until(lambda: pool.ready_workers, "its replacement")


async def test_a_killed_plugin_fails_its_call_at_once(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H60 H61."""
    async with running(make(go, sockets, awful="never-answers", mtls=mtls)) as pool:
        await until(lambda: pool.ready_workers, "a ready worker")
        waiting = asyncio.create_task(pool.once(call()))
        await until(lambda: pool.workers[0].running, "the call to begin")
        pid = pool.workers[0].pid
        assert pid is not None
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="killed by SIGKILL"):
            await waiting
        assert time.monotonic() - began < 1.0


async def test_a_stopped_plugin_cannot_hold_up_the_stop(go: GoPrograms, sockets: Path) -> None:
    """H55: Shutdown is never answered; SIGTERM ends it."""
    async with running(make(go, sockets, awful="mutes-shutdown")) as pool:
        await until(lambda: pool.ready_workers, "a ready worker")
        pid = pool.workers[0].pid
        began = time.monotonic()
        pool.stop()
    assert time.monotonic() - began < 9.0
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("awful", "reason"),
    [
        ("prints-noise", "no handshake: expected at least 4 fields, got 'Loading the model...'"),
        ("exits-early", "exited with status 3"),
    ],
)
async def test_a_plugin_that_does_not_start_says_why_at_once(
    awful: str, reason: str, go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H18 H28."""
    began = time.monotonic()
    pool = make(go, sockets, awful=awful, mtls=mtls)
    assert reason in await reason_of_failure(pool)
    assert time.monotonic() - began < 5.0
    if awful == "exits-early":
        death = pool.workers[0].death
        assert death is not None
        assert death.tail == ("no licence for this machine",)


async def test_a_plugin_that_never_starts_is_given_up(go: GoPrograms, sockets: Path) -> None:
    """H17 H31."""
    pool = make(go, sockets, awful="never-starts", start_timeout_s=0.3)
    assert "no handshake line within 0.3 s (startTimeout)" in await reason_of_failure(pool)


async def test_starts_and_stops_leave_nothing_open(
    go: GoPrograms, sockets: Path, mtls: bool
) -> None:
    """H64."""

    async def once_around() -> None:
        async with running(make(go, sockets, mtls=mtls)) as pool:
            assert await echoed(pool) == b"hello"

    await once_around()  # what is opened once stays open
    before = open_fds()
    for _ in range(5):
        await once_around()
    assert open_fds() <= before
    assert left_in(sockets) == []


async def test_a_killed_plugin_leaves_no_socket(
    go: GoPrograms, sockets: Path, mtls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """H67: go-plugin 1.4.5 puts it into TMPDIR whatever the host says."""
    caplog.set_level(logging.DEBUG)
    temporary, told = sockets / "tmp", sockets / "told"
    for folder in (temporary, told):
        folder.mkdir()
    async with running(make(go, told, mtls=mtls, TMPDIR=str(temporary))) as pool:
        for restarts in range(1, 3):
            assert await echoed(pool, sid=f"s{restarts}") == b"hello"
            socket_path = Path(pool.workers[0].address.removeprefix("unix:"))
            folder = temporary if go.release == "go-plugin-1.4.5" else told
            assert socket_path in left_in(folder)
            pid = pool.workers[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda n=restarts: pool.workers[0].restarts == n, "the restart")
            assert socket_path not in left_in(folder)
            assert f"removed what a dead worker left socket={socket_path}" in caplog.text
            await until(lambda: pool.ready_workers, "its replacement")
    assert left_in(temporary) == []
    assert left_in(told) == []


async def test_twenty_plugins_start_at_once(go: GoPrograms, sockets: Path, mtls: bool) -> None:
    """H65."""
    pool = make(go, sockets, mtls=mtls)
    pool = Pool(replace(pool.plan, size=20, licences=40))
    async with running(pool):
        await until(lambda: pool.ready_workers == 20, "twenty ready workers")
        answers = await asyncio.gather(*(echoed(pool, b"%d" % n, f"c{n}") for n in range(40)))
        assert answers == [b"%d" % n for n in range(40)]
        assert [worker.restarts for worker in pool.workers] == [0] * 20
    assert left_in(sockets) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_go_plugin_does_not_outlive_the_supervisor(
    number: signal.Signals, go: GoPrograms, tmp_path: Path
) -> None:
    """H62 H63: a plugin made with go-plugin does not notice by itself."""
    with Service(
        tmp_path,
        env=go.environment(PYTHONPATH=SOURCES),
        aiges={"pythonPluginCmd": f"exec {go.plugin}"},
    ) as service:
        service.ready()
        plugin = service.worker_pid()
        assert Path(f"/proc/{plugin}/exe").readlink() == go.plugin
        assert service.stop(number) == (-number if number == signal.SIGKILL else 0)
        assert dies_within(plugin, 3.0)


def test_the_whole_service_runs_with_a_go_plugin_behind_tls(
    go: GoPrograms, tmp_path: Path, mtls: bool
) -> None:
    """The same, as an operator starts it: by bash, from aiges.toml."""
    with Service(
        tmp_path,
        env=go.environment(PYTHONPATH=SOURCES),
        aiges={"pythonPluginCmd": str(go.plugin)},
        pool={"autoMtls": mtls},
    ) as service:
        service.ready()
        body = once_body(b"hello").replace(b'"result"', b'"text"')
        answer = service.ask("POST", "/v1/svcName", body)
        assert (answer.status, answer.text("text")) == (200, "hello")
        assert service.stop() == 0
