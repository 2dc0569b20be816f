"""What must not break: each drill breaks something on purpose and says what came of it.

`make drills` runs them at full length and prints a table; tests/drills/test_drills.py runs them
short, as part of the tests.
"""

import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from drills.c_plugins import crash_under_load
from drills.load import Load, our_code, target_of
from drills.results import MARK, Result, Scale, service
from drills.sessions import kill_a_worker_with_sessions, stop_with_sessions
from support.service import Service, config_text, once_body
from support.waiting import dies_within

HERE = Path(__file__).resolve().parent
LIMIT_S = 60.0


FULL = Scale(kills=50, reloads=100, stops=10, clients=200, half_open=500, malformed=2000)
SHORT = Scale(kills=6, reloads=5, stops=2, clients=40, half_open=60, malformed=200)


def marked(mark: str) -> list[int]:
    """Return the pids of living processes that carry a drill's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == mark:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def connections(running: Service, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", running.http_port)) for _ in range(count)]


def worker_pid(running: Service) -> int:
    return int(running.once().text())


def wait_until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> float:
    """Return how long it took until `condition` held; raise if it never did."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            raise AssertionError("not in time")
        time.sleep(0.005)
    return time.monotonic() - began


def kill_the_supervisor(scale: Scale) -> Result:
    """kill -9 of the supervisor at instants spread over start-up and service: no orphans."""
    orphans, slowest, left = 0, 0.0, 0
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        (folder / "wrapper.py").write_text((HERE / "wrapper.py").read_text())
        temporary = folder / "t"
        temporary.mkdir()
        env = {MARK: name, "TMPDIR": str(temporary)}
        for number in range(scale.kills):
            with Service(folder, env=env) as running:
                time.sleep(1.2 * number / scale.kills)  # the instant: from the start on
                assert running.process.pid in marked(name)
                running.process.kill()
                running.process.wait(LIMIT_S)
                try:
                    slowest = max(slowest, wait_until(lambda: not marked(name), 5.0))
                except AssertionError:
                    orphans += len(marked(name))
        with Service(folder, env=env).ready() as running:
            running.stop()
        left = len(list(temporary.iterdir()))
    kept = orphans == 0 and left == 0
    figures = f"{scale.kills} kills: {orphans} orphans, all gone in {slowest:.2f} s, {left} folders"
    return Result(kept, figures)


def kill_workers(workers: int) -> Callable[[Scale], Result]:
    """kill -9 of a worker under load, three in a row: only calls that were in it fail."""

    def drill(scale: Scale) -> Result:
        del scale
        clients, again, kills = 4 * workers, 0.0, []
        with (
            service(pool={"workers": workers}) as running,
            Load(target_of(running), clients, do="sleep 0.01") as load,
        ):
            load.wait_for(50)
            for _ in range(3):
                before, pid = len(running.log), worker_pid(running)
                kills.append(time.monotonic())
                os.kill(pid, signal.SIGKILL)
                running.wait_for("worker ready", after=before)
                again = max(again, time.monotonic() - kills[-1])
                load.wait_for(50)
        failed = load.failed
        # Of a call that was in the worker, the time from the kill on counts.
        waited = [
            outcome.ended - max([outcome.began, *(at for at in kills if at < outcome.ended)])
            for outcome in failed
        ]
        kept = (
            len(failed) <= 3 * 4
            and all(outcome.code == 10109 for outcome in failed)
            and max(waited, default=0.0) < 1.0
        )
        figures = f"{len(load.outcomes)} calls, {len(failed)} failed (10109), answered in at most "
        figures += f"{1000 * max(waited, default=0.0):.0f} ms; ready again in {again:.2f} s"
        return Result(kept, figures)

    return drill


def hang(do: str) -> Callable[[Scale], Result]:
    """A worker that hangs, by itself or stopped from outside, is replaced; others go on."""

    def drill(scale: Scale) -> Result:
        del scale
        pool = {"workers": 2, "hangTimeout": 2, "heartbeat": 0.5}
        with service(pool=pool, http={"timeout": 1}) as running:
            pid = worker_pid(running)
            began, before = time.monotonic(), len(running.log)
            if do == "SIGSTOP":
                os.kill(pid, signal.SIGSTOP)
            else:
                pid = int(running.once().text())
                running.once(do=do)
            number = running.wait_for(r"worker hangs worker=(\d+)", after=before)[1]
            noticed = time.monotonic() - began
            running.wait_for(f"worker ready worker={number}", after=before)
            again = time.monotonic() - began
            answered = running.once().code == 0
            stacks = any("most recent call first" in line for line in running.log)
        kept = answered and (stacks or do == "SIGSTOP")
        return Result(kept, f"noticed after {noticed:.1f} s, replaced after {again:.1f} s")

    return drill


def crash(do: str, reason: str) -> Callable[[Scale], Result]:
    """A wrapper that takes its process down costs the one call."""

    def drill(scale: Scale) -> Result:
        del scale
        with service() as running:
            began = time.monotonic()
            answer = running.once(do=do)
            took = time.monotonic() - began
            next_one = running.once()
        kept = answer.code == 10109 and reason in answer.message and next_one.code == 0
        return Result(kept, f"{answer.code} in {1000 * took:.0f} ms: {answer.message}")

    return drill


def leak(scale: Scale) -> Result:
    """A wrapper that leaks 50 MB a call is replaced before it is stopped; no call fails."""
    del scale
    with service(pool={"maxRssMb": 300}) as running:
        pids, codes, largest = set(), set(), 0
        for _ in range(40):
            answer = running.once(do="leak")
            codes.add(answer.code)
            if answer.code == 0:
                pids.add(int(answer.text()))
            time.sleep(0.1)  # the pace of the load; the pool looks once a second
            largest = max(largest, *map(resident, pids))
    kept = codes == {0} and len(pids) >= 2
    return Result(kept, f"40 calls in {len(pids)} workers, {largest >> 20} MiB at most, 0 failed")


def forks(scale: Scale) -> Result:
    """What a worker forked and daemonised does not outlive it."""
    del scale
    with service() as running:
        running.once(do="fork")
        mark = str(running.folder)
        known = {running.process.pid, worker_pid(running)}
        wait_until(lambda: any(is_daemon(pid) for pid in set(marked(mark)) - known))
        sleeping = [pid for pid in marked(mark) if is_daemon(pid)]
        os.kill(worker_pid(running), signal.SIGKILL)
        took = wait_until(lambda: all(dies_within(pid, 0.0) for pid in sleeping))
        answered = running.once().code == 0
    return Result(bool(sleeping) and answered, f"daemon gone {1000 * took:.0f} ms after its worker")


def is_daemon(pid: int) -> bool:
    try:
        return psutil.Process(pid).name() == "sleep"
    except psutil.NoSuchProcess:
        return False


def flood(scale: Scale) -> Result:
    """100 MB of output in lines of 10 MB neither blocks the worker nor fills our memory."""
    del scale
    with service(log={"level": "none"}) as running:
        supervisor = psutil.Process(running.process.pid)
        before = supervisor.memory_info().rss
        began = time.monotonic()
        code = running.once(do="flood").code
        took = time.monotonic() - began
        grown = (supervisor.memory_info().rss - before) >> 20
    return Result(code == 0 and grown < 100, f"answered after {took:.1f} s, {grown} MiB more")


def reloads(scale: Scale) -> Result:
    """Reloads under load lose no call."""
    with service() as running, Load(target_of(running), 4) as load:
        for _ in range(scale.reloads):
            before = len(running.log)
            running.process.send_signal(signal.SIGHUP)
            running.wait_for("reloaded routes", after=before)
    failed = len(load.failed)
    return Result(
        failed == 0, f"{scale.reloads} reloads, {len(load.outcomes)} calls, {failed} failed"
    )


def stops(scale: Scale) -> Result:
    """SIGTERM under load: every connection that the kernel accepted is answered."""
    dropped, calls, slowest, statuses = 0, 0, 0.0, set()
    for _ in range(scale.stops):
        with (
            service() as running,
            Load(target_of(running), 8, do="sleep 0.02", may_hang_up=True) as load,
        ):
            load.wait_for(40)
            began = time.monotonic()
            statuses.add(running.stop())
            slowest = max(slowest, time.monotonic() - began)
        dropped += len(load.failed)
        calls += len(load.outcomes)
    kept = dropped == 0 and statuses == {0}
    return Result(kept, f"{scale.stops} stops, {calls} calls, {dropped} dropped, {slowest:.1f} s")


def leavers(scale: Scale) -> Result:
    """Clients that leave in mid-request leave their licences."""
    with service(fc={"max": scale.clients}) as running:
        body = once_body(do="sleep 0.5")
        head = f"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        clients = connections(running, scale.clients)
        for client in clients:
            client.sendall(head.encode() + body)
        for client in clients:
            client.close()
        began = time.monotonic()
        code = running.once().code
        took = time.monotonic() - began
    return Result(code == 0, f"{scale.clients} left; the next call took {took:.2f} s")


def half_open(scale: Scale) -> Result:
    """Connections that never finish their request's head are closed, and slow nobody."""
    with service(http={"headerTimeout": 2}) as running:
        clients = connections(running, scale.half_open)
        for client in clients:
            client.sendall(b"POST /v1/svcName HTTP/1.1\r\nHost:")
        began = time.monotonic()
        answered = running.once().code == 0
        took = time.monotonic() - began
        for client in clients:
            client.settimeout(LIMIT_S)
        closed = sum(client.recv(1) == b"" for client in clients)
        after = time.monotonic() - began
        for client in clients:
            client.close()
    kept = answered and closed == scale.half_open
    return Result(
        kept, f"{closed} closed within {after:.1f} s; a call meanwhile took {1000 * took:.0f} ms"
    )


def large_body(scale: Scale) -> Result:
    """A body of 80 MB is refused as JSON before it is read."""
    del scale
    with service() as running:
        supervisor = psutil.Process(running.process.pid)
        before = supervisor.memory_info().rss
        with socket.create_connection(("127.0.0.1", running.http_port)) as client:
            client.sendall(
                b"POST /v1/svcName HTTP/1.1\r\nHost: x\r\nContent-Length: 83886080\r\n\r\n"
            )
            client.settimeout(LIMIT_S)
            answer = client.recv(4096)
        grown = (supervisor.memory_info().rss - before) >> 20
    kept = b" 413 " in answer.splitlines()[0] and b'"code":10000' in answer and grown < 5
    return Result(kept, f"413 with code 10000, {grown} MiB more")


def malformed(scale: Scale) -> Result:
    """Bodies that are damaged anywhere get a typed answer, and cost no memory."""
    whole = once_body()
    with service() as running:
        supervisor = psutil.Process(running.process.pid)
        running.once()
        before = supervisor.memory_info().rss
        untyped, served = 0, 0
        for number in range(scale.malformed):
            place = number * 7919 % len(whole)
            body = [whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]][number % 2]
            answer = running.ask("POST", "/v1/svcName", body)
            served += answer.status == 200
            if answer.code in (10000, 10001, 10009):
                untyped += not 400 <= answer.status < 500
            else:
                untyped += answer.code not in (0, 10106)
        grown = (supervisor.memory_info().rss - before) >> 20
    kept = untyped == 0 and grown < 10
    figures = f"{scale.malformed} bodies, {served} of them still requests, {untyped} untyped, "
    return Result(kept, f"{figures}{grown} MiB more")


def crash_loop(scale: Scale) -> Result:
    """A worker that always dies: restarts are bounded, then the program ends with an error."""
    del scale
    with service(pool={"maxRestarts": 3}) as running:
        deaths = 0
        while running.process.poll() is None:
            try:
                deaths += running.once(do="exit").code == 10109
            except (OSError, ValueError):
                break
        status = running.wait()
    return Result(status == 1 and deaths <= 4, f"{deaths} deaths, then exit status {status}")


def broken_config(scale: Scale) -> Result:
    """A configuration broken before SIGHUP costs nothing but a line in the log."""
    del scale
    with service() as running:
        pid = worker_pid(running)
        (running.folder / "aiges.toml").write_text(config_text() + "\n[oops\n")
        running.process.send_signal(signal.SIGHUP)
        said = running.wait_for("not reloaded: (.*)")[1]
        kept = worker_pid(running) == pid
    return Result(kept, said)


def full_disk(scale: Scale) -> Result:
    """A file system without room for the log costs the log, and only as long as that lasts."""
    del scale
    small = "exec unshare -rm sh -ec 'mount -t tmpfs -o size=128k log log; exec \"$@\"' -"
    with service(under=f'{small} "$@"') as running:
        log = Path(f"/proc/{running.process.pid}/cwd/log")  # as that process sees it
        filler = log / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as rest:
            while True:
                rest.write(bytes(512))
        before = len(running.log)
        codes = [running.once(do="say").code for _ in range(200)]
        running.wait_for("No space left on device; going on without", after=before)
        complaints = sum("going on without" in line for line in running.log)
        filler.unlink()
        codes += [running.once(do="say").code for _ in range(20)]
        said = running.wait_for("it is written again; records lost: about ([0-9]+)", after=before)
        last = json.loads((log / "aiges.log").read_text().splitlines()[-1])
    kept = set(codes) == {0} and complaints == 1 and "msg" in last
    failed = sum(code != 0 for code in codes)
    return Result(
        kept, f"{len(codes)} calls, {failed} failed; {said[1]} log records lost, said once"
    )


def descriptors(scale: Scale) -> Result:
    """Without descriptors for more connections, those that are there and the workers go on."""
    with service(under="ulimit -n 128") as running:
        supervisor = psutil.Process(running.process.pid)
        kept_one = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=LIMIT_S)
        calls = [code_on(kept_one)]
        clients = connections(running, 3 * scale.half_open)
        running.wait_for("file descriptors run out")
        began = sum(supervisor.cpu_times()[:2])
        watched_from = time.monotonic()
        calls += [code_on(kept_one) for _ in range(20)]
        os.kill(int(running.worker_pid()), signal.SIGKILL)
        calls += [code_on(kept_one) for _ in range(20)]
        running.wait_for("restarting worker")
        wait_until(lambda: time.monotonic() - watched_from > 1.0)
        busy = (sum(supervisor.cpu_times()[:2]) - began) / (time.monotonic() - watched_from)
        for client in clients:
            client.close()
        running.wait_for("there are file descriptors again")
        calls.append(running.once().code)
        kept_one.close()
    # Of the calls, at most the one that was in the killed worker may fail.
    failed = sum(code != 0 for code in calls)
    figures = f"{len(calls)} calls, {failed} failed; {100 * busy:.0f} % of a CPU meanwhile"
    return Result(failed == 0 and busy < 0.5, f"{len(clients)} connections, {figures}")


def code_on(client: http.client.HTTPConnection) -> int:
    """Make one call on a connection that is kept."""
    client.request("POST", "/v1/svcName", once_body())
    answer = client.getresponse()
    return our_code(answer.status, answer.read())


DRILLS: dict[str, Callable[[Scale], Result]] = {
    "kill -9 the supervisor": kill_the_supervisor,
    "kill -9 the one worker, three times": kill_workers(1),
    "kill -9 one of two workers, three times": kill_workers(2),
    "SIGSTOP a worker": hang("SIGSTOP"),
    "wrapper spins in C with the lock": hang("spin"),
    "wrapper deadlocks": hang("deadlock"),
    "wrapper leaks 50 MB a call": leak,
    "wrapper segfaults": crash("segfault", "SIGSEGV"),
    "wrapper calls os._exit": crash("exit", "status 3"),
    "C plugin crashes under load": crash_under_load,
    "wrapper leaves a daemon": forks,
    "wrapper floods its output": flood,
    "reload under load": reloads,
    "SIGTERM under load": stops,
    "clients leave in mid-request": leavers,
    "kill -9 a worker with sessions": kill_a_worker_with_sessions,
    "SIGTERM with sessions": stop_with_sessions,
    "half-open connections": half_open,
    "body of 80 MB": large_body,
    "malformed bodies": malformed,
    "crash loop": crash_loop,
    "config broken before SIGHUP": broken_config,
    "disk full for the log file": full_disk,
    "file descriptors exhausted": descriptors,
}


def run(name: str, scale: Scale) -> Result:
    """Run one drill; one that cannot be finished has not kept its promise."""
    try:
        return DRILLS[name](scale)
    except (AssertionError, OSError) as error:
        return Result(kept=False, figures=f"{type(error).__name__}: {str(error)[-200:]}")


def main() -> int:
    """Run all, or those named, and print the table."""
    chosen = sys.argv[1:] or list(DRILLS)
    broken = 0
    for name in chosen:
        result = run(name, FULL)
        broken += not result.kept
        print(f"{'kept  ' if result.kept else 'BROKEN'}  {name:<40} {result.figures}", flush=True)
    print(f"{len(chosen) - broken} of {len(chosen)} promises kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
