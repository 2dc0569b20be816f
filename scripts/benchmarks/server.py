"""One running server: started, asked, watched, stopped."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

ROUTE: Final = "/v1/svcName"
START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 20.0
LEFT_BEHIND_S: Final = 2.0
ANSWER_LIMIT_S: Final = 30.0
ASK_EVERY_S: Final = 0.002
REST_S: Final = 0.5
REST_LIMIT_S: Final = 60.0
REST_CPU_SHARE: Final = 0.1
MIB: Final = 1 << 20


class ServerError(Exception):
    """A server did not start, answered wrongly, or lost a process; says what it wrote last."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server that will listen on `port` of the loopback interface."""

    command: Sequence[str | Path]
    cwd: Path
    environ: Mapping[str, str]
    port: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a server use together.

    Attributes:
        cpu_s: Since each of them began.
        rss_mib: Resident memory; what processes share counts once for each.
    """

    cpu_s: float
    rss_mib: float


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A server, from its start to the end of its last process.

    Attributes:
        fault_of: Says what is wrong with an answer (status, body) to `body`; None: nothing.
        log: Where its output goes.
        first_answer_s: From its start to its first right answer.
    """

    launch: Launch
    body: bytes
    fault_of: Callable[[int, bytes], str | None]
    log: Path
    first_answer_s: float = field(default=0.0, init=False)
    _tree: list[psutil.Process] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        began = time.perf_counter()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - a contender
                self.launch.command,
                cwd=self.launch.cwd,
                env=self.launch.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_for_an_answer(began + START_LIMIT_S)
            self.first_answer_s = time.perf_counter() - began
            self._tree = self._look_at_tree()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"http://127.0.0.1:{self.launch.port}{ROUTE}"

    @property
    def processes(self) -> int:
        """How many processes there are."""
        return len(self._tree)

    def rest(self) -> None:
        """Wait until all its processes are there and none of them is busy: further workers start.

        Raises:
            ServerError: That does not come.
        """
        until = time.perf_counter() + REST_LIMIT_S
        while time.perf_counter() < until:
            before, cpu_s = self._tree, self.usage().cpu_s
            time.sleep(REST_S)  # a window to measure over
            self._tree = self._look_at_tree()
            if self._tree == before and self.usage().cpu_s - cpu_s < REST_S * REST_CPU_SHARE:
                return
        raise self.error(f"does not come to rest within {REST_LIMIT_S:g} s")

    def check(self) -> None:
        """Ask once and look at the answer; a request that fails is for the client's statistics.

        Raises:
            ServerError: The answer claims to be one, and is wrong.
        """
        try:
            status, answer = ask(self.launch.port, self.body)
        except (OSError, http.client.HTTPException):
            return
        fault = self.fault_of(status, answer)
        if status == http.HTTPStatus.OK and fault is not None:
            raise self.error(f"a wrong answer: {fault}")

    def usage(self) -> Usage:
        """Add up what the processes use.

        Raises:
            ServerError: One of them is no more.
        """
        return self._usage_of(self._tree)

    def usage_of_first(self) -> Usage:
        """Return what the process that was started uses; the others are its descendants."""
        return self._usage_of(self._tree[:1])

    def stop(self) -> tuple[float, int]:
        """Send SIGTERM to the process that was started, and wait for its end.

        Returns:
            How long that took, in seconds, and how many of its descendants are there
            `LEFT_BEHIND_S` later.

        Raises:
            ServerError: It does not end.
        """
        told = time.perf_counter()
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise self.error(f"runs {STOP_LIMIT_S:g} s after SIGTERM") from None
        stopped_s = time.perf_counter() - told
        _, left = psutil.wait_procs(self._tree[1:], timeout=LEFT_BEHIND_S)
        return stopped_s, len(left)

    def _wait_for_an_answer(self, until: float) -> None:
        fault = "it did not listen"
        while time.perf_counter() < until:
            if self._process.poll() is not None:
                raise self.error(f"ended with status {self._process.returncode}")
            try:
                status, answer = ask(self.launch.port, self.body)
            except (OSError, http.client.HTTPException):
                time.sleep(ASK_EVERY_S)  # does not listen yet: nothing else tells
                continue
            said = self.fault_of(status, answer)
            if said is None:
                return
            if status == http.HTTPStatus.OK:
                raise self.error(f"a wrong answer: {said}")
            fault = said
            time.sleep(ASK_EVERY_S)
        raise self.error(f"no right answer within {START_LIMIT_S:g} s: {fault}")

    def _look_at_tree(self) -> list[psutil.Process]:
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _usage_of(self, processes: Sequence[psutil.Process]) -> Usage:
        cpu_s, rss_bytes = 0.0, 0
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss_bytes += process.memory_info().rss
            except psutil.NoSuchProcess:
                raise self.error(f"process {process.pid} ended while it was measured") from None
            cpu_s += times.user + times.system
        return Usage(cpu_s, rss_bytes / MIB)

    def error(self, problem: str) -> ServerError:
        """Return an error that shows what the server wrote last."""
        said = self.log.read_text("utf-8", "replace").strip()
        return ServerError(f"{problem}; its output ends with: {said[-600:] or 'nothing'}")

    def _end(self) -> None:
        """End every process of it, whatever state it is in."""
        left = {*self._tree, *(self._look_at_tree() if self._process.poll() is None else [])}
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        _, alive = psutil.wait_procs(list(left), timeout=LEFT_BEHIND_S)
        for process in alive:
            process.kill()  # psutil knows a pid that somebody else has got meanwhile


def ask(port: int, body: bytes) -> tuple[int, bytes]:
    """POST `body` on a connection of its own; return status and answer."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_S)
    try:
        client.request("POST", ROUTE, body, {"Content-Type": "application/json"})
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()
