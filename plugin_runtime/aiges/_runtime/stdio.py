"""Where this process's output goes: stdout belongs to the handshake until its line is out."""

import asyncio
import fcntl
import os
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

STDOUT: Final = 1
STDERR: Final = 2
BUFFER_BYTES: Final = 1 << 20
"""Output kept for a host that has not asked yet; beyond it the oldest is dropped."""

_CHUNK_BYTES: Final = 64 << 10
_LAST_READ_S: Final = 0.2


class Output:
    """Owns the real stdout, and sends what user code prints where it does no harm.

    Until the handshake line is written, file descriptor 1 leads elsewhere: C code and child
    processes that print are caught as well. Afterwards, with a host that drains stdout (ours), user
    output goes straight there, so that nothing is lost when the process dies; with any other
    go-plugin host it is kept and streamed by GRPCStdio, because such hosts discard later stdout
    lines and stop reading at an overlong one.
    """

    def __init__(self, *, drained: bool) -> None:
        """Take file descriptor 1 away at once."""
        self._handshake_fd = os.dup(STDOUT)
        self._drained = drained
        self._stored = _Stored()
        if drained:
            os.dup2(STDERR, STDOUT)
        else:
            self._stored.capture(STDOUT)
        if hasattr(sys.stdout, "reconfigure"):
            # A line at a time: what was printed before a crash has been seen.
            sys.stdout.reconfigure(line_buffering=True)

    @property
    def watched(self) -> tuple[int, int]:
        """File descriptors whose far ends the host holds."""
        return self._handshake_fd, STDERR

    def announce(self, line: bytes) -> None:
        """Write the handshake line; raise OSError if the host is gone."""
        os.write(self._handshake_fd, line)
        if self._drained:
            sys.stdout.flush()
            os.dup2(self._handshake_fd, STDOUT)

    def closed(self, fd: int) -> None:
        """Throw away what is written to a watched `fd` from now on: its reader has gone."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, fd, inheritable=fd == STDERR)
        if fd == self._handshake_fd and self._drained:
            os.dup2(nowhere, STDOUT)
        os.close(nowhere)

    def stream(self) -> AsyncIterator[bytes]:
        """Yield chunks of captured output as they come; endless, and empty if stdout is drained."""
        return self._stored.chunks()

    def finish(self) -> None:
        """Let `stream` end once it has given away what was printed until now."""
        sys.stdout.flush()
        if not self._drained:
            os.dup2(STDERR, STDOUT)
        self._stored.finish()


class _Stored:
    """A bounded store between the thread that reads a pipe and the coroutines that stream it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._size_bytes = 0
        self._finished = False
        self._streams: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._reader: threading.Thread | None = None

    def capture(self, fd: int) -> None:
        """Point `fd` at a pipe that a thread reads to its end."""
        read_end, write_end = os.pipe()
        # User code may print while it holds the interpreter's lock, when our thread cannot read.
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, BUFFER_BYTES)
        os.dup2(write_end, fd)
        os.close(write_end)
        self._reader = threading.Thread(
            target=self._read, args=(read_end,), name="captured-stdout", daemon=True
        )
        self._reader.start()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is stored and what comes, until `finish`. Two streams share the chunks."""
        changed = asyncio.Event()
        self._streams[changed] = asyncio.get_running_loop()
        try:
            while True:
                with self._lock:
                    chunk = self._take()
                    finished = self._finished
                if chunk:
                    yield chunk
                elif finished:
                    return
                else:
                    await changed.wait()
                    changed.clear()
        finally:
            del self._streams[changed]

    def finish(self) -> None:
        """End the streams once they have given everything away."""
        if self._reader is not None:
            self._reader.join(_LAST_READ_S)  # a child process may hold the pipe open for ever
        self._finished = True
        self._wake()

    def _read(self, fd: int) -> None:
        while chunk := os.read(fd, _CHUNK_BYTES):
            with self._lock:
                self._chunks.append(chunk)
                self._size_bytes += len(chunk)
                while self._size_bytes > BUFFER_BYTES:
                    self._take()
            self._wake()

    def _take(self) -> bytes:
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        self._size_bytes -= len(chunk)
        return chunk

    def _wake(self) -> None:
        for changed, loop in list(self._streams.items()):
            with suppress(RuntimeError):  # the loop has closed: nobody listens any more
                loop.call_soon_threadsafe(changed.set)
