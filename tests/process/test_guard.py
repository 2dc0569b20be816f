"""What becomes of the processes that we start: how their end is told, and that nothing stays."""

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest
import uvloop

from aiges_loader.pool import guarded
from aiges_loader.pool.placement import Placement
from aiges_loader.pool.process import Exit, Stream, WorkerProcess
from support.trees import MARKER, TREES, gone_within, kill_marked, marked
from support.waiting import LIMIT_S, dies_within, open_fds, until

SOURCES = os.pathsep.join(sys.path)


@pytest.fixture
def marker() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    kill_marked(name)


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest) -> list[str]:
    return TREES[request.param]


def spawn(
    command: list[str], marker: str = "", lines: list[tuple[Stream, bytes]] | None = None
) -> WorkerProcess:
    told = [] if lines is None else lines
    environ = {**os.environ, MARKER: marker}
    return WorkerProcess.spawn(command, environ, lambda stream, line: told.append((stream, line)))


@asynccontextmanager
async def running(command: list[str], marker: str) -> AsyncIterator[WorkerProcess]:
    async with asyncio.timeout(LIMIT_S):
        process = spawn(command, marker)
        try:
            assert await process.first_line == b"ready\n"
            yield process
        finally:
            await process.end(grace_s=0.0)


def guard_of(process: WorkerProcess) -> psutil.Process:
    """Find the guard from outside, as somebody would who wants to kill it."""
    guard = psutil.Process(process.pid).parent()
    assert guard is not None
    assert guard.name() == "aiges-guard"
    return guard


def nursery_of(process: WorkerProcess) -> psutil.Process:
    parent = guard_of(process).parent()
    assert parent is not None
    assert parent.name() == "aiges-nursery"
    return parent


def nurseries() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if guarded.is_nursery(child.pid)]


def highest_fd(process: psutil.Process) -> int:
    return max(int(path.name) for path in Path(f"/proc/{process.pid}/fd").iterdir())


# How an end is told:

ENDS = [
    ("exit 0", 0, "exited with status 0"),
    ("exit 7", 7, "exited with status 7"),
    ("exit 255", 255, "exited with status 255"),
    ("kill -KILL $$", -9, "killed by SIGKILL"),
    ("kill -SEGV $$", -11, "killed by SIGSEGV"),
    ("kill -TERM $$", -15, "killed by SIGTERM"),
]


@pytest.mark.parametrize(("script", "status", "words"), ENDS)
async def test_the_end_is_told_exactly(script: str, status: int, words: str) -> None:
    process = spawn(["bash", "-c", script])
    how = await asyncio.wait_for(process.exited, LIMIT_S)
    assert (how.status, str(how)) == (status, words)
    assert await process.end(grace_s=0.0) == Exit(status)


async def test_an_end_is_told_within_a_tenth_of_a_second() -> None:
    """H60."""
    delays = []
    for _ in range(5):  # the best of five: the machine may be busy
        process = spawn(["sleep", "600"])
        began = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        await process.exited
        delays.append(time.monotonic() - began)
        await process.end(grace_s=0.0)
    assert min(delays) < 0.1


async def test_the_last_words_are_told_before_the_end() -> None:
    lines: list[tuple[Stream, bytes]] = []
    process = spawn(
        ["bash", "-c", "echo first; echo second; echo third >&2; kill -9 $$"], "", lines
    )
    await asyncio.wait_for(process.exited, LIMIT_S)
    assert lines == [(Stream.STDOUT, b"second"), (Stream.STDERR, b"third")]
    await process.end(grace_s=0.0)


async def test_the_end_is_told_though_a_child_keeps_the_output_open(marker: str) -> None:
    """H58."""
    process = spawn(["bash", "-c", "setsid sleep 600 & exit 3"], marker)
    assert await asyncio.wait_for(process.exited, LIMIT_S) == Exit(3)
    await process.end(grace_s=0.0)
    assert marked(marker) == []


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["/nonexistent/program"], FileNotFoundError),
        (["no-such-program-anywhere"], FileNotFoundError),
        (["/etc/passwd"], PermissionError),
        ([sys.executable, "nul\0"], OSError),
    ],
)
async def test_what_cannot_be_executed_raises(command: list[str], error: type[OSError]) -> None:
    """H7."""
    before = None
    for _ in range(3):
        with pytest.raises(error):
            spawn(command)
        before = before or open_fds()
    assert open_fds() == before


# What the process gets:

ABOUT = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
fds = []
for fd in range(1024):
    try:
        os.fstat(fd)
    except OSError:
        continue
    fds.append(fd)
print(json.dumps({
    "pid": os.getpid(), "session": os.getsid(0), "group": os.getpgrp(), "cwd": os.getcwd(),
    "fds": fds, "stdin": os.readlink("/proc/self/fd/0"),
    "environ": dict(os.environ), "blocked": int(status["SigBlk"], 16),
    "ignored": int(status["SigIgn"], 16), "parent": os.getppid(),
}))
"""


async def test_the_process_gets_what_it_was_given_and_nothing_else() -> None:
    """H6 H63: in a session of its own, where Ctrl-C at a terminal does not come."""
    kept = os.open("/", os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        guarded.close()
        environ = {"PATH": os.environ["PATH"], "EMPTY": "", "TEXT": "a=b\nc ü\udcff"}
        command = [sys.executable, "-I", "-S", "-c", ABOUT]
        process = WorkerProcess.spawn(command, environ, lambda *_: None)
        about = json.loads(await asyncio.wait_for(process.first_line, LIMIT_S))
    finally:
        os.close(kept)
    assert about["pid"] == about["session"] == about["group"] == process.pid
    assert about["parent"] != os.getpid()
    assert about["cwd"] == str(Path.cwd())
    assert about["fds"] == [0, 1, 2]
    assert about["stdin"] == "/dev/null"
    del about["environ"]["LC_CTYPE"]  # of Python's own
    assert about["environ"] == environ
    assert about["blocked"] == 0
    # What Python itself ignores at its start:
    ignored = {n for n in range(1, 32) if about["ignored"] >> (n - 1) & 1}
    assert ignored <= {signal.SIGPIPE, signal.SIGXFSZ}
    await process.end(grace_s=0.0)


async def test_signals_that_python_ignores_are_not_ignored_by_the_process() -> None:
    process = spawn(["bash", "-c", "grep SigIgn /proc/$$/status"])
    line = await asyncio.wait_for(process.first_line, LIMIT_S)
    assert int(line.split()[1], 16) & 0x7FFF_FFFF == 0  # above are glibc's own
    await process.end(grace_s=0.0)


async def test_a_signal_reaches_the_group_and_not_the_guard(marker: str) -> None:
    script = "trap 'echo got' USR1; echo ready; while :; do sleep 0.05; done"
    lines: list[tuple[Stream, bytes]] = []
    process = spawn(["bash", "-c", script], marker, lines)
    await process.first_line
    guard = guard_of(process)
    process.signal(signal.SIGUSR1)
    await until(lambda: (Stream.STDOUT, b"got") in lines, "the answer to the signal")
    assert guard.is_running()
    await process.end(grace_s=0.0)


# Nothing stays:


async def test_after_the_end_nothing_of_the_tree_runs(tree: list[str], marker: str) -> None:
    """H58 H59."""
    async with running(tree, marker) as process:
        assert marked(marker)
        how = await process.end(grace_s=0.0)
        assert marked(marker) == []
    assert how is not None
    assert how.status == -signal.SIGKILL


async def test_after_an_end_with_grace_nothing_of_the_tree_runs(
    tree: list[str], marker: str
) -> None:
    """H56 H59: by SIGTERM or by SIGKILL."""
    async with running(tree, marker) as process:
        assert await process.end(grace_s=0.05) is not None
        assert marked(marker) == []


async def test_what_a_dead_process_leaves_is_killed_without_being_asked(
    tree: list[str], marker: str
) -> None:
    async with running(tree, marker) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert (await process.exited).status == -signal.SIGKILL
        await asyncio.to_thread(gone_within, marker, 1.0)


async def test_when_the_guard_is_killed_the_tree_is_killed(
    tree: list[str], marker: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tree, marker) as process:
        guard_of(process).kill()
        assert (await process.exited).status == -signal.SIGKILL
        await asyncio.to_thread(gone_within, marker, 1.0)
    assert "guard killed" in caplog.text


async def test_a_stopped_guard_does_not_save_the_tree(marker: str) -> None:
    async with running(TREES["daemonises"], marker) as process:
        guard_of(process).suspend()
        await process.end(grace_s=0.0)
        await asyncio.to_thread(gone_within, marker, 1.0)


async def test_the_guard_hands_sigterm_on_and_stays(marker: str) -> None:
    async with running(
        ["bash", "-c", "trap 'exit 5' TERM; echo ready; sleep 600 & wait"], marker
    ) as process:
        guard_of(process).terminate()
        assert await process.exited == Exit(5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
async def test_other_signals_do_not_move_the_guard(number: signal.Signals, marker: str) -> None:
    async with running(TREES["bash"], marker) as process:
        guard, parent = guard_of(process), nursery_of(process)
        for target in (guard, parent):
            target.send_signal(number)
        process.signal(signal.SIGKILL)
        assert await process.exited == Exit(-signal.SIGKILL)
        assert parent.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
async def test_signals_do_not_move_a_nursery_that_is_just_starting(
    number: signal.Signals, marker: str
) -> None:
    """As Ctrl-C in the first moments of the supervisor, whose group it is still in."""
    guarded.close()
    guarded.prepare()
    (starting,) = nurseries()
    starting.send_signal(number)
    async with running(TREES["bash"], marker) as process:
        assert nursery_of(process) == starting


async def test_who_kills_by_the_supervisors_command_line_does_not_meet_the_guard(
    marker: str,
) -> None:
    async with running(TREES["bash"], marker) as process:
        assert "".join(guard_of(process).cmdline()) == "aiges-guard"
        assert "".join(nursery_of(process).cmdline()) == "aiges-nursery"


async def test_a_killed_nursery_costs_no_process_and_is_replaced(marker: str) -> None:
    async with running(TREES["daemonises"], marker) as process:
        nursery_of(process).kill()
        async with running(TREES["bash"], marker) as second:
            assert nursery_of(second).is_running()
            assert not process.exited.done()
        await process.end(grace_s=0.0)
        assert marked(marker) == []


async def test_a_killed_nursery_is_noticed_reaped_and_replaced_though_no_worker_starts(
    marker: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "REPLACE_PAUSE_S", 0.01)
    keeping = asyncio.ensure_future(guarded.keep())
    try:
        async with running(TREES["bash"], marker) as process:
            for _ in range(2):  # the one that is made in its place is watched as well
                (old,) = nurseries()
                old.kill()
                await until(lambda: nurseries() not in ([], [old]), "another nursery")  # noqa: B023
                assert f"nursery ended pid={old.pid} status=-9" in caplog.text
                assert not psutil.pid_exists(old.pid)
            async with running(TREES["bash"], marker) as second:
                assert [nursery_of(second)] == nurseries()
            assert not process.exited.done()
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_a_guard_that_ends_before_it_answers_is_not_taken_for_the_nursery(
    marker: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(TREES["bash"], marker) as process:
        nursery = nursery_of(process)
        limits = resource.prlimit(nursery.pid, resource.RLIMIT_NOFILE)
        # It may take in the three descriptors of an order; its guard may open no pipe beside them.
        tight = highest_fd(nursery) + 1 + 3
        resource.prlimit(nursery.pid, resource.RLIMIT_NOFILE, (tight, limits[1]))
        with pytest.raises(guarded.GuardEndedError, match="its guard ended before"):
            spawn(["true"])
        assert caplog.text.count("its guard ended before it was started; another one is tried") == 1
        resource.prlimit(nursery.pid, resource.RLIMIT_NOFILE, limits)
        async with running(TREES["bash"], marker) as second:
            assert nursery_of(second) == nursery
        assert not process.exited.done()
    assert "nursery ended" not in caplog.text


async def test_a_nursery_that_is_killed_before_it_makes_a_guard_is_replaced(
    marker: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(TREES["bash"], marker) as process:
        nursery = nursery_of(process)
        nursery.suspend()
        before = open_fds()
        asking = asyncio.create_task(asyncio.to_thread(guarded.start, ["true"], {}, Placement()))
        # A channel and two pipes: the other ends have gone with the order.
        await until(lambda: open_fds() == before + 3, "the order to be sent")
        nursery.kill()
        child = await asking
        second = WorkerProcess(child, lambda _stream, _line: None)
        assert await second.exited == Exit(0)
        assert await second.end(grace_s=0.0) == Exit(0)
        assert not process.exited.done()
    assert f"nursery ended pid={nursery.pid} status=-9" in caplog.text
    assert "its guard ended" not in caplog.text


async def test_a_nursery_that_cannot_be_started_is_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.close()
    monkeypatch.setattr(guarded, "REPLACE_PAUSE_S", 0.01)
    keeping = asyncio.ensure_future(guarded.keep())
    try:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/nonexistent/python")
            await until(lambda: "cannot start a nursery: " in caplog.text, "the complaint")
            assert nurseries() == []
        await until(nurseries, "a nursery")
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_a_nursery_is_watched_also_where_descriptors_have_high_numbers(marker: str) -> None:
    """As of one that is replaced while a thousand connections are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    guarded.close()
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        null = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, null)
        while (copy := os.dup(null)) <= 1024:  # what select() can watch
            stack.callback(os.close, copy)
        stack.callback(os.close, copy)
        async with running(TREES["bash"], marker) as process:
            nursery_of(process).kill()
            async with running(TREES["bash"], marker) as second:
                assert nursery_of(second).is_running()
        guarded.close()
    assert nurseries() == []


async def test_a_nursery_that_does_not_answer_is_replaced(
    marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr(guarded, "CLOSE_LIMIT_S", 0.1)
    async with running(TREES["bash"], marker) as process:
        nursery_of(process).suspend()
        with pytest.raises(TimeoutError):
            spawn(["true"])
        monkeypatch.setattr(guarded, "ANSWER_LIMIT_S", LIMIT_S)
        async with running(TREES["bash"], marker):
            assert not process.exited.done()


def on(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def many() -> None:
        marker = uuid.uuid4().hex
        try:
            processes = [spawn(TREES["bash"], marker) for _ in range(64)]
            assert [await process.first_line for process in processes] == [b"ready\n"] * 64
            for process in processes[::2]:
                os.kill(process.pid, signal.SIGKILL)
            await asyncio.gather(*(process.end(grace_s=0.0) for process in processes))
            assert marked(marker) == []
        finally:
            kill_marked(marker)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(many(), 2 * LIMIT_S))


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_sixty_four_processes_at_once(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    guarded.prepare()
    on(loop_factory)
    before = open_fds()
    on(loop_factory)
    assert open_fds() <= before  # what earlier tests left may go meanwhile


# When the supervisor is killed:

HOST = """
import asyncio, os, sys
from aiges_loader.pool.process import WorkerProcess

async def main():
    process = WorkerProcess.spawn(sys.argv[1:], os.environ, lambda stream, line: None)
    print((await process.first_line).decode(), end="", flush=True)
    await process.exited

asyncio.run(main())
"""

HOST_THAT_DIES_AT_ONCE = """
import os, signal, socket, sys
from aiges_loader.pool import guarded

with_order = sys.argv[1] == "order"
made = guarded.RunningNursery()
if with_order:  # sent to an interpreter that is still starting, and then nobody is there
    channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    variables = [f"{name}={value}" for name, value in os.environ.items()]
    made.order(2, [os.getcwd(), "sleep", "600", *variables], [theirs.fileno(), 1, 2])
os.kill(os.getpid(), signal.SIGKILL)
"""


def host(marker: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, MARKER: marker, "PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_killed_supervisor_leaves_nothing(
    whole_group: bool, tree: list[str], marker: str
) -> None:
    """H62."""
    with host(marker, HOST, *tree) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"ready\n"
        if whole_group:
            os.killpg(supervisor.pid, signal.SIGKILL)
        else:
            supervisor.kill()
        gone_within(marker, 1.0)


@pytest.mark.parametrize("when", ["order", "no order"])
def test_a_supervisor_killed_while_its_nursery_starts_leaves_nothing(
    when: str, marker: str
) -> None:
    with host(marker, HOST_THAT_DIES_AT_ONCE, when) as supervisor:
        assert supervisor.wait(LIMIT_S) == -signal.SIGKILL
        gone_within(marker, 1.0)


def test_ctrl_c_at_the_supervisor_ends_all(marker: str) -> None:
    """H63."""
    with host(marker, HOST, *TREES["daemonises"]) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        os.killpg(supervisor.pid, signal.SIGINT)
        supervisor.wait(LIMIT_S)
        gone_within(marker, 1.0)


@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root and unshare"
)
def test_a_killed_supervisor_leaves_nothing_below_a_foreign_init(marker: str) -> None:
    script = '"$@" & wait $!; echo ended; sleep 600'
    unshare = ["unshare", "-pf", "--kill-child", "--mount-proc", "bash", "-c", script, "bash"]
    init = subprocess.Popen(
        [*unshare, sys.executable, "-c", HOST, *TREES["daemonises"]],
        env={**os.environ, MARKER: marker, "PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with init:
        try:
            assert init.stdout is not None
            assert init.stdout.readline() == b"ready\n"
            below = [psutil.Process(pid) for pid in marked(marker)]
            (started_by_us,) = psutil.Process(init.pid).children()
            (supervisor,) = started_by_us.children()
            others = [p for p in below if p.name() not in ("unshare", "bash") and p != supervisor]
            assert {"aiges-nursery", "aiges-guard"} < {process.name() for process in others}
            supervisor.kill()
            assert init.stdout.readline() == b"ended\n"
            assert all(dies_within(process.pid, 1.0) for process in others)
        finally:
            init.kill()
