"""How long servers take to start and stop, and what they use when nobody asks anything."""

import http.client
import select
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.cases import CASES, Case
from benchmarks.contenders import Contender
from benchmarks.environments import Environment
from benchmarks.server import ANSWER_LIMIT_S, ROUTE, Server

ECHO: Final = next(case for case in CASES if case.name == "small-1")
MANY_WORKERS: Final = 4
KIB_PER_MIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Start:
    """One life of a server with one worker.

    Attributes:
        first_answer_s: From the start of the process to its first right answer.
        stop_s: From SIGTERM to the exit of the process that was started.
        first_mib: Resident memory, after that answer, of the process that was started.
        all_mib: The same of all its processes.
        processes: How many these are.
        left_behind: How many of them still run two seconds after that exit.
    """

    first_answer_s: float
    stop_s: float
    first_mib: float
    all_mib: float
    processes: int
    left_behind: int


def measure_start(who: Contender, environment: Environment) -> Start:
    """Start it, ask once, stop it."""
    with (
        TemporaryDirectory(prefix="aiges-bench-") as folder,
        _server(who, environment, ECHO, Path(folder)) as server,
    ):
        first, everything = server.usage_of_first(), server.usage()
        stop_s, left_behind = server.stop()
        return Start(
            first_answer_s=server.first_answer_s,
            stop_s=stop_s,
            first_mib=first.rss_mib,
            all_mib=everything.rss_mib,
            processes=server.processes,
            left_behind=left_behind,
        )


@dataclass(frozen=True, slots=True)
class Idle:
    """What a server keeps in memory while nobody asks anything.

    Attributes:
        one_worker_mib: All its processes, one worker.
        per_worker_mib: Each further worker.
        per_connection_kib: Each open HTTP connection that has been answered once.
    """

    one_worker_mib: float
    per_worker_mib: float
    per_connection_kib: float


def measure_idle(who: Contender, environment: Environment, connections: int) -> Idle:
    """Start it with one worker and with several; open connections and leave them alone."""
    many = replace(ECHO, workers=MANY_WORKERS)
    with (
        TemporaryDirectory(prefix="aiges-bench-") as folder,
        _server(who, environment, many, Path(folder)) as server,
    ):
        server.rest()
        many_mib = server.usage().rss_mib
    with TemporaryDirectory(prefix="aiges-bench-") as folder, ExitStack() as stack:
        server = stack.enter_context(_server(who, environment, ECHO, Path(folder)))
        server.rest()
        one_mib = server.usage().rss_mib
        _open_connections(stack, server, connections // 10)
        before_mib = server.usage().rss_mib
        clients = _open_connections(stack, server, connections)
        after_mib = server.usage().rss_mib
        if closed := _closed(clients):
            raise server.error(f"{closed} of {connections} idle connections were closed")
    return Idle(
        one_worker_mib=one_mib,
        per_worker_mib=(many_mib - one_mib) / (MANY_WORKERS - 1),
        per_connection_kib=(after_mib - before_mib) * KIB_PER_MIB / connections,
    )


def _open_connections(
    stack: ExitStack, server: Server, count: int
) -> list[http.client.HTTPConnection]:
    """Open connections, ask once on each, and leave them open until `stack` ends."""
    clients = []
    for _ in range(count):
        client = http.client.HTTPConnection("127.0.0.1", server.launch.port, timeout=ANSWER_LIMIT_S)
        stack.callback(client.close)
        client.request("POST", ROUTE, server.body, {"Content-Type": "application/json"})
        client.getresponse().read()
        clients.append(client)
    return clients


def _closed(clients: Sequence[http.client.HTTPConnection]) -> int:
    """Count the connections that the server has closed: there is nothing else to read."""
    closed = [client for client in clients if client.sock is None]
    poll = select.poll()
    for client in clients:
        if client.sock is not None:
            poll.register(client.sock, select.POLLIN)
    return len(closed) + len(poll.poll(0))


def _server(who: Contender, environment: Environment, case: Case, folder: Path) -> Server:
    launch = who.launch(environment, case, folder)
    return Server(launch, case.payload.body(), case.fault_of, folder / "output.log")
