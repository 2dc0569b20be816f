"""The drills that any server can be put through, side by side with other servers.

`make drills-peers` runs them against mosec, LitServe and uvicorn as they come from the package
index, each in an environment of its own, and against this program; it prints one table.
tests/drills/test_peers.py tests the drills themselves.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "scripts")]

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import environments
from benchmarks.server import free_port
from drills.drills import MARK, Result, marked
from drills.load import Load, Outcome, Target, ask_once, our_body, our_code
from support.service import ROOT, config_text

SERVICES: Final = HERE / "peer_services"
START_LIMIT_S: Final = 60.0
ANSWER_LIMIT_S: Final = 10.0
"""No answer for so long is none."""

BACK_LIMIT_S: Final = 15.0
"""How long a server may take to be as it was."""

GONE_LIMIT_S: Final = 2.0
"""How long processes may outlive the first one."""

STOP_LIMIT_S: Final = 40.0
LOOP_LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Peer:
    """A server that can be put through the drills.

    Attributes:
        name: For the table.
        command: Makes the command line, from a folder of its own, a port and a number of workers.
        target: Says how it is asked, once its port is known.
        fewest: Workers, below which it has no process besides the one that serves.
    """

    name: str
    command: Callable[[Path, int, int], list[str]]
    target: Callable[[int], Target]
    fewest: int = 1


def plain_target(port: int) -> Target:
    def body(do: str) -> bytes:
        return json.dumps({"do": do}).encode()

    def code_of(status: int, answer: bytes) -> int:
        return 0 if status == 200 and answer.startswith(b"{") else status or -1

    return Target(port, "/call", body, code_of)


def peer(name: str, program: str, requirement: str, fewest: int = 1) -> Peer:
    """Return a server that a program in peer_services runs, with a package from the index."""

    def command(folder: Path, port: int, workers: int) -> list[str]:
        made = environments.of_packages(f"drills-{name}", [requirement])
        options = ["--path", str(folder / "mosec"), "--timeout", "10000"]
        more = options if name == "mosec" else []
        return [str(made.python), str(SERVICES / program), str(port), str(workers), *more]

    return Peer(f"{name} {requirement.partition('==')[2]}", command, plain_target, fewest)


def _our_command(folder: Path, port: int, workers: int) -> list[str]:
    (folder / "wrapper.py").write_text((HERE / "wrapper.py").read_text())
    sections = {
        "wrapper": {"http_listen": f"127.0.0.1:{port}"},
        "fc": {"max": 256},
        "pool": {"workers": workers, "concurrency": 4, "hangTimeout": 2, "heartbeat": 0.5},
        "http": {"timeout": 10},
    }
    (folder / "aiges.toml").write_text(config_text(**sections))
    program = [sys.executable, "-m", "aiges_loader"]
    return [*program, "-m", "0", "-c", "aiges.toml", "-s", "svcName"]


OURS: Final = Peer(
    "aiges-loader",
    _our_command,
    lambda port: Target(port, "/v1/svcName", our_body, our_code),
)
CARELESS: Final = Peer(
    "careless",
    lambda _folder, port, workers: [
        sys.executable,
        str(SERVICES / "careless_app.py"),
        str(port),
        str(workers),
    ],
    plain_target,
)
PEERS: Final = (
    OURS,
    peer("mosec", "mosec_app.py", "mosec==0.9.8"),
    peer("LitServe", "litserve_app.py", "litserve==0.2.19"),
    peer("uvicorn", "uvicorn_app.py", "uvicorn==0.38.0", fewest=2),
)


@dataclass
class Running:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    target: Target
    mark: str
    output: Path

    def call(self, do: str = "", limit_s: float = ANSWER_LIMIT_S) -> Outcome:
        """Make one call on a connection of its own."""
        return ask_once(self.target, do, limit_s)

    def serves(self) -> bool:
        return self.call().code == 0

    def processes(self) -> list[int]:
        return marked(self.mark)


def pid_in(body: bytes) -> int:
    """Return the pid that an answer brings."""
    read = json.loads(body)
    return int(read["pid"] if "pid" in read else read["payload"]["result"]["text"])


def busy_pid(load: Load) -> int:
    """Return the pid of the process that ran user code for the last call of a load."""
    return pid_in(next(o.body for o in reversed(load.outcomes) if o.code == 0))


@contextmanager
def running(who: Peer, workers: int = 1) -> Iterator[Running]:
    """Run a server until the end of the block; nothing of it is left then."""
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        command = who.command(folder, port, max(workers, who.fewest))
        output = folder / "output"
        environ = environments.clean_environ(
            **{MARK: name, "TMPDIR": name, "NO_COLOR": "1", "PYTHONPATH": _sources(who)}
        )
        with output.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder if who is OURS else SERVICES,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            server = Running(process, who.target(port), name, output)
            until(server.serves, START_LIMIT_S, "the first answer", server)
            yield server
        finally:
            end(process, name)


def _sources(who: Peer) -> str:
    trees = ("loader", "plugin_runtime", "proto") if who is OURS else ()
    return os.pathsep.join(str(ROOT / tree) for tree in trees)


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill whatever carries the mark."""
    stop = time.monotonic() + STOP_LIMIT_S
    while (left := marked(mark)) and time.monotonic() < stop:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    process.wait(STOP_LIMIT_S)


def until(
    condition: Callable[[], object], limit_s: float, what: str, server: Running | None = None
) -> float | None:
    """Return how long it took until `condition` held, None if it did not within `limit_s`.

    With a server, that is an error, which says what it wrote.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            if server is None:
                return None
            written = server.output.read_text("utf-8", "replace")[-2000:]
            raise AssertionError(f"not in {limit_s:g} s: {what}: {written}")
        time.sleep(0.01)
    return time.monotonic() - began


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


# The drills:


def kill_the_first_process(who: Peer) -> Result:
    """kill -9 of the process that was started: the rest goes with it."""
    with running(who) as server:
        server.process.kill()
        server.process.wait(STOP_LIMIT_S)
        gone = until(lambda: not server.processes(), GONE_LIMIT_S, "all to be gone")
        left = len(server.processes())
        listens = server.call(limit_s=2.0).code is not None or _accepts(server.target.port)
    words = f"all gone in {seconds(gone)}" if not left else f"{left} processes left"
    return Result(not left, words + (", the port still answers" if listens else ""))


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def kill_a_worker(workers: int) -> Callable[[Peer], Result]:
    """kill -9 of a worker under load: only the calls in it fail, at once, and it comes back."""

    def drill(who: Peer) -> Result:
        with (
            running(who, workers) as server,
            Load(server.target, 4 * workers, do="sleep 0.01", limit_s=ANSWER_LIMIT_S) as load,
        ):
            load.wait_for(50)
            pid = busy_pid(load)
            before, killed_at = len(load.outcomes), time.monotonic()
            os.kill(pid, signal.SIGKILL)
            back = until(
                lambda: comes_back(server, pid, workers), BACK_LIMIT_S, "as many workers as before"
            )
            ended = server.process.poll()
        return _verdict(load.outcomes[before:], killed_at, back, ended, may_fail=4)

    return drill


def comes_back(server: Running, dead: int, workers: int) -> bool:
    """Say whether calls succeed and as many workers as before answer them."""
    seen = set()
    for _ in range(8 * workers):
        outcome = server.call(limit_s=2.0)
        if outcome.code != 0:
            return False
        seen.add(pid_in(outcome.body))
        if len(seen) == workers:
            break
    return dead not in seen and len(seen) == workers


def _verdict(
    outcomes: list[Outcome], since: float, back: float | None, ended: int | None, *, may_fail: int
) -> Result:
    failed = [outcome for outcome in outcomes if outcome.code != 0]
    silent = sum(outcome.code is None for outcome in failed)
    slowest = max((outcome.ended - max(outcome.began, since) for outcome in failed), default=0.0)
    kept = back is not None and len(failed) <= may_fail and not silent and slowest < 1.0
    words = f"{len(failed)} failed"
    words += f", {silent} of them without an answer" if silent else ""
    words += f" (within {slowest:.2f} s)" if failed else ""
    words += f"; the server ended with {ended}" if ended is not None else f"; back: {seconds(back)}"
    return Result(kept, words)


def stop_a_worker(who: Peer) -> Result:
    """SIGSTOP of a worker under load: it is noticed and replaced."""
    with (
        running(who) as server,
        Load(server.target, 4, do="sleep 0.01", limit_s=ANSWER_LIMIT_S) as load,
    ):
        load.wait_for(50)
        pid = busy_pid(load)
        before, stopped_at = len(load.outcomes), time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        gone = until(
            lambda: not psutil.pid_exists(pid) or _is_zombie(pid), BACK_LIMIT_S, "it to go"
        )
        served = until(server.serves, BACK_LIMIT_S, "an answer") if gone is not None else None
        outcomes = load.outcomes[before:]
    silent = sum(outcome.code is None for outcome in outcomes)
    slowest = max((o.ended - max(o.began, stopped_at) for o in outcomes), default=0.0)
    words = f"replaced after {seconds(gone)}" if gone is not None else "not noticed in 15 s"
    words += (
        f"; {silent} calls without an answer in 10 s"
        if silent
        else f"; longest call {slowest:.1f} s"
    )
    return Result(gone is not None and served is not None and not silent, words)


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def terminate(stops: int) -> Callable[[Peer], Result]:
    """SIGTERM under load: every call that was accepted is answered, exit status 0."""

    def drill(who: Peer) -> Result:
        dropped, calls, slowest, statuses = 0, 0, 0.0, set()
        for _ in range(stops):
            with (
                running(who) as server,
                Load(
                    server.target, 8, do="sleep 0.02", limit_s=ANSWER_LIMIT_S, may_hang_up=True
                ) as load,
            ):
                load.wait_for(40)
                began = time.monotonic()
                server.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.process.wait(STOP_LIMIT_S)
                statuses.add(server.process.poll())
                slowest = max(slowest, time.monotonic() - began)
            dropped += len(load.failed)
            calls += len(load.outcomes)
        ends = ", ".join(
            "never" if status is None else str(status) for status in sorted(statuses, key=str)
        )
        words = (
            f"{dropped} of {calls} failed in {stops} stops, at most {slowest:.1f} s, status {ends}"
        )
        return Result(dropped == 0 and statuses == {0}, words)

    return drill


def crash(do: str) -> Callable[[Peer], Result]:
    """User code takes its process down: its caller is told at once, and the next call works."""

    def drill(who: Peer) -> Result:
        with running(who) as server:
            outcome = server.call(do)
            next_one = until(server.serves, BACK_LIMIT_S, "the next call")
        told = outcome.code is not None and outcome.took_s < 1.0
        words = (
            f"told after {outcome.took_s:.2f} s"
            if told
            else (
                "connection dropped"
                if outcome.took_s < 1.0
                else f"no answer in {outcome.took_s:.0f} s"
                if outcome.code is None
                else f"told after {outcome.took_s:.1f} s"
            )
        )
        return Result(
            told and next_one is not None, f"{words}; next call works: {seconds(next_one)}"
        )

    return drill


def leave(clients: int) -> Callable[[Peer], Result]:
    """Clients that leave in the middle of their call do not hold up the next one."""

    def drill(who: Peer) -> Result:
        with running(who) as server:
            body = server.target.body("sleep 0.1")
            head = f"POST {server.target.path} HTTP/1.1\r\nHost: x\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            leavers = []
            for _ in range(clients):
                leaver = socket.create_connection(("127.0.0.1", server.target.port), ANSWER_LIMIT_S)
                leaver.sendall(head.encode() + body)
                leavers.append(leaver)
            for leaver in leavers:
                leaver.close()
            outcome = server.call(limit_s=BACK_LIMIT_S)
        if outcome.code != 0:
            return Result(False, f"{clients} left; the next call failed: {outcome.code}")
        return Result(
            outcome.took_s < 1.0, f"{clients} left; the next call took {outcome.took_s:.2f} s"
        )

    return drill


def crash_loop(who: Peer) -> Result:
    """A worker that dies at every call: the server gives up, with an exit status that says so."""
    with running(who) as server:
        calls, began = 0, time.monotonic()
        while server.process.poll() is None and time.monotonic() - began < LOOP_LIMIT_S:
            calls += 1
            server.call("exit", limit_s=5.0)
            time.sleep(0.05)  # the pace of the load
        status, took_s = server.process.poll(), time.monotonic() - began
    if status is None:
        return Result(False, f"still goes on after {took_s:.0f} s and {calls} such calls")
    return Result(status != 0, f"exit status {status} after {took_s:.1f} s and {calls} calls")


DRILLS: Final[dict[str, Callable[[Peer], Result]]] = {
    "kill -9 the first process": kill_the_first_process,
    "kill -9 the one worker under load": kill_a_worker(1),
    "kill -9 one of two workers under load": kill_a_worker(2),
    "SIGSTOP a worker under load": stop_a_worker,
    "user code calls os._exit": crash("exit"),
    "user code segfaults": crash("segfault"),
    "worker dies at every call": crash_loop,
    "SIGTERM under load, ten times": terminate(10),
    "200 clients leave in mid-call": leave(200),
}


@dataclass
class Row:
    """One drill and what came of it, by server."""

    name: str
    results: dict[str, Result] = field(default_factory=dict)


def put_through(who: Peer, drill: Callable[[Peer], Result]) -> Result:
    """Run one drill; one that cannot be finished has not kept its promise."""
    try:
        return drill(who)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        return Result(kept=False, figures=f"{type(error).__name__}: {str(error)[-200:]}")


def main() -> int:
    """Run all drills, or those named, for all servers; print the table, for the documents too."""
    wanted = [name for name in sys.argv[1:] if not name.startswith("--")] or list(DRILLS)
    console = Console(width=None if sys.stdout.isatty() else 220)
    rows = []
    for name in wanted:
        row = Row(name)
        for who in PEERS:
            with console.status(f"{name}: {who.name}"):
                row.results[who.name] = put_through(who, DRILLS[name])
            result = row.results[who.name]
            console.print(
                f"{'kept  ' if result.kept else 'BROKEN'} {name}: {who.name}: {result.figures}"
            )
        rows.append(row)
    table = Table("drill", *(who.name for who in PEERS))
    for row in rows:
        table.add_row(row.name, *(_cell(row.results[who.name]) for who in PEERS))
    console.print(table)
    if "--markdown" in sys.argv:
        print(markdown(rows))
    return 0 if all(row.results[OURS.name].kept for row in rows) else 1


def _cell(result: Result) -> str:
    return f"[{'green]kept' if result.kept else 'red]broken'}[/]: {result.figures}"


def markdown(rows: list[Row]) -> str:
    """Return the table for docs/supervision.md."""
    lines = [["drill", *(who.name for who in PEERS)], ["---"] * (len(PEERS) + 1)]
    for row in rows:
        cells = [row.results[who.name] for who in PEERS]
        lines.append(
            [
                row.name,
                *(f"{'kept' if cell.kept else '**broken**'}: {cell.figures}" for cell in cells),
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
