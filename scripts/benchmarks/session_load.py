"""Load on sessions: a service of its own, many sessions, one flood, many that are idle.

The client is aiges.client, in this process, so it takes its share of the same processors.
"""

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import click
import psutil

from aiges.client import AsyncClient, Description, Input, Result
from aiges_wire.codes import DataStatus
from benchmarks.contenders import SERVICES, toml
from benchmarks.environments import clean_environ
from benchmarks.figures import percentile
from benchmarks.server import MIB, Launch, Server, free_port

KIB: Final = 1 << 10
LIMIT_S: Final = 120.0
REST_S: Final = 1.0
"""Between opening idle sessions and measuring: what was allocated for opening is let go."""

OPENED_AT_ONCE: Final = 50
"""So many idle sessions are opened side by side."""

TOLD: Final = Description("svcName", inputs={"text": "text"}, outputs={"result": "text"})


@dataclass(frozen=True)
class Load:
    """What is asked for.

    Attributes:
        transport: "ws", "http" (server-sent events for single packages) or "grpc".
        sessions: How many are run, one after the other on each place.
        at_once: How many places there are.
        inputs: Packages of each session; each is answered by one result.
        pace_s: Between two packages of a session.
        flood: Results of the one session that sends as fast as it can.
        idle: Sessions that have had one result and wait.
    """

    transport: str = "ws"
    sessions: int = 500
    at_once: int = 50
    inputs: int = 10
    pace_s: float = 0.0
    flood: int = 20_000
    idle: int = 1000


@dataclass(slots=True)
class Tally:
    """What a client has seen.

    Attributes:
        results: How many have come.
        lost: Results that never came.
        reordered: Results that came before one that was sent earlier.
        failed: Sessions that ended with an error, by its class.
        first_ms: From the worker's sending to the client's having it, for the first result of each
            session.
        later_ms: The same for the others.
    """

    results: int = 0
    lost: int = 0
    reordered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    first_ms: list[float] = field(default_factory=list)
    later_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MiB."""

    supervisor: float
    worker: float


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured; times in milliseconds, memory in MiB where nothing else is said."""

    load: Load
    sessions_per_s: float
    results_per_s: float
    first_p50_ms: float
    first_p99_ms: float
    lost: int
    reordered: int
    failed: dict[str, int]
    flood_results_per_s: float
    flood_first_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    memory_before: Memory
    memory_idle: Memory
    memory_after: Memory
    supervisor_kib_per_idle_session: float
    worker_kib_per_idle_session: float


@click.command()
@click.option("--transport", type=click.Choice(["ws", "http", "grpc"]), default="ws")
@click.option("--sessions", type=click.IntRange(1), default=Load.sessions, show_default=True)
@click.option("--at-once", type=click.IntRange(1), default=Load.at_once, show_default=True)
@click.option("--inputs", type=click.IntRange(1), default=Load.inputs, show_default=True)
@click.option("--pace", type=click.FloatRange(0), default=0.0, help="Seconds between inputs.")
@click.option("--flood", type=click.IntRange(2), default=Load.flood, show_default=True)
@click.option("--idle", type=click.IntRange(1), default=Load.idle, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(  # noqa: PLR0913, PLR0917 - as many options
    transport: str,
    sessions: int,
    at_once: int,
    inputs: int,
    pace: float,
    flood: int,
    idle: int,
    as_json: bool,
) -> None:
    """Serve sessions, put load on them, and print the figures."""
    found = measure(Load(transport, sessions, at_once, inputs, pace, flood, idle))
    click.echo(json.dumps(asdict(found), indent=2) if as_json else table(found))
    if found.lost or found.reordered or found.failed:
        sys.exit(1)


def main() -> None:
    """Run the command line."""
    command()


def measure(load: Load) -> Found:
    """Start a service, run the load, stop it."""
    with tempfile.TemporaryDirectory(prefix="session-load-") as name:
        grpc_port, admin_port = free_port(), free_port()
        launch = _launch(load, Path(name), grpc_port, admin_port)
        body = json.dumps(
            {
                "parameter": {"s": {"result": {"data_type": "text"}}},
                "payload": {"text": {"text": ""}},
            }
        ).encode()
        with Server(launch, body, _fault_of, Path(name) / "log.txt") as server:
            server.rest()
            port = grpc_port if load.transport == "grpc" else launch.port
            pids = _pids(admin_port)
            return asyncio.run(_measure(load, f"{load.transport}://127.0.0.1:{port}", pids))


def table(found: Found) -> str:
    """Write the figures for people."""
    load = found.load
    lines = [
        f"{load.sessions} sessions, {load.at_once} at once, {load.inputs} inputs each,"
        f" over {load.transport}:",
        f"  {found.sessions_per_s:.0f} sessions/s, {found.results_per_s:.0f} results/s",
        f"  first result after its sending: p50 {found.first_p50_ms:.2f} ms,"
        f" p99 {found.first_p99_ms:.2f} ms",
        f"  lost {found.lost}, reordered {found.reordered}, failed {found.failed or 0}",
        f"one session, {load.flood} results:",
        f"  {found.flood_results_per_s:.0f} results/s, the first after"
        f" {found.flood_first_ms:.2f} ms, all: p50 {found.flood_p50_ms:.2f} ms,"
        f" p99 {found.flood_p99_ms:.2f} ms",
        f"memory, MiB (supervisor, worker): before {_pair(found.memory_before)},"
        f" with {load.idle} idle sessions {_pair(found.memory_idle)},"
        f" after {_pair(found.memory_after)}",
        f"  {found.supervisor_kib_per_idle_session:.1f} KiB in the supervisor and"
        f" {found.worker_kib_per_idle_session:.1f} KiB in the worker per idle session",
    ]
    return "\n".join(lines)


def _pair(memory: Memory) -> str:
    return f"{memory.supervisor:.1f}, {memory.worker:.1f}"


async def _measure(load: Load, url: str, pids: Sequence[int]) -> Found:
    description = TOLD if load.transport == "grpc" else None
    async with AsyncClient(url, description=description, timeout_s=LIMIT_S) as client:
        before = _memory(pids)
        idle = await _idle(client, load.idle, pids)
        flood = Tally()
        began = time.perf_counter()
        await read(client.stream(text=f"many {load.flood}"), load.flood, flood)
        flood_s = time.perf_counter() - began
        tally = Tally()
        began = time.perf_counter()
        await _many(client, load, tally)
        took_s = time.perf_counter() - began
        after = _memory(pids)
    done = load.sessions - sum(tally.failed.values())
    every = [*flood.first_ms, *flood.later_ms]
    return Found(
        load=load,
        sessions_per_s=done / took_s,
        results_per_s=tally.results / took_s,
        first_p50_ms=percentile(tally.first_ms, 50),
        first_p99_ms=percentile(tally.first_ms, 99),
        lost=tally.lost + flood.lost,
        reordered=tally.reordered + flood.reordered,
        failed=tally.failed,
        flood_results_per_s=flood.results / flood_s,
        flood_first_ms=flood.first_ms[0],
        flood_p50_ms=percentile(every, 50),
        flood_p99_ms=percentile(every, 99),
        memory_before=before,
        memory_idle=idle,
        memory_after=after,
        supervisor_kib_per_idle_session=KIB * (idle.supervisor - before.supervisor) / load.idle,
        worker_kib_per_idle_session=KIB * (idle.worker - before.worker) / load.idle,
    )


async def _many(client: AsyncClient, load: Load, tally: Tally) -> None:
    numbers = iter(range(load.sessions))

    async def place() -> None:
        for _ in numbers:
            try:
                await read(client.stream(_packages(load)), load.inputs, tally)
            except Exception as error:
                name = type(error).__name__
                tally.failed[name] = tally.failed.get(name, 0) + 1

    async with asyncio.TaskGroup() as places:
        for _ in range(min(load.at_once, load.sessions)):
            places.create_task(place())


def _packages(load: Load) -> list[str] | AsyncIterator[str | Input]:
    packages = [f"one {number}" for number in range(load.inputs)]
    return _paced(packages, load.pace_s) if load.pace_s else packages


async def _paced(packages: Sequence[str], pace_s: float) -> AsyncIterator[str | Input]:
    for package in packages[:-1]:
        yield package
        await asyncio.sleep(pace_s)
    yield Input(packages[-1], status=DataStatus.END)


async def read(results: AsyncIterator[Result], count: int, tally: Tally) -> None:
    """Read a session's results, and compare them with what was sent."""
    seen: set[int] = set()
    highest = -1
    async for result in results:
        now_ns = time.monotonic_ns()
        number, sent_ns = map(int, result.data.split())
        times = tally.later_ms if seen else tally.first_ms
        times.append((now_ns - sent_ns) / 1e6)
        tally.results += 1
        tally.reordered += number < highest
        highest = max(highest, number)
        seen.add(number)
    tally.lost += count - len(seen & set(range(count)))


async def _idle(client: AsyncClient, count: int, pids: Sequence[int]) -> Memory:
    """Measure with so many sessions that have had a result and wait."""
    async with AsyncExitStack() as stack:
        opening = asyncio.Semaphore(OPENED_AT_ONCE)

        async def open_one() -> None:
            async with opening:
                session = await stack.enter_async_context(client.session())
                await session.send(text="one 0")
                await session.receive()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(open_one())
        await asyncio.sleep(REST_S)
        return _memory(pids)


def _memory(pids: Sequence[int]) -> Memory:
    supervisor, worker = (psutil.Process(pid).memory_info().rss / MIB for pid in pids)
    return Memory(supervisor, worker)


def _pids(admin_port: int) -> tuple[int, int]:
    """Ask the service which processes it consists of."""
    url = f"http://127.0.0.1:{admin_port}/status"
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        status = json.load(answer)
    return int(status["pid"]), int(status["workers"][0]["pid"])


def _fault_of(status: int, answer: bytes) -> str | None:
    del status
    code = json.loads(answer)["header"]["code"]
    return f"code {code}" if code else None


def _launch(load: Load, folder: Path, grpc_port: int, admin_port: int) -> Launch:
    port = free_port()
    most = 2 * max(load.idle, load.at_once) + 1
    sections: dict[str, dict[str, object]] = {
        "svcName": {"host": "127.0.0.1", "port": grpc_port},
        "aiges": {"pythonPluginCmd": f"{sys.executable} -m aiges.serve"},
        "wrapper": {"http_listen": f"127.0.0.1:{port}"},
        "log": {"level": "none", "file": str(folder / "aiges.log")},
        "fc": {"able": 1, "router": "sessionManager", "max": most, "ttl": 600_000},
        "ws": {"readTimeout": 600, "sessionTimeout": 3600},
        "admin": {"listen": f"127.0.0.1:{admin_port}"},
    }
    config = folder / "aiges.toml"
    config.write_text(toml(sections), "utf-8")
    command = (sys.executable, "-m", "aiges_loader", "-m", "0", "-c", config, "-s", "svcName")
    return Launch(command, SERVICES / "streaming", clean_environ(), port)
