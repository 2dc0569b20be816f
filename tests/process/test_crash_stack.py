"""What a process that a signal kills leaves on stderr."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, faulthandler, resource, threading
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
faulthandler.enable(all_threads=False)
from aiges._runtime import crash_stack
assert crash_stack.enable()
libc = ctypes.CDLL(None)
def crash():
    {crash}
thread = threading.Thread(target=crash)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("crash", "number", "function"),
    [
        ("libc.abort()", signal.SIGABRT, "(abort+0x"),
        ("libc.strtol(ctypes.c_void_p(8), None, 10)", signal.SIGSEGV, "libc.so.6("),
        ("libc.raise_ = libc['raise']; libc.raise_(8)", signal.SIGFPE, "libc.so.6("),
    ],
)
def test_a_crash_leaves_the_stack_in_c_and_in_python(
    crash: str, number: signal.Signals, function: str
) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("from Python 3.14 on faulthandler itself writes C stacks")
    code = PROGRAM.format(crash=crash)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == -number
    title, innermost, *others = done.stderr.strip().splitlines()
    assert title == "C stack of the crash, the innermost function first:"
    assert function in "\n".join([innermost, *others[:2]])
    assert "libffi" in done.stderr  # and further out than the C library: who called it
    python = done.stderr.partition("Fatal Python error:")[2]
    assert "in crash" in python
    assert python.count("most recent call first") == 1
