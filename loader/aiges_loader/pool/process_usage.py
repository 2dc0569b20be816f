"""What the kernel says about the processes of workers: which one runs user code, what they use."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

RUNTIME: Final = "aiges.serve"
"""An argument of our worker's command line, and of the upstream SDK's."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker uses.

    Attributes:
        pid: Of the process that runs user code.
        rss_bytes: Resident memory of all the worker's processes.
        cpu_seconds: Processor time, user and system, of all the worker's processes, and of those
            of their children that have ended.
    """

    pid: int
    rss_bytes: int
    cpu_seconds: float


class ProcessTable:
    """All processes, as they were when this was made; reads /proc once for all workers."""

    def __init__(self) -> None:
        self._below: dict[int, list[psutil.Process]] = defaultdict(list)
        self._all: dict[int, psutil.Process] = {}
        for process in psutil.process_iter(["ppid"]):
            self._all[process.pid] = process
            self._below[process.info["ppid"]].append(process)

    def usage(self, root: int, address: str) -> Usage | None:
        """Look at a worker.

        Args:
            root: The process that was started: ours to wait for, often a shell.
            address: Where the worker listens, as grpc spells it; "" while that is unknown.

        Returns:
            None if the process has gone.
        """
        family = self._family(root)
        if not family:
            return None
        rss_bytes, cpu_seconds = 0, 0.0
        for member in family:
            try:
                with member.oneshot():
                    rss_bytes += member.memory_info().rss
                    times = member.cpu_times()
            except psutil.Error:  # it has just ended
                continue
            cpu_seconds += times.user + times.system + times.children_user + times.children_system
        return Usage(_user_process(family, address).pid, rss_bytes, cpu_seconds)

    def _family(self, root: int) -> Sequence[psutil.Process]:
        """Return a process and all its descendants, parents before their children."""
        family = [self._all[root]] if root in self._all else []
        for member in family:
            family += self._below[member.pid]
        return family


def _user_process(family: Sequence[psutil.Process], address: str) -> psutil.Process:
    """Find the one that runs user code.

    Shells and wrappers such as `timeout` start the worker but never listen; children that user
    code forks inherit the socket but come after their parent. Before the worker listens its command
    line tells, and for others than Python workers, that it is the last in the chain.
    """
    if address:
        for member in family:
            if _listens(member, address):
                return member
    named = [member for member in family if RUNTIME in _arguments(member)]
    return named[0] if named else family[-1]


def _listens(process: psutil.Process, address: str) -> bool:
    path = address.removeprefix("unix:")
    try:
        if path != address:
            return any(str(found.laddr) == path for found in process.net_connections("unix"))
        return any(
            found.status == psutil.CONN_LISTEN
            and str(found.laddr.port) == address.rpartition(":")[2]
            for found in process.net_connections("inet")
        )
    except psutil.Error:
        return False


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
