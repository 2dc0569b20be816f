"""The worker's end of the native data channel: one connection, a lane, for each call at once.

A lane has a thread, which reads a call, runs it and writes its answer; what the supervisor sends
meanwhile waits in the socket. So calls of a lane begin in the order in which they were sent, each
after the one before it was answered, and nothing is handed from one thread to another.
"""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiges import running
from aiges._runtime.calling import WrapperHost
from aiges._runtime.frame_socket import FrameSocket, frame_of, is_ours, listen_at
from aiges._runtime.replies import Buffer, Failure, Input, Reply
from aiges_wire import frames
from aiges_wire.codes import Code

MAX_CANCELLED: Final = 1024
"""Calls of which we remember that they were cancelled before we got them."""

NOBODY_WAITS: Final = "nobody waited for it any more before it began"
TOO_LATE: Final = "its deadline passed before it began"

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
        self._listener, self.path = listen_at(folder, "data", limit)
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
            if not is_ours(peer):
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
                call.wait()
                # A callback that never comes must not cost the lane for ever.
                self._host.forget_call(call.tag)
                call.answer(Failure(Code.TIMEOUT, NOBODY_WAITS))
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
            lane.send_all(answers)


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
        self._cancelled = True  # first: it may be about to wait
        if self._waiting is not None:
            self._waiting.set()

    def is_late(self) -> bool:
        """Say whether the call's deadline has passed."""
        return 0 < self.deadline_us < time.monotonic_ns() // 1000

    def answer(self, reply: Reply) -> bool:
        """Send the reply if it is the first; say whether it was."""
        with self._lane.writing:
            if self._is_answered:
                return False
            try:
                self._lane.send_all(self.frame(reply))
            except OSError as error:  # the supervisor hung up; the lane's own thread ends by it
                log.debug("answer not sent: %s", error)
            self._is_answered = True
            if self._waiting is not None:
                self._waiting.set()
        return True

    def wait(self) -> None:
        """Wait until it is answered, by a callback, or nobody waits for that any more."""
        with self._lane.writing:
            if self._is_answered:
                return
            self._waiting = threading.Event()
        if not self._cancelled:
            self._waiting.wait(self.remaining_s)

    def frame(self, reply: Reply) -> list[Buffer]:
        """Write the frame of its answer."""
        return frame_of(self._number, reply, (time.perf_counter_ns() - self._began_ns) // 1000)


class _Lane(FrameSocket):
    """A connection for calls."""

    def receive(self) -> list[_LaneCall]:
        """Wait for the next call, or batch of calls; return none once there will be no more.

        Raises:
            FrameError: What came is no call.
        """
        header = self.next_header()
        if header is None:
            return []
        calls = [self._receive_one(header)]
        for missing in range(header.more, 0, -1):
            following = self.next_header()
            if following is None:
                raise frames.FrameError(f"a batch was cut off {missing} calls before its end")
            if following.more:
                raise frames.FrameError("a batch within a batch")
            calls.append(self._receive_one(following))
        return calls

    def _receive_one(self, header: frames.Header) -> _LaneCall:
        if header.kind is not frames.Kind.CALL:
            raise frames.FrameError(f"expected a CALL, got {header.kind.name}")
        meta = frames.read_call(header, self.read(header.meta_bytes))
        return _LaneCall(self, header, meta, self.read_inputs(meta.items))
