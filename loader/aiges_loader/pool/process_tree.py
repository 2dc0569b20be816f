"""What descends from this process, and what this process is: the kernel's side of a guard."""

from __future__ import annotations

import ctypes
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone would cost each guard a megabyte
    from collections.abc import Callable
    from typing import Final

FIRST_PAUSE_MS: Final = 1
LONGEST_PAUSE_MS: Final = 50
IDLE_PAUSE_MS: Final = 1000
"""Between two rounds of killing; the end of a child starts the next at once.

The last is for children that have ended or may not be killed.
"""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36

_ARG_START: Final = 45
"""Field of /proc/PID/stat, counted from the one after the name; the end of it comes next."""

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Below:
    """Everything that descends from this process, except what is below `spared` children."""

    def __init__(self) -> None:
        """Become the one to whom descendants are handed when their parents end."""
        self.spared: set[int] = set()
        self._own = os.getpid()
        self._pause_ms = FIRST_PAUSE_MS
        if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "cannot become a child subreaper")

    def kill(self) -> int | None:
        """Kill all that runs now; return the milliseconds to the next round, None if none did.

        Whole process groups are killed at once, so that a process that forks in a loop cannot
        get away. None of the groups is ours, since a worker begins a session of its own.
        """
        found = self._find()
        for group in {group for _, group, _ in found} - {os.getpgrp()}:
            send(os.killpg, group, signal.SIGKILL)
        killed = False
        for pid, _, runs in found:  # also one that has only lost its first thread
            killed = (send(os.kill, pid, signal.SIGKILL) and runs) or killed
        self._pause_ms = min(2 * self._pause_ms, LONGEST_PAUSE_MS) if killed else FIRST_PAUSE_MS
        return self._pause_ms if killed else None

    def _find(self) -> list[tuple[int, int, bool]]:
        """Return (pid, process group, whether it runs) of each descendant."""
        children: dict[int, list[tuple[int, int, bool]]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (read := _stat(name)) is not None:
                parent, group, runs = read
                children.setdefault(parent, []).append((int(name), group, runs))
        found = []
        parents = [self._own]
        while parents:
            for child in children.get(parents.pop(), ()):
                if child[0] not in self.spared:
                    parents.append(child[0])
                    found.append(child)
        return found


def _stat(pid: str) -> tuple[int, int, bool] | None:
    """Return a process's parent, its group, and whether it runs; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name is in parentheses and may hold any byte.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[2]), fields[0] not in b"ZXx"


def send(how: Callable[[int, int], None], target: int, number: int) -> bool:
    """Send a signal; say whether it could be sent."""
    try:
        how(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def step_aside(name: bytes) -> None:
    """Leave the session that we were started in, and its name in lists of processes.

    Who kills the supervisor by its name or command line does not mean us; we end by ourselves.
    """
    os.setsid()
    _prctl(_PR_SET_NAME, name, 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    begin, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    if len(name) < end - begin:  # where the kernel looks for the command line: our own memory
        ctypes.memmove(begin, name.ljust(end - begin, b"\0"), end - begin)


def die_with_parent() -> None:
    """Ask the kernel to kill this process, also after exec, when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
