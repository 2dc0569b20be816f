"""One slot of the pool: an owner task that keeps one worker process running."""

import asyncio
import logging
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from aiges_loader import logs
from aiges_loader.calls import Call, Reply
from aiges_loader.pool.admission import Load
from aiges_loader.pool.channel import Asked, CallChannel
from aiges_loader.pool.client import WorkerCallError, WorkerClient
from aiges_loader.pool.guarded import PlacementError
from aiges_loader.pool.lifecycle import COMING, Event, State, advance
from aiges_loader.pool.pending import Resolve, into
from aiges_loader.pool.placement import Placement
from aiges_loader.pool.process import Stream, WorkerProcess, resident_bytes
from aiges_loader.pool.restart import GiveUp, RestartPolicy
from aiges_loader.pool.socket_dir import remove_dead_socket
from aiges_loader.pool.waiting import first_of
from aiges_loader.pool.worker_link import LinkError, WorkerLink, new_link
from aiges_loader.pool.worker_log import LineSplitter, LogReader
from aiges_loader.pool.worker_spec import Cause, Death, WorkerSpec
from aiges_wire import handshake
from aiges_wire.worker_env import DUMP_SIGNAL

FINI_LIMIT_S: Final = 5.0
"""How long wrapperFini may take; told to ours, and given to any that can be asked to leave."""

TERM_GRACE_S: Final = 2.0
"""Between SIGTERM and SIGKILL, for a worker that did not leave when asked."""

SHUTDOWN_RPC_S: Final = 1.0

DUMP_S: Final = 0.5
"""How long a hung worker gets to write its stacks."""

SHORT_PAUSE_S: Final = 0.5
"""A restart delay up to this is worth waiting for: calls take it for part of the start."""

DEATH_NOTICE_S: Final = 0.2
"""A dying worker's connection breaks a moment before its exit is seen; so long we wait for that."""

_NO_BATCHES: Final = (
    "its wrapper defines no wrapperBatchExec, or it speaks version 1; [batch] has no effect"
)

_OUTCOMES: Final = frozenset({State.READY, State.BACKOFF, State.STOPPED})

log = logging.getLogger(__name__)

T = TypeVar("T")


class WorkerStartError(Exception):
    """The process runs but does not become a worker; the message says what is missing."""


class _StopAskedError(Exception):
    """`stop` came while the worker was being started."""


class _ExitedError(Exception):
    """The process ended while it was being started."""


class Worker:
    """A worker kept running until `stop`.

    `run` is the only writer of `state`; the other methods read it or leave `run` a request.

    Attributes:
        number: From 1; in logs and reports.
        pid: Of the running process, None while there is none.
        address: Where that process listens, "" while that is unknown.
        taken_address: Where the last process wanted to listen though another worker does, or "".
        schema: What the wrapper says of itself, from the last start.
        running: Calls that the worker has, reserved ones included.
        served: Calls that it has been done with, over all its processes.
        first_outcome: Resolves at the end of the first start: True if the worker became ready.
        restarts: How often a process was replaced after a death.
        death: How the last process ended.
        since: When `state` became what it is, in monotonic seconds.
        time_to_ready_s: What the last start took, None before the first has succeeded.
    """

    def __init__(
        self, number: int, spec: WorkerSpec, policy: RestartPolicy, *, keep_probing: bool
    ) -> None:
        """Make a stopped worker.

        Args:
            number: From 1.
            spec: What to run.
            policy: When to run it again.
            keep_probing: Past the policy's limit, go on trying every `policy.backoff_max_s`.
        """
        self.number = number
        self.state = State.STOPPED
        self.pid: int | None = None
        self.address = ""
        self.taken_address = ""
        self.schema = ""
        self.running = 0
        self.served = 0
        self.restarts = 0
        self.death: Death | None = None
        self.since = time.monotonic()
        self.time_to_ready_s: float | None = None
        self.first_outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.on_change: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None
        self.on_restart: Callable[[Cause], None] = lambda _cause: None
        self.is_taken: Callable[[str], bool] = lambda _address: False
        self._spec = spec
        self._policy = policy
        self._keep_probing = keep_probing
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls: CallChannel | None = None
        self._data_address = ""
        self._ready_since: float | None = None
        self._started_at = self.since
        self._cause = Cause.START
        self._calls_at_end: tuple[str, ...] = ()
        self._restart_delay_s = 0.0
        self._served_before = 0
        self._drain_s = spec.drain_timeout_s
        self._dice = 0.0
        self._log = logging.getLogger(f"worker.{number}")

    # What others may ask:

    @property
    def takes_calls(self) -> bool:
        """Say whether a call may be given to this worker now."""
        return self.state is State.READY and self._calls is not None and self._calls.listens

    @property
    def is_coming(self) -> bool:
        """Say whether this worker may soon take calls though it does not now."""
        if self._stop.is_set() or self.takes_calls:
            return False
        # READY but mute: it has just died, and what follows is decided in a moment.
        if self.state in COMING or self.state in (State.STOPPED, State.READY):
            return True
        return self.state is State.BACKOFF and self._restart_delay_s <= SHORT_PAUSE_S

    @property
    def batches(self) -> bool:
        """Say whether it takes batches now."""
        return self.takes_calls and self._calls is not None and self._calls.batches

    def load(self) -> Load:
        """Return what the choice among workers needs."""
        # Calls that shall go together wait where they can still be joined by others.
        ahead = self._calls.ahead if self._calls and not self._spec.batching else 0
        return Load(self.running, self._spec.concurrency, ahead)

    @property
    def placement(self) -> Placement:
        """What it gets of the machine."""
        return self._spec.placements.of(self.number)

    @property
    def is_leaving(self) -> bool:
        """Say whether this worker was asked to stop."""
        return self._stop.is_set()

    def wear(self) -> str:
        """Say why the running process should be replaced by a fresh one; "" if it should not."""
        if not self.takes_calls or self.is_leaving or self.pid is None or self._ready_since is None:
            return ""
        policy = self._spec.wear
        return policy.verdict(
            served=self.served - self._served_before,
            rss_bytes=resident_bytes(self.pid) if policy.max_rss_bytes else 0,
            age_s=time.monotonic() - self._ready_since,
            dice=self._dice,
        )

    def reserve(self) -> None:
        """Count one more call; `once` or `release` follows."""
        self.running += 1
        self._idle.clear()

    def release(self) -> None:
        """Count one call less."""
        self.running -= 1
        if self.running == 0:
            self._idle.set()
        self.on_room()

    async def once(self, call: Call) -> Reply:
        """Run one call, for which a place was reserved, while `takes_calls`.

        Raises:
            CallError: As the worker or its wrapper failed.
            NotBegunError: The worker died before it began the call.
        """
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        abandon = self.begin(call, into(answer))
        try:
            return await answer
        finally:
            abandon()

    def begin(self, call: Call, resolve: Resolve) -> Callable[[], None]:
        """Begin one call, for which a place was reserved, while `takes_calls`.

        Args:
            call: The call.
            resolve: Gets the outcome, never before this returns.

        Returns:
            What is to be called when nobody waits for the outcome any more.
        """
        calls = self._calls
        if calls is None:
            raise AssertionError("asked for a call though it takes none")
        return partial(calls.abandon, calls.begin(call, resolve, self._call_done))

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Run a batch, for which one place was reserved, while `batches`.

        Args:
            batch: Calls, and what gets their outcomes.
            on_done: Called when the worker is done with all of them.
        """
        if self._calls is None:
            raise AssertionError("asked for a batch though it takes none")
        left = len(batch)

        def one_done() -> None:
            nonlocal left
            left -= 1
            self.served += 1
            if not left:
                on_done()
                self.release()

        self._calls.begin_together(batch, one_done)

    def stop(self, *, drain_s: float | None = None) -> None:
        """Ask `run` to drain and return. Safe to call twice, and before `run`.

        Args:
            drain_s: How long calls may take to finish; None is what the spec says.
        """
        if drain_s is not None:
            self._drain_s = drain_s
        self._stop.set()

    # The owner task:

    async def run(self) -> None:
        """Keep a process alive until `stop`; cancel to kill it."""
        exits: tuple[float, ...] = ()
        while not self._stop.is_set():
            await self._live_once()
            if self.state is State.STOPPED:
                return
            ready_for_s = time.monotonic() - self._ready_since if self._ready_since else 0.0
            decision = self._policy.decide(
                exits,
                time.monotonic(),
                ready_for_s=ready_for_s,
                dice=random.random(),  # noqa: S311 - jitter, no secret
            )
            exits = decision.exits
            delay_s: float | None
            if isinstance(decision, GiveUp):
                delay_s = self._policy.backoff_max_s if self._keep_probing else None
                self._move(Event.GAVE_UP)
                log.error("worker failed worker=%d deaths=%d", self.number, len(exits))
            else:
                delay_s = self._restart_delay_s = decision.delay_s
                self.on_change()
            await first_of(self._stop.wait(), limit_s=delay_s)
            if not self._stop.is_set():
                self.restarts += 1
                self.on_restart(self._cause)
                log.info("restarting worker=%d after=%.1fs", self.number, delay_s or 0.0)
        if self.state is not State.STOPPED:
            self._move(Event.STOP)
        elif not self.first_outcome.done():
            self.first_outcome.set_result(False)  # stopped before it ever ran

    async def _live_once(self) -> None:
        """Run one process from spawn to reap; leave the state at BACKOFF or STOPPED."""
        self._ready_since = None
        self._cause = Cause.START
        self._calls_at_end = ()
        self._restart_delay_s = 0.0
        self._served_before = self.served
        self._dice = random.random()  # noqa: S311 - jitter, no secret
        self._move(Event.START)
        self._started_at = self.since
        try:
            link = new_link(self._spec.socket_dir, auto_mtls=self._spec.auto_mtls)
            process = self._spawn(link)
        except (OSError, LinkError, PlacementError) as error:
            reason = f"{error.strerror}" if isinstance(error, OSError) else str(error)
            self._died(f"cannot run {self._spec.command[0]}: {reason}")
            self._move(Event.EXITED)
            return
        self.pid = process.pid
        self._move(Event.SPAWNED)
        log.info("worker started worker=%d pid=%d", self.number, process.pid)
        reason = ""
        try:
            reason = await self._life(process, link)
        except WorkerStartError as error:
            reason = str(error)
        except _StopAskedError:
            self._move(Event.STOP)
        except _ExitedError:
            pass  # the exit itself says why
        finally:  # crash, bad start, stop or cancellation: the process never outlives this line
            left = await process.end(grace_s=TERM_GRACE_S if self.state is State.STOPPING else 0.0)
            self.pid = None
            for address in (self.address, self._data_address):
                remove_dead_socket(address)
            self.address = self._data_address = ""
        if left is None:
            log.error("worker cannot be killed worker=%d pid=%d", self.number, process.pid)
        if self.state is State.STOPPING:
            log.info("worker stopped worker=%d %s", self.number, left)
        else:
            self._died(
                reason or str(left),
                by_signal=not reason and left is not None and left.by_signal,
                status=left.status if left is not None else None,
                tail=tuple(process.tail),
            )
        self._move(Event.EXITED)

    def _spawn(self, link: WorkerLink) -> WorkerProcess:
        readers = {stream: LogReader() for stream in Stream}

        def on_line(stream: Stream, line: bytes) -> None:
            self._log_line(readers[stream], stream, line)

        spec = self._spec
        environ = spec.handshake_environ(self.number, stop_grace_s=FINI_LIMIT_S)
        environ |= link.environ
        return WorkerProcess.spawn(spec.command, environ, on_line, self.placement)

    async def _life(self, process: WorkerProcess, link: WorkerLink) -> str:
        """Start, serve, drain; return why the process must end if it does not by itself."""
        spec = self._spec
        try:
            async with asyncio.timeout(spec.start_timeout_s):
                shaken = await self._race(process, self._shake_hands(process, link))
        except TimeoutError:
            raise WorkerStartError(
                f"no handshake line within {spec.start_timeout_s:g} s (startTimeout)"
            ) from None
        self._move(Event.SHOOK_HANDS)
        splitters = {stream: (LineSplitter(), LogReader()) for stream in Stream}

        def on_output(stream: Stream, data: bytes) -> None:
            splitter, reader = splitters[stream]
            for line in splitter.feed(data):
                self._log_line(reader, stream, line)

        async with (
            link.open(shaken) as reachable,
            WorkerClient(reachable, on_output, concurrency=spec.concurrency) as client,
        ):
            await self._initialise(process, client)
            self._calls, self._data_address = client.calls, client.data_address
            self._ready_since = time.monotonic()
            self.time_to_ready_s = self._ready_since - self._started_at
            self._cause = Cause.CRASH  # whatever ends it from here on, unless it hangs
            self._move(Event.INITIALISED)
            log.info("worker ready worker=%d pid=%d", self.number, process.pid)
            if spec.batching and not self._calls.batches:
                log.warning("no batches worker=%d reason=%s", self.number, _NO_BATCHES)
            try:
                return await self._serve(process, client)
            finally:
                self._calls = None

    async def _shake_hands(self, process: WorkerProcess, link: WorkerLink) -> handshake.Handshake:
        line = await process.first_line
        if not line:
            # It has closed its stdout; a moment later it has usually ended, which says more.
            await asyncio.wait([process.exited], timeout=DEATH_NOTICE_S)
            if process.exited.done():
                raise _ExitedError
            raise WorkerStartError("closed its stdout without a handshake line")
        try:
            shaken = handshake.decode(line, offered=self._spec.versions)
            self._take(shaken.target())
            await link.check(shaken)
        except handshake.HandshakeError as error:
            raise WorkerStartError(f"no handshake: {error}") from None
        except LinkError as error:
            await asyncio.wait([process.exited], timeout=DEATH_NOTICE_S)
            if process.exited.done():
                raise _ExitedError from None
            raise WorkerStartError(str(error)) from None
        return shaken

    def _take(self, address: str) -> None:
        if self.is_taken(address):
            self.taken_address = address
            raise WorkerStartError(
                f"it listens at {address}, where another worker does; of workers with a"
                " fixed port, like the upstream SDK's, one can run: [pool] workers = 1"
            )
        self.address = address

    async def _initialise(self, process: WorkerProcess, client: WorkerClient) -> None:
        """Reach the worker, start its wrapper, ask what it is."""
        spec = self._spec
        limit_s: float | None
        waiting_for, limit_s = "an answer to a health check", spec.start_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._race(process, client.connect())
            waiting_for, limit_s = "wrapperInit", spec.init_timeout_s
            async with asyncio.timeout(limit_s):
                await self._race(process, client.init(spec.wrapper_config))
            waiting_for, limit_s = "its description", spec.start_timeout_s
            async with asyncio.timeout(limit_s):
                self.schema = await self._race(process, client.describe(spec.service))
        except TimeoutError:
            trouble = await client.trouble(DEATH_NOTICE_S)
            raise WorkerStartError(
                f"{waiting_for} took more than {limit_s:g} s{trouble and f' ({trouble})'}"
            ) from None
        except WorkerCallError as error:
            # A connection breaks when the process dies: then its exit is the reason.
            await asyncio.wait([process.exited], timeout=DEATH_NOTICE_S)
            if process.exited.done():
                raise _ExitedError from None
            raise WorkerStartError(str(error)) from None

    async def _serve(self, process: WorkerProcess, client: WorkerClient) -> str:
        """Be ready until the worker ends or `stop`; then end its calls, or let them finish."""
        hung = asyncio.ensure_future(self._hangs(client))
        ends: tuple[asyncio.Future[Any], ...] = (process.exited, client.calls.broken, hung)
        try:
            await first_of(*ends, self._stop.wait())
            if not any(end.done() for end in ends):
                self._move(Event.DRAIN)
                await first_of(*ends, self._idle.wait(), limit_s=self._drain_s)
            self._calls = None  # from here on nobody gives it a call
            if hung.done():
                return await self._end_hung(process, client.calls, hung.result())
            if any(end.done() for end in ends):
                return await self._end_calls(process, client.calls)
        finally:
            hung.cancel()
            await asyncio.wait([hung])
        self._move(Event.STOP)
        client.calls.fail_all("it did not finish within drainTimeout")
        if await client.shutdown(SHUTDOWN_RPC_S, grace_s=FINI_LIMIT_S):
            await first_of(process.exited, limit_s=FINI_LIMIT_S)
        return ""

    async def _hangs(self, client: WorkerClient) -> str:
        """Ask for signs of life; return once there have been none for too long."""
        policy = self._spec.hang
        loop = asyncio.get_running_loop()
        last_sign = loop.time()
        while True:
            await asyncio.sleep(policy.period_s)
            if await client.answers(policy.period_s):
                last_sign = loop.time()
            # One whose threads are all in calls may answer only those.
            last_sign = max(last_sign, client.calls.last_answer_at)
            verdict = policy.verdict(
                silent_for_s=loop.time() - last_sign, longest_call_s=client.calls.longest_call_s()
            )
            if verdict:
                return verdict

    async def _end_hung(self, process: WorkerProcess, calls: CallChannel, reason: str) -> str:
        """Answer the clients first, then have all threads' stacks dumped into the log."""
        self._cause = Cause.HANG
        self._calls_at_end = calls.fail_all(reason)
        log.warning("worker hangs worker=%d pid=%d reason=%s", self.number, process.pid, reason)
        # By signal: a thread that holds the interpreter's lock answers no RPC. Workers that are
        # not ours end by it, which is what comes next anyhow.
        process.signal(DUMP_SIGNAL)
        await asyncio.sleep(DUMP_S)
        if process.is_stopped():  # by SIGSTOP: it will not hear SIGTERM either
            return reason
        process.signal(signal.SIGTERM)
        await first_of(process.exited, limit_s=TERM_GRACE_S)
        return reason

    async def _end_calls(self, process: WorkerProcess, calls: CallChannel) -> str:
        """The worker has gone, or hung up: say so to its clients; return why if it still runs."""
        await asyncio.wait([process.exited], timeout=DEATH_NOTICE_S)
        reason = "" if process.exited.done() else calls.broken.result()
        self._calls_at_end = calls.fail_all(reason or str(process.exited.result()))
        return reason

    async def _race(self, process: WorkerProcess, work: Awaitable[T]) -> T:
        """Await `work`, unless the process ends or `stop` comes before."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop, process.exited}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _StopAskedError if stop.done() else _ExitedError
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.wait({task, stop})

    def _call_done(self) -> None:
        self.served += 1
        self.release()

    def _died(
        self,
        reason: str,
        *,
        by_signal: bool = False,
        status: int | None = None,
        tail: tuple[str, ...] = (),
    ) -> None:
        self.death = Death(
            cause=self._cause,
            reason=reason,
            status=status,
            at=time.time(),
            by_signal=by_signal,
            was_ready=self._ready_since is not None,
            calls=self._calls_at_end,
            tail=tail,
        )
        log.warning("worker died worker=%d reason=%s", self.number, reason)

    def _log_line(self, reader: LogReader, stream: Stream, line: bytes) -> None:
        read = reader.read(line)
        fields = {"stream": stream.value, **read.fields}
        self._log.log(read.level, "%s", read.message, extra={logs.FIELDS: fields})

    def _move(self, event: Event) -> None:
        self.state = advance(self.state, event)
        self.since = time.monotonic()
        if not self.first_outcome.done() and self.state in _OUTCOMES:
            self.first_outcome.set_result(self.state is State.READY)
        self.on_change()
