"""The worker's end of the native data channel: one connection, a lane, for each call at once.

A lane has a thread, which reads a call, runs it and writes its answer; what the supervisor sends
meanwhile waits in the socket. So calls of a lane begin in the order in which they were sent, each
after the one before it was answered, and nothing is handed from one thread to another.
"""

import logging
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiges import running
from aiges._runtime.calling import WrapperHost
from aiges._runtime.replies import Answer, Buffer, Failure, Input, Reply
from aiges_wire import frames
from aiges_wire.codes import Code

SMALL_BYTES: Final = 64 << 10
"""Meta and data up to this size are read together; longer data is read item by item, in place."""

MAX_CANCELLED: Final = 1024
"""Calls of which we remember that they were cancelled before we got them."""

NOBODY_WAITS: Final = "nobody waited for it any more before it began"
TOO_LATE: Final = "its deadline passed before it began"

_PEER: Final = struct.Struct("3i")  # pid, uid, gid

log = logging.getLogger("aiges.worker")


class Lanes:
    """All lanes of this worker.

    Attributes:
        path: Where the supervisor connects.
    """

    def __init__(self, host: WrapperHost, folder: Path, limit: int) -> None:
        """Listen.

        Args:
            host: Runs the calls.
            folder: Private; gets the socket.
            limit: How many lanes there may be: calls at once.

        Raises:
            OSError: There can be no socket.
        """
        self._host = host
        self._limit = limit
        self.path = folder / f"data-{os.getpid()}-{secrets.token_hex(4)}.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(limit)
        self._batched: dict[_Lane, int] = {}  # calls in a batch that runs
        self._lanes: set[_Lane] = set()
        self._calls: dict[str, _LaneCall] = {}
        self._cancelled: dict[str, None] = {}  # before we got them, the oldest first

    def start(self) -> None:
        """Begin to accept, in a thread."""
        threading.Thread(target=self._accept, name="lanes", daemon=True).start()

    @property
    def running_calls(self) -> int:
        """How many calls are in user code, or wait for their callback."""
        return len(self._calls) + sum(list(self._batched.values()))

    def answer(self, tag: str, reply: Reply) -> bool:
        """Answer the call `tag`, from any thread; say whether it is one of ours, unanswered."""
        call = self._calls.get(tag)
        return call is not None and call.answer(reply)

    def cancel(self, tag: str) -> None:
        """Take in that nobody waits for `tag`, which may run, wait in its lane, or have ended."""
        self._cancelled[tag] = None  # first: its lane may be about to begin it
        call = self._calls.get(tag)
        if call is not None:
            call.cancel()
            self._cancelled.pop(tag, None)
        while len(self._cancelled) > MAX_CANCELLED:
            self._cancelled.pop(next(iter(self._cancelled)), None)

    def _accept(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            if _uid_of(peer) != os.geteuid():
                log.error("a lane was opened by another user; closed")
                peer.close()
            elif len(self._lanes) >= self._limit:
                log.error("more lanes were opened than the %d calls at once; closed", self._limit)
                peer.close()
            else:
                lane = _Lane(peer)
                self._lanes.add(lane)
                name = f"lane_{len(self._lanes)}"
                threading.Thread(target=self._serve, args=(lane,), name=name, daemon=True).start()

    def _serve(self, lane: "_Lane") -> None:
        try:
            while calls := lane.receive():
                if len(calls) == 1:
                    self._run(calls[0])
                else:
                    self._run_together(lane, calls)
        except frames.FrameError as error:
            log.error("lane closed: %s", error)  # noqa: TRY400 - it says all there is to say
        except OSError as error:
            log.debug("lane broke: %s", error)
        finally:
            self._lanes.discard(lane)
            lane.close()

    def _run(self, call: "_LaneCall") -> None:
        if call.is_late():  # its client has been answered; this only frees the lane
            call.answer(Failure(Code.TIMEOUT, TOO_LATE))
            return
        self._calls[call.tag] = call
        if self._cancelled and call.tag in self._cancelled:
            del self._cancelled[call.tag], self._calls[call.tag]
            call.answer(Failure(Code.TIMEOUT, NOBODY_WAITS))
            return
        token = running._current.set(call)
        try:
            reply = self._host.run_once(call.tag, call.params, call.inputs)
            if reply is None:
                call.wait()  # a call keeps its lane until its callback came
            else:
                call.answer(reply)
        finally:
            running._current.reset(token)
            del self._calls[call.tag]

    def _run_together(self, lane: "_Lane", calls: Sequence["_LaneCall"]) -> None:
        """Run a batch. Only what its method returns answers it: callbacks find none of its tags."""
        late = Failure(Code.TIMEOUT, TOO_LATE)
        replies: list[Reply] = [late] * len(calls)
        due = [number for number, call in enumerate(calls) if not call.is_late()]
        if due:
            self._batched[lane] = len(due)
            try:
                done = self._host.run_batch([(calls[i].params, calls[i].inputs) for i in due])
            finally:
                del self._batched[lane]
            for number, reply in zip(due, done, strict=True):
                replies[number] = reply
        answers: list[Buffer] = []
        for call, reply in zip(calls, replies, strict=True):
            answers += call.frame(reply)
        with lane.writing:
            lane.send(answers)


class _LaneCall:
    """One call, answered once: by what the wrapper returns, or by the first callback.

    To user code it is a `RunningCall`.
    """

    __slots__ = (
        "_began_ns",
        "_cancelled",
        "_is_answered",
        "_lane",
        "_number",
        "_waiting",
        "deadline_us",
        "inputs",
        "params",
        "tag",
    )

    def __init__(
        self, lane: "_Lane", header: frames.Header, meta: frames.CallMeta, inputs: list[Input]
    ) -> None:
        self._lane = lane
        self._number = header.call
        self._began_ns = time.perf_counter_ns()
        self.deadline_us = header.number
        self.tag = meta.tag
        self.params = meta.params
        self.inputs = inputs
        self._is_answered = False
        self._cancelled = False
        self._waiting: threading.Event | None = None  # made only for calls that need one

    @property
    def sid(self) -> str:
        """See `RunningCall`."""
        return self.tag

    @property
    def is_cancelled(self) -> bool:
        """See `RunningCall`."""
        return self._cancelled or self.is_late()

    @property
    def remaining_s(self) -> float | None:
        """See `RunningCall`."""
        if not self.deadline_us:
            return None
        return max(0.0, (self.deadline_us - time.monotonic_ns() // 1000) / 1_000_000)

    def cancel(self) -> None:
        """Take in that nobody waits any more."""
        self._cancelled = True

    def is_late(self) -> bool:
        """Say whether the call's deadline has passed."""
        return 0 < self.deadline_us < time.monotonic_ns() // 1000

    def answer(self, reply: Reply) -> bool:
        """Send the reply if it is the first; say whether it was."""
        with self._lane.writing:
            if self._is_answered:
                return False
            try:
                self._lane.send(self.frame(reply))
            except OSError as error:  # the supervisor hung up; the lane's own thread ends by it
                log.debug("answer not sent: %s", error)
            self._is_answered = True
            if self._waiting is not None:
                self._waiting.set()
        return True

    def wait(self) -> None:
        """Wait until it is answered, by a callback."""
        with self._lane.writing:
            if self._is_answered:
                return
            self._waiting = threading.Event()
        self._waiting.wait()

    def frame(self, reply: Reply) -> list[Buffer]:
        """Write the frame of its answer."""
        return _frame(self._number, reply, (time.perf_counter_ns() - self._began_ns) // 1000)


class _Lane:
    """One connection: reads are its thread's, writes are under a lock."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer
        self._buffer = b""  # what has come, from `_at` on
        self._at = 0
        self._expects_small = True
        self.writing = threading.Lock()

    def receive(self) -> list[_LaneCall]:
        """Wait for the next call, or batch of calls; return none once there will be no more.

        Raises:
            FrameError: What came is no call.
        """
        if not self._has(frames.HEADER_BYTES):
            return []
        header = self._read_header()
        calls = [self._receive_one(header)]
        for missing in range(header.more, 0, -1):
            if not self._has(frames.HEADER_BYTES):
                raise frames.FrameError(f"a batch was cut off {missing} calls before its end")
            header = self._read_header()
            if header.more:
                raise frames.FrameError("a batch within a batch")
            calls.append(self._receive_one(header))
        return calls

    def _read_header(self) -> frames.Header:
        header = frames.read_header(self._buffer, self._at)
        self._at += frames.HEADER_BYTES
        self._expects_small = header.meta_bytes + header.data_bytes <= SMALL_BYTES
        return header

    def _receive_one(self, header: frames.Header) -> _LaneCall:
        if header.kind is not frames.Kind.CALL:
            raise frames.FrameError(f"expected a CALL, got {header.kind.name}")
        meta = frames.read_call(header, self._read(header.meta_bytes))
        inputs = []
        for key, length, kind, status, desc in meta.items:
            inputs.append(Input(key, self._read(length), kind, status, dict(desc)))
        return _LaneCall(self, header, meta, inputs)

    def _has(self, size: int) -> bool:
        """Wait until `size` bytes are in the buffer; False if the peer hung up before the first.

        What comes with them is taken as well, because each system call gives the interpreter's lock
        away; but not after a large call: the data of the next would have to be moved.
        """
        while (missing := size - (len(self._buffer) - self._at)) > 0:
            more = self._socket.recv(SMALL_BYTES if self._expects_small else missing)
            if not more:
                if missing == size:
                    return False
                raise frames.FrameError(f"a frame was cut off {missing} bytes before its end")
            self._buffer = self._buffer[self._at :] + more if self._at < len(self._buffer) else more
            self._at = 0
        return True

    def _read(self, size: int) -> bytes:
        """Read exactly `size` bytes: from the buffer, or if they are many, in place."""
        if size <= SMALL_BYTES:
            if size and not self._has(size):
                raise frames.FrameError(f"a frame was cut off {size} bytes before its end")
            self._at += size
            return self._buffer[self._at - size : self._at]
        pieces, self._buffer, self._at = [self._buffer[self._at :]], b"", 0
        missing = size - len(pieces[0])
        while missing > 0:  # once, unless a signal comes in between
            data = self._socket.recv(missing, socket.MSG_WAITALL)
            if not data:
                raise frames.FrameError(f"a frame was cut off {missing} bytes before its end")
            pieces.append(data)
            missing -= len(data)
        if missing < 0:
            self._buffer, pieces[0] = pieces[0][size:], pieces[0][:size]
        return pieces[1] if len(pieces) == 2 and not pieces[0] else b"".join(pieces)  # noqa: PLR2004

    def send(self, buffers: list[Buffer]) -> None:
        """Write all of `buffers`; the caller holds `writing`."""
        if len(buffers) > frames.MAX_BUFFERS:
            buffers = [b"".join(buffers)]
        total = sum(map(len, buffers))
        sent = self._socket.sendmsg(buffers)
        while sent < total:  # a signal came in between
            buffers = frames.behind(buffers, sent)
            total -= sent
            sent = self._socket.sendmsg(buffers)

    def close(self) -> None:
        self._socket.close()


def _frame(number: int, reply: Reply, spent_us: int) -> list[Buffer]:
    if not isinstance(reply, Answer):
        return [frames.failure(number, reply.code, reply.text, spent_us=spent_us)]
    items = [
        (output.key, len(output.data), output.type, output.status, output.desc)
        for output in reply.outputs
    ]
    head = frames.answer(number, items, spent_us=spent_us)
    return [head, *(output.data for output in reply.outputs)]


def _uid_of(peer: socket.socket) -> int:
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid)
