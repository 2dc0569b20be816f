"""Measure the shapes that the native data channel could have; docs/data-channel.md has the result.

`channel_shapes.py calls` compares lanes, as built, with one connection for all calls of a worker.
`channel_shapes.py payloads` compares ways to bring a large input to a worker. Both interleave what
they compare, round by round, and print Markdown; `--json FILE` keeps every figure.
"""

import argparse
import asyncio
import json
import mmap
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

from aiges._runtime import lanes as worker_lanes
from aiges._runtime.replies import Answer, Input, Output
from aiges_loader.calls import Call, Datum, Reply
from aiges_loader.pool.lane import Lane, connect
from aiges_loader.pool.lane_calls import LaneCalls
from aiges_loader.pool.pending import into
from aiges_wire import frames

SHAPES: Final = ("lanes", "one")
SECONDS: Final = 1.0
ROUNDS: Final = 3
LIMIT_S: Final = 30.0


def burn(seconds: float) -> None:
    """Compute in Python until so much CPU time of this thread is spent."""
    until = time.thread_time() + seconds
    number = 1
    while time.thread_time() < until:
        for _ in range(200):
            number = number * 6364136223846793005 % 18446744073709551557


WORKS: Final[Mapping[str, Callable[[], None]]] = {
    "echo": lambda: None,
    "1 ms of Python": lambda: burn(0.001),
    "10 ms of Python": lambda: burn(0.010),
    "10 ms of sleep": lambda: time.sleep(0.010),
}


class Host:
    """Stands for user code."""

    def __init__(self, work: str) -> None:
        self._work = WORKS[work]

    def run_once(self, tag: str, params: dict[str, str], items: list[Input]) -> Answer:
        """Run one call."""
        self._work()
        return Answer([Output("result", items[0].data, 0, 3, {})])


def serve(shape: str, folder: Path, concurrency: int, work: str) -> None:
    """Be the worker, until stdin ends."""
    host: Any = Host(work)
    if shape == "lanes":
        lanes = worker_lanes.Lanes(host, folder, concurrency)
        lanes.start()
        print(lanes.path, flush=True)
    else:
        path = folder / "one.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        threading.Thread(target=serve_one, args=(listener, host, concurrency), daemon=True).start()
        print(path, flush=True)
    sys.stdin.read()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, flush=True)
    os._exit(0)


def serve_one(listener: socket.socket, host: Host, concurrency: int) -> None:
    """Read calls from one connection, run them in threads, write answers as they come."""
    lane = worker_lanes._Lane(listener.accept()[0])

    def run(call: worker_lanes._LaneCall) -> None:
        call.answer(host.run_once(call.tag, call.params, call.inputs))

    with ThreadPoolExecutor(concurrency) as threads:
        while calls := lane.receive():
            for call in calls:
                threads.submit(run, call)


@contextmanager
def worker(shape: str, concurrency: int, work: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """Run a worker; yield its path, and what ends it and returns the CPU seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="shape-") as folder:
        command = [sys.executable, __file__, "serve", shape, folder, str(concurrency), work]
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            path = process.stdout.readline().strip()

            def end() -> float:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.close()
                return float(process.stdout.readline())

            yield path, end
        finally:
            process.kill()
            process.wait(LIMIT_S)
            process.stdout.close()


class OneConnection:
    """All calls of a worker over one connection, answers in any order."""

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._lane = Lane(connect(path), self._came, lambda reason: print(reason, file=sys.stderr))

    async def once(self, call: Call) -> None:
        """Run one call."""
        self._number += 1
        answer = self._waiting[self._number] = self._loop.create_future()
        items = [(d.key, len(d.data), d.type, d.status, d.desc) for d in call.inputs]
        head = frames.call(self._number, call.sid, call.params, items, dumps=orjson.dumps)
        buffers = [head, *(datum.data for datum in call.inputs)]
        if len(self._waiting) > 1:
            self._lane.send_soon(buffers)
        else:
            self._lane.send(buffers)
        await answer

    def _came(self, header: frames.Header, meta: frames.Buffer, data: frames.Buffer) -> None:
        frames.read_answer(header, meta, loads=orjson.loads)
        self._waiting.pop(header.call).set_result(None)

    def close(self) -> None:
        """Hang up."""
        self._lane.close()


class Lanes:
    """Lanes as built, with as many calls as the pool would give them."""

    def __init__(self, path: str, concurrency: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls = LaneCalls(path, concurrency)
        self._concurrency = concurrency
        self._running = 0
        self._waiting: deque[tuple[Call, asyncio.Future[Reply]]] = deque()

    async def once(self, call: Call) -> None:
        """Run one call."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((call, answer))
        self._seat()
        await answer

    def _seat(self) -> None:
        while self._waiting and self._running < self._concurrency + self._calls.ahead:
            call, answer = self._waiting.popleft()
            self._running += 1
            self._calls.begin(call, into(answer), self._done)

    def _done(self) -> None:
        self._running -= 1
        self._seat()

    def close(self) -> None:
        """Hang up."""
        self._calls.close()


def measure(shape: str, concurrency: int, in_flight: int, work: str) -> dict[str, float]:
    """Return calls/s, median and 99th percentile in ms, CPU seconds per 1000 calls of both ends."""
    with worker(shape, concurrency, work) as (path, end):

        async def drive() -> tuple[list[float], float, float]:
            client = OneConnection(path) if shape == "one" else Lanes(path, concurrency)
            took: list[float] = []
            until = time.monotonic() + SECONDS

            async def call_on(number: int) -> None:
                inputs = (Datum("text", b"hello", 2, 3),)
                while time.monotonic() < until:
                    began = time.monotonic()
                    call = Call(f"s{number}-{len(took)}", {"sid": "s"}, inputs)
                    await client.once(call)
                    took.append(time.monotonic() - began)

            cpu, began = time.process_time(), time.monotonic()
            await asyncio.gather(*(call_on(number) for number in range(in_flight)))
            spent = time.monotonic() - began
            client.close()
            return took, time.process_time() - cpu, spent

        took, cpu_s, spent_s = uvloop.run(drive())
        cpu_s += end()
    took.sort()
    return {
        "calls/s": len(took) / spent_s,
        "p50 ms": 1000 * took[len(took) // 2],
        "p99 ms": 1000 * took[int(len(took) * 0.99)],
        "CPU s/1000": 1000 * cpu_s / len(took),
    }


def compare_calls() -> list[dict[str, Any]]:
    """Measure both shapes in every situation."""
    rows = []
    for work in WORKS:
        for concurrency in (1, 4):
            for in_flight in (1, 8, 32):
                if in_flight < concurrency:
                    continue
                rounds = [
                    {shape: measure(shape, concurrency, in_flight, work) for shape in SHAPES}
                    for _ in range(ROUNDS)
                ]
                print(f"{work}, {concurrency} threads, {in_flight} calls", file=sys.stderr)
                rows.append(
                    {"work": work, "threads": concurrency, "calls": in_flight, "rounds": rounds}
                )
    return rows


def calls_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write what `compare_calls` found as Markdown."""
    names = ("calls/s", "p50 ms", "CPU s/1000")
    head = ["work", "threads", "calls under way", *names]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row["work"], str(row["threads"]), str(row["calls"])]
        for name in names:
            lanes, one = (
                statistics.median(found[shape][name] for found in row["rounds"]) for shape in SHAPES
            )
            ratios = sorted(found["lanes"][name] / found["one"][name] for found in row["rounds"])
            cells.append(
                f"{lanes:.3g} / {one:.3g} = {statistics.median(ratios):.2f}"
                f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Payloads: the same process tree, one call after the other, each answered by one byte.

SIZES: Final = {"64 KB": 64 << 10, "1 MB": 1 << 20, "10 MB": 10 << 20, "100 MB": 100 << 20}
WAYS: Final = ("socket", "memfd, mapped", "memfd, as bytes", "shared memory, as bytes")


def receive(way: str, peer: socket.socket, size: int, count: int, shared: str) -> None:
    """Take `count` payloads, look at one byte of each page's worth, answer each."""
    segment = shared_memory.SharedMemory(shared) if way.startswith("shared") else None
    for _ in range(count):
        if way == "socket":
            data: Any = peer.recv(size, socket.MSG_WAITALL)
        elif segment is not None:
            peer.recv(1)
            assert segment.buf is not None
            data = bytes(segment.buf[:size])
        else:
            _, (fd,), _, _ = socket.recv_fds(peer, 1, 1)
            mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ)
            os.close(fd)
            data = bytes(mapped) if way.endswith("bytes") else mapped
        sum(data[::4096])  # what a wrapper does at least: it reads it
        peer.send(b"k")
    if segment is not None:
        segment.close()


def send(
    way: str, peer: socket.socket, payload: bytes, segment: shared_memory.SharedMemory | None
) -> None:
    """Bring one payload to the other side, and wait for its answer."""
    if way == "socket":
        peer.sendall(payload)
    elif segment is not None:
        assert segment.buf is not None
        segment.buf[: len(payload)] = payload
        peer.send(b"s")
    else:
        fd = os.memfd_create("payload", os.MFD_CLOEXEC)
        with open(fd, "wb", buffering=0) as file:
            file.write(payload)
            socket.send_fds(peer, [b"f"], [file.fileno()])
    if peer.recv(1) != b"k":
        raise ConnectionError("the other side has gone")


def measure_payload(way: str, size: int) -> float:
    """Return milliseconds per payload."""
    count = max(3, min(200, (200 << 20) // size))
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    segment = None
    if way.startswith("shared"):
        segment = shared_memory.SharedMemory(create=True, size=size)
    child = os.fork()
    if child == 0:
        receive(way, theirs, size, count + 1, segment.name if segment else "")
        os._exit(0)
    payload = os.urandom(1 << 16) * (size >> 16)
    try:
        send(way, ours, payload, segment)  # the first touches pages for the first time
        began = time.perf_counter()
        for _ in range(count):
            send(way, ours, payload, segment)
        return 1000 * (time.perf_counter() - began) / count
    finally:
        os.waitpid(child, 0)
        ours.close()
        theirs.close()
        if segment is not None:
            segment.close()
            segment.unlink()


def compare_payloads() -> list[dict[str, Any]]:
    """Measure every way for every size."""
    return [
        {
            "size": name,
            "rounds": [{way: measure_payload(way, size) for way in WAYS} for _ in range(5)],
        }
        for name, size in SIZES.items()
    ]


def payloads_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write what `compare_payloads` found as Markdown."""
    lines = [["size", *(f"{way}, ms" for way in WAYS)], ["---"] * (len(WAYS) + 1)]
    for row in rows:
        cells = []
        for way in WAYS:
            value = statistics.median(found[way] for found in row["rounds"])
            ratio = statistics.median(found[way] / found["socket"] for found in row["rounds"])
            cells.append(f"{value:.3g}" + ("" if way == "socket" else f" ({ratio:.2f}x)"))
        lines.append([row["size"], *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["calls", "payloads"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    rows = compare_calls() if asked.what == "calls" else compare_payloads()
    print(calls_table(rows) if asked.what == "calls" else payloads_table(rows))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
