"""Write the C stack to stderr when a signal kills the process, before faulthandler's Python stacks.

A library that crashes leaves no other trace of where. Nothing of Python may run in a handler of
such a signal: the thread that crashed may hold any lock. So the handler is a few instructions of
our own, which call three functions of the C library, all fit for that, and go on to the handler
that was there before. This is done on x86-64 with glibc; Python does it by itself from 3.14 on.
"""

import ctypes
import logging
import mmap
import platform
import signal
import struct
import sys
from typing import Final, TypeAlias

SIGNALS: Final = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGABRT,
)

TITLE: Final = b"\nC stack of the crash, the innermost function first:\n"

MAX_FRAMES: Final = 32

LIMIT_S: Final = 2
"""For the handler; a crash in the midst of malloc or of the linker could hold it for ever."""

PYTHON_THAT_DOES_IT: Final = (3, 14)

_STDERR: Final = 2
_SIGSET_BYTES: Final = 128
_SKIPPED: Final = 2  # the handler itself, and what the kernel returns to behind it
_POINTER_BYTES: Final = 8

_Bytes: TypeAlias = "ctypes.Array[ctypes.c_char]"

log = logging.getLogger("aiges.worker")


class _Action(ctypes.Structure):
    """`struct sigaction` of glibc."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_char * _SIGSET_BYTES),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def enable() -> bool:
    """Do so from now on; call it behind `faulthandler.enable`. Return whether that is possible."""
    if sys.version_info >= PYTHON_THAT_DOES_IT or platform.machine() != "x86_64":
        return False
    try:
        _install(ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libgcc_s.so.1"))
    except (OSError, AttributeError) as error:
        # Another C library, or memory that may be executed is forbidden; nothing has been changed.
        log.debug("no C stacks of crashes: %s", error)
        return False
    return True


def _install(libc: ctypes.CDLL, unwinder: ctypes.CDLL) -> None:
    frames = ctypes.create_string_buffer(MAX_FRAMES * _POINTER_BYTES)
    libc.backtrace(frames, 1)  # loads what it needs: in a handler that could deadlock
    title = ctypes.create_string_buffer(TITLE)
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    kept: list[object] = [frames, title, memory]
    for number in SIGNALS:
        before = _Action()
        if libc.sigaction(number, None, ctypes.byref(before)) != 0:
            raise OSError(ctypes.get_errno(), "sigaction")
        code = _handler(libc, frames=frames, title=title, then=before.handler)
        at = memory.tell()
        memory.write(code)
        unwinding = ctypes.create_string_buffer(_unwinding(start + at, len(code)))
        unwinder.__register_frame(unwinding)
        kept += [before, unwinding]
        if before.handler:
            mine = _Action.from_buffer_copy(before)
            mine.handler = start + at
            kept.append((number, mine))
    if libc.mprotect(ctypes.c_void_p(start), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    for entry in kept:
        if isinstance(entry, tuple):
            libc.sigaction(entry[0], ctypes.byref(entry[1]), None)
    _kept.append(kept)


_kept: Final[list[object]] = []
"""What the handlers use, for as long as the process lives."""


def _handler(
    libc: ctypes.CDLL,
    *,
    frames: ctypes.Array[ctypes.c_char],
    title: ctypes.Array[ctypes.c_char],
    then: int | None,
) -> bytes:
    """Assemble `alarm(); write(); backtrace(); backtrace_symbols_fd();`, then jump to `then`."""

    def call(function: object) -> bytes:
        # movabs rax, function; call rax
        return b"\x48\xb8" + _quad(_address(function)) + b"\xff\xd0"

    frame_list = ctypes.addressof(frames)
    return b"".join(
        (
            b"\x55\x48\x89\xe5",  # push rbp; mov rbp, rsp
            b"\x57\x56\x52\x50",  # push rdi, rsi, rdx: its three arguments; rax, to stay aligned
            *(b"\xbf" + _long(LIMIT_S), call(libc.alarm)),  # edi
            b"\xbf" + _long(_STDERR),
            b"\x48\xbe" + _quad(ctypes.addressof(title)),  # rsi
            b"\xba" + _long(len(TITLE)),  # edx
            call(libc.write),
            b"\x48\xbf" + _quad(frame_list),  # rdi
            b"\xbe" + _long(MAX_FRAMES),  # esi
            call(libc.backtrace),
            b"\x48\xbf" + _quad(frame_list + _SKIPPED * _POINTER_BYTES),
            b"\x8d\x70" + bytes((256 - _SKIPPED,)),  # lea esi, [rax - 2]
            b"\xba" + _long(_STDERR),
            call(libc.backtrace_symbols_fd),
            b"\x48\x8b\x7d\xf8\x48\x8b\x75\xf0\x48\x8b\x55\xe8\xc9",  # its arguments again; leave
            b"\x48\xb8" + _quad(then or 0) + b"\xff\xe0",  # movabs rax, then; jmp rax
        )
    )


def _unwinding(start: int, size: int) -> bytes:
    """Tell the unwinder how to get past the handler, in DWARF's words (.eh_frame).

    At each of its calls, the caller's frame is where rbp says: rbp itself at rbp, the return
    address above it.
    """
    rules = bytes(
        (
            *(0x0C, 6, 16),  # DW_CFA_def_cfa: rbp + 16
            *(0x80 | 6, 2),  # DW_CFA_offset: rbp at cfa - 2 * 8
            *(0x80 | 16, 1),  # the return address at cfa - 8
        )
    )
    # Version 1, no augmentation, code in bytes, data in -8 bytes, return address in column 16.
    common = _long(0) + bytes((1, 0, 1, 0x78, 16)) + rules
    common += bytes(-len(common) % 4)
    common = _long(len(common)) + common
    ours = _long(len(common) + 4) + _quad(start) + _quad(size)
    return common + _long(len(ours)) + ours + _long(0)


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def _quad(number: int) -> bytes:
    return struct.pack("<Q", number)


def _long(number: int) -> bytes:
    return struct.pack("<I", number)
