"""Trees of processes, found by a marker in their environment, and programs that grow them."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER = "AIGES_TEST_TREE"


def marked(marker: str) -> list[int]:
    """Return the pids of the processes that run, however daemonised, with this marker."""
    wanted = f"{MARKER}={marker}".encode()
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return [pid for pid in pids if any(wanted in variables for variables in environs(pid))]


def environs(pid: int) -> Iterator[list[bytes]]:
    """Yield the environment as each thread has it: one that has ended, as in a zombie, has none."""
    folder = Path(f"/proc/{pid}/task")
    try:
        threads = os.listdir(folder)
    except FileNotFoundError:  # it has just ended
        return
    for thread in threads:
        try:
            yield (folder / thread / "environ").read_bytes().split(b"\0")
        except OSError:
            continue


def describe(pids: list[int]) -> list[str]:
    """Say what the processes are, for a failed test."""
    lines = []
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        lines.append(f"{pid} {b' '.join(words).decode()[:150]!r}")
    return lines


def gone_within(marker: str, seconds: float) -> float:
    """Wait until no process has the marker; return how long it took, fail if it takes longer."""
    began = time.monotonic()
    while left := marked(marker):
        assert time.monotonic() - began < seconds, describe(left)
        time.sleep(0.005)
    return time.monotonic() - began


def kill_marked(marker: str) -> None:
    """Clean up after a failed test."""
    for pid in marked(marker):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


DAEMONISES = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""

IGNORES_SIGTERM = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""

HAS_CHILDREN = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setpgid(0, 0)
        if os.fork() == 0:
            os.setsid()
        time.sleep(600)
print("ready", flush=True)
time.sleep(600)
"""

FORKS_AND_RUNS = """
import os, time
print("ready", flush=True)
if os.fork() == 0:
    while True:  # always another process, in another session each time
        if os.fork():
            os._exit(0)
        os.setsid()
time.sleep(600)
"""

CLOSES_ITS_DESCRIPTORS = """
import os, time
os.write(1, b"ready\\n")
os.closerange(0, 4096)
if os.fork() == 0:
    os.setsid()
time.sleep(600)
"""

LOSES_ITS_FIRST_THREAD = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""

STOPS_ITSELF = """
import os, signal
if os.fork() == 0:
    os.setsid()
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
os.wait()
"""

TREES: dict[str, list[str]] = {
    "daemonises": [sys.executable, "-c", DAEMONISES],
    "ignores-sigterm": [sys.executable, "-c", IGNORES_SIGTERM],
    "has-children": [sys.executable, "-c", HAS_CHILDREN],
    "forks-and-runs": [sys.executable, "-c", FORKS_AND_RUNS],
    "closes-its-descriptors": [sys.executable, "-c", CLOSES_ITS_DESCRIPTORS],
    "loses-its-first-thread": [sys.executable, "-c", LOSES_ITS_FIRST_THREAD],
    "stops-itself": [sys.executable, "-c", STOPS_ITSELF],
    "bash": ["bash", "-c", "echo ready && sleep 600 && true"],
    "bash-in-the-background": [
        "bash",
        "-c",
        "trap '' TERM; (setsid sleep 600 &) ; echo ready; wait; sleep 600",
    ],
}
"""Programs that print `ready` and then stay until they are killed."""
