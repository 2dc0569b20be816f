"""Sessions for a long time: clients that come, leave, flood and dawdle, and workers that die.

`make soak` runs it for ten minutes, SECONDS=... for as many seconds; tests/drills/test_soak.py for
twenty. At the end nothing may be left: no licence taken, no session, no process.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import grpc
import psutil

from aiges.client import (
    AsyncClient,
    BusyError,
    ClientError,
    Description,
    WorkerDiedError,
    WrapperError,
)
from support.service import Service
from support.session_wrappers import CALLBACK
from support.waiting import until
from support.xsf_client import CALL, EXPECTED, call_json, request_bytes

LIMIT_S = 30.0
KILL_EVERY_S = 4.0
SCHEMES = ("http", "ws", "grpc")
TOLD = Description("streamed", inputs={"text": "text"}, outputs={"result": "text"})
EXPECTED_ERRORS = (BusyError, WorkerDiedError)
"""What clients may meet: there are fewer licences than they could use, and workers are killed."""

ONCE = """
    def wrapperOnceExec(self, params, req):
        return response(req.list[0].data + b"!", 3)

    def wrapperCreate("""

SECTIONS: dict[str, dict[str, object]] = {
    "pool": {"workers": 2, "concurrency": 4, "maxRestarts": 100_000, "backoffMax": 0.2},
    "fc": {"max": 48, "ttl": 6000, "roll": 200},
    "ws": {"readTimeout": 10, "sessionTimeout": 60},
}


@dataclass
class Soak:
    """A run: who is asked, and what has come of it.

    Attributes:
        service: Under test.
        until: When clients begin nothing new, by the monotonic clock.
        outcomes: How often what happened, by client and outcome.
        wrong: What must not happen.
    """

    service: Service
    until: float
    random: random.Random
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def client(self, scheme: str) -> AsyncClient:
        if scheme == "grpc":
            url = f"grpc://127.0.0.1:{self.service.grpc_port}"
            return AsyncClient(url, description=TOLD, timeout_s=LIMIT_S)
        return AsyncClient(f"{scheme}://127.0.0.1:{self.service.http_port}", timeout_s=LIMIT_S)

    async def repeat(
        self, name: str, scheme: str, act: Callable[["Soak", AsyncClient], Awaitable[str]]
    ) -> None:
        """Do something over and over, each time for one outcome."""
        async with self.client(scheme) as client:
            while time.monotonic() < self.until:
                try:
                    outcome = await act(self, client)
                except EXPECTED_ERRORS as error:
                    outcome = type(error).__name__
                    await asyncio.sleep(0.01)  # as a client that tries again would
                except ClientError as error:
                    outcome = type(error).__name__
                    self.wrong.append(f"{name} over {scheme}: {outcome}: {error}")
                self.outcomes[f"{name} {outcome}"] += 1

    def check(self, name: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{name}: {str(found)[:200]} instead of {str(expected)[:200]}")


async def call(soak: Soak, client: AsyncClient) -> str:
    """Make one call."""
    soak.check("call", (await client.once("hello")).text, "hello!")
    return "answered"


async def talk(soak: Soak, client: AsyncClient) -> str:
    """Send some packages and read all results, which come in order."""
    packages = [str(number) for number in range(soak.random.randint(1, 20))]
    found = [result.text async for result in client.stream(packages)]
    soak.check("talk", found, [f"{package}!" for package in packages])
    return "complete"


async def flood(soak: Soak, client: AsyncClient) -> str:
    """Read thousands of results as fast as they come."""
    count = soak.random.randint(1, 3000)
    found = [result.text async for result in client.stream(f"many {count}")]
    soak.check("flood", found, [*map(str, range(count)), "end"])
    return "complete"


async def dawdle(soak: Soak, client: AsyncClient) -> str:
    """Read a flood slowly, and leave in the middle of it."""
    number = 0
    async with aclosing(client.stream("many 100000")) as results:
        async for result in results:
            soak.check("dawdle", result.text, str(number))
            number += 1
            if number % 100 == 0:
                await asyncio.sleep(0.05)  # the slow reader
            if number > soak.random.randint(100, 1000):
                break
    return "left"


async def leave(soak: Soak, client: AsyncClient) -> str:
    """Leave a session at some point, the polite way."""
    async with client.session() as session:
        for number in range(soak.random.randint(0, 5)):
            await session.send(str(number))
            if soak.random.random() < 0.7:
                await session.receive()
    return "left"


async def fail(soak: Soak, client: AsyncClient) -> str:
    """Have the wrapper refuse."""
    try:
        async for _ in client.stream(["a", soak.random.choice(["code 7", "raise x"]), "b"]):
            pass
    except WrapperError:
        return "told why"
    raise AssertionError("it did not fail")


async def vanish(soak: Soak, client: AsyncClient) -> str:
    """Break the connection of a session without a word."""
    del client
    reader, writer = await asyncio.open_connection("127.0.0.1", soak.service.http_port)
    try:
        writer.write(
            b"GET /v1/private/streamed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with asyncio.timeout(LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            return head.split(b"\r\n")[0].decode()
        writer.write(masked(b'{"payload":{"text":{"text":"bWFueSAxMDAwMDA=","status":1}}}'))
        if soak.random.random() < 0.5:
            async with asyncio.timeout(LIMIT_S):
                await reader.read(1000)
    finally:
        writer.transport.abort()
    return "gone"


def masked(data: bytes) -> bytes:
    """Make a text message of fewer than 126 bytes as clients send it, with a mask of zeros."""
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


async def forget(soak: Soak, client: AsyncClient) -> str:
    """Open a session over gRPC and never come back to it: it expires."""
    del client
    data = {"headers": {"sid": "forgotten"}, "expect": [EXPECTED], "state": "STREAM"}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{soak.service.grpc_port}") as channel:
        send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CALL)
        request = request_bytes(call_json("AIIn", data=data, SeqNo="1"))
        await send(request, timeout=LIMIT_S)
    await asyncio.sleep(1.0)  # each holds a licence for six seconds
    return "forgotten"


async def kill_workers(soak: Soak) -> None:
    """Kill one worker after the other."""
    while time.monotonic() < soak.until - 1.0:
        await asyncio.sleep(min(KILL_EVERY_S, max(0.0, soak.until - 1.0 - time.monotonic())))
        status = await asyncio.to_thread(soak.service.admin, "GET", "/status")
        workers = [w["pid"] for w in status.json["workers"] if w["state"] == "ready"]
        if workers:
            os.kill(soak.random.choice(workers), signal.SIGKILL)
            soak.outcomes["worker killed"] += 1


CLIENTS: tuple[tuple[str, tuple[str, ...], Callable[[Soak, AsyncClient], Awaitable[str]]], ...] = (
    ("call", SCHEMES, call),
    ("talk", SCHEMES, talk),
    ("flood", SCHEMES, flood),
    ("dawdle", SCHEMES, dawdle),
    ("leave", ("ws", "grpc"), leave),
    ("fail", ("ws", "grpc"), fail),
    ("vanish", ("ws",), vanish),
    ("forget", ("grpc",), forget),
)


@dataclass(frozen=True)
class Report:
    """What came of a run; nothing is wrong, and nothing is left, if the service keeps its promise.

    Attributes:
        outcomes: How often what happened.
        wrong: What must not have happened, and what was left.
        memory: Resident memory of the supervisor, MiB: at the start, at half time, at the end.
    """

    outcomes: Counter[str]
    wrong: list[str]
    memory: tuple[float, float, float]

    def __str__(self) -> str:
        lines = [f"{count:>8}  {what}" for what, count in sorted(self.outcomes.items())]
        start, half, end = self.memory
        lines.append(
            f"supervisor: {start:.1f} MiB at first, {half:.1f} half way, {end:.1f} at last"
        )
        lines += [f"WRONG: {problem}" for problem in self.wrong] or ["nothing wrong, nothing left"]
        return "\n".join(lines)


def soak(seconds: float, seed: int = 1) -> Report:
    """Run it for so long."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        (folder / "wrapper.py").write_text(CALLBACK.replace("    def wrapperCreate(", ONCE))
        with Service(folder, **SECTIONS).ready() as service:
            service.wait_for("worker ready worker=1")
            service.wait_for("worker ready worker=2")
            report = asyncio.run(_soak(service, seconds, seed))
            processes = service.workers()
            if (status := service.stop()) != 0:
                report.wrong.append(f"the service ended with status {status}")
            report.wrong.extend(f"process {pid} is left" for pid in filter(alive, processes))
        for number, line in enumerate(service.log):
            if line.startswith("Traceback"):  # of the supervisor; a worker's are set in
                report.wrong.append("\n".join(service.log[number - 1 : number + 40]))
    return report


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def _soak(service: Service, seconds: float, seed: int) -> Report:
    run = Soak(service, time.monotonic() + seconds, random.Random(seed))
    supervisor = psutil.Process(service.process.pid)

    def memory() -> float:
        return float(supervisor.memory_info().rss) / (1 << 20)

    start = memory()
    async with asyncio.TaskGroup() as tasks:
        for name, schemes, act in CLIENTS:
            for scheme in schemes:
                tasks.create_task(run.repeat(name, scheme, act), name=f"{name} over {scheme}")
        tasks.create_task(kill_workers(run), name="kill")
        await asyncio.sleep(seconds / 2)
        half = memory()
    try:
        await until(lambda: left(service) == (0, 0), "no licence and no session left")
    except AssertionError as error:
        run.wrong.append(f"{error}: licences, sessions: {left(service)}")
    client = run.client("http")
    async with client:
        run.check("afterwards", (await client.once("hello")).text, "hello!")
    return Report(run.outcomes, run.wrong, (start, half, memory()))


def left(service: Service) -> tuple[int, int]:
    """Return how many licences are taken, and how many sessions there are."""
    status = service.admin("GET", "/status").json
    return status["licences"]["taken"], sum(worker["sessions"] for worker in status["workers"])


def main() -> int:
    """Run for the seconds that the command line gives."""
    report = soak(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0)
    print(report)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
