"""One life of a worker: a process from spawn to reap. When the next one comes is worker.py's."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from aiges_loader import logs
from aiges_loader.errors import CallError, WorkerDiedError
from aiges_loader.pool.channel import CallChannel
from aiges_loader.pool.client import WorkerCallError, WorkerClient
from aiges_loader.pool.guarded import PlacementError
from aiges_loader.pool.held_resources import HeldResources
from aiges_loader.pool.lifecycle import Event
from aiges_loader.pool.process import Exit, Stream, WorkerProcess
from aiges_loader.pool.resources import Table, next_step
from aiges_loader.pool.session_channel import SessionChannel
from aiges_loader.pool.socket_dir import remove_dead_socket
from aiges_loader.pool.start_hint import WRONG_COMMAND, exit_hint
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

DEATH_NOTICE_S: Final = 0.2
"""A dying worker's connection breaks a moment before its exit is seen; so long we wait for that."""

_NO_RESOURCES: Final = "its wrapper defines no wrapperLoadRes"

_NO_BATCHES: Final = (
    "its wrapper defines no wrapperBatchExec, or it speaks version 1; [batch] has no effect"
)

log = logging.getLogger(__name__)

T = TypeVar("T")


class WorkerStartError(Exception):
    """The process runs but does not become a worker; the message says what is missing."""


class _StopAskedError(Exception):
    """The worker was asked to leave while it was being started."""


class _ExitedError(Exception):
    """The process ended while it was being started."""


@dataclass(slots=True)
class Leave:
    """When a worker is to go, and on which terms.

    Attributes:
        asked: Set by whoever wants it to go.
        idle: Set while it has no calls.
        drain_s: How long its calls may take to finish.
    """

    asked: asyncio.Event
    idle: asyncio.Event
    drain_s: float


class WorkerLife:
    """One process that is started, serves and ends, once.

    Attributes:
        pid: Of the process, None while there is none.
        address: Where it listens, "" while that is unknown.
        address_taken_by: Number of the worker that listens where it wanted to; 0 for none.
        schema: What the wrapper says of itself, "" before it was asked.
        calls: What carries its calls, None while it may be given none.
        sessions: What carries its sessions, likewise.
        ready_since: In monotonic seconds; None if it never was ready.
        resources: What it has loaded.
        on_reported: See `WorkerClient`.
        resources_wanted: Returns what a worker has to load before it takes calls.
    """

    def __init__(
        self,
        number: int,
        spec: WorkerSpec,
        leave: Leave,
        *,
        on_event: Callable[[Event], None],
        listener_at: Callable[[str], int],
    ) -> None:
        """Make one that has not begun.

        Args:
            number: Of the worker, from 1.
            spec: What to run.
            leave: When to end.
            on_event: Gets what happens between START and EXITED, each as it happens.
            listener_at: Returns the number of the worker that listens at an address, 0 for none.
        """
        self.pid: int | None = None
        self.address = ""
        self.address_taken_by = 0
        self.schema = ""
        self.calls: CallChannel | None = None
        self.sessions: SessionChannel | None = None
        self.ready_since: float | None = None
        self._number = number
        self._spec = spec
        self._leave = leave
        self._on_event = on_event
        self._listener_at = listener_at
        self.on_reported: Callable[[Mapping[str, int], Mapping[str, float]], None] = (
            lambda _used, _measured: None
        )
        self.resources = HeldResources(spec.resource_timeout_s)
        self.resources_wanted: Callable[[], Table] = dict
        self._data_addresses: tuple[str, ...] = ()
        self._cause = Cause.START
        self._calls_at_end: tuple[str, ...] = ()
        self._was_told = False  # to leave: what follows is no death
        self._log = logging.getLogger(f"worker.{number}")

    async def run(self) -> Death | None:
        """Run the process to its end; return how it died, None if it was told to leave."""
        try:
            link = new_link(self._spec.socket_dir, auto_mtls=self._spec.auto_mtls)
            process = self._spawn(link)
        except (OSError, LinkError, PlacementError) as error:
            reason = f"{error.strerror}" if isinstance(error, OSError) else str(error)
            return self._death(f"cannot run {self._spec.command[0]}: {reason}")
        self.pid = process.pid
        self._on_event(Event.SPAWNED)
        log.info("worker started worker=%d pid=%d", self._number, process.pid)
        reason = ""
        try:
            reason = await self._live(process, link)
        except WorkerStartError as error:
            reason = str(error)
        except _StopAskedError:
            self._tell_to_leave()
        except _ExitedError:
            ended = process.exited.result()
            hint = exit_hint(ended.status, tuple(process.tail), has_shaken_hands=bool(self.address))
            reason = hint and f"{ended}: {hint}"
        finally:  # crash, bad start, stop or cancellation: the process never outlives this line
            left = await process.end(grace_s=TERM_GRACE_S if self._was_told else 0.0)
            self.pid = None
            for address in (self.address, *self._data_addresses):
                remove_dead_socket(address)
            self.address, self._data_addresses = "", ()
        if left is None:
            log.error("worker cannot be killed worker=%d pid=%d", self._number, process.pid)
        if self._was_told:
            log.info("worker stopped worker=%d %s", self._number, left)
            self.resources.answer(None)
            return None
        death = self._death(reason, left, tuple(process.tail))
        self.resources.answer(WorkerDiedError(death.reason))
        return death

    def _spawn(self, link: WorkerLink) -> WorkerProcess:
        readers = {stream: LogReader() for stream in Stream}

        def on_line(stream: Stream, line: bytes) -> None:
            self._log_line(readers[stream], stream, line)

        spec = self._spec
        environ = spec.handshake_environ(self._number, stop_grace_s=FINI_LIMIT_S)
        environ |= link.environ
        return WorkerProcess.spawn(spec.command, environ, on_line, spec.placements.of(self._number))

    async def _live(self, process: WorkerProcess, link: WorkerLink) -> str:
        """Start, serve, drain; return why the process must end if it does not by itself."""
        spec = self._spec
        try:
            async with asyncio.timeout(spec.start_timeout_s):
                shaken = await self._race(process, self._shake_hands(process, link))
        except TimeoutError:
            raise WorkerStartError(
                f"no handshake line within {spec.start_timeout_s:g} s (startTimeout);"
                f" {WRONG_COMMAND}"
            ) from None
        self._on_event(Event.SHOOK_HANDS)
        splitters = {stream: (LineSplitter(), LogReader()) for stream in Stream}

        def on_output(stream: Stream, data: bytes) -> None:
            splitter, reader = splitters[stream]
            for line in splitter.feed(data):
                self._log_line(reader, stream, line)

        async with (
            link.open(shaken) as reachable,
            WorkerClient(reachable, on_output, concurrency=spec.concurrency) as client,
        ):
            client.on_reported = self.on_reported
            await self._initialise(process, client)
            await self._load_resources(process, client)
            self.calls, self.sessions = client.calls, client.sessions
            self._data_addresses = client.data_addresses
            self.ready_since = time.monotonic()
            self._cause = Cause.CRASH  # whatever ends it from here on, unless it hangs
            self._on_event(Event.INITIALISED)
            log.info("worker ready worker=%d pid=%d", self._number, process.pid)
            if spec.batching and not self.calls.batches:
                log.warning("no batches worker=%d reason=%s", self._number, _NO_BATCHES)
            try:
                return await self._serve(process, client)
            finally:
                self.calls = self.sessions = None

    async def _shake_hands(self, process: WorkerProcess, link: WorkerLink) -> handshake.Handshake:
        line = await process.first_line
        if not line:
            # It has closed its stdout; a moment later it has usually ended, which says more.
            if await _is_dying(process):
                raise _ExitedError
            raise WorkerStartError(f"closed its stdout without a handshake line; {WRONG_COMMAND}")
        try:
            shaken = handshake.decode(line, offered=self._spec.versions)
            self._take(shaken.target())
            await link.check(shaken)
        except handshake.HandshakeError as error:
            hint = "" if b"|" in line else f"; {WRONG_COMMAND}"
            raise WorkerStartError(f"no handshake: {error}{hint}") from None
        except LinkError as error:
            await _raise_reason(process, error)
        return shaken

    def _take(self, address: str) -> None:
        self.address_taken_by = self._listener_at(address)
        if self.address_taken_by:
            raise WorkerStartError(
                f"it listens at {address}, where another worker does; of workers with a"
                " fixed port, like the upstream SDK's, one can run: [pool] workers = 1"
            )
        self.address = address

    async def _initialise(self, process: WorkerProcess, client: WorkerClient) -> None:
        """Reach the worker, start its wrapper, ask what it is."""
        spec = self._spec
        limit_s: float | None
        waiting_for, limit_s, key = (
            "an answer to a health check",
            spec.start_timeout_s,
            "startTimeout",
        )
        try:
            async with asyncio.timeout(limit_s):
                await self._race(process, client.connect())
            waiting_for, limit_s, key = "wrapperInit", spec.init_timeout_s, "initTimeout"
            async with asyncio.timeout(limit_s):
                await self._race(process, client.init(spec.wrapper_config))
            waiting_for, limit_s, key = "its description", spec.start_timeout_s, "startTimeout"
            async with asyncio.timeout(limit_s):
                self.schema = await self._race(process, client.describe(spec.service))
        except TimeoutError:
            trouble = await client.trouble(DEATH_NOTICE_S)
            raise WorkerStartError(
                f"{waiting_for} took more than {limit_s:g} s ({key}){trouble and f': {trouble}'}"
            ) from None
        except WorkerCallError as error:
            await _raise_reason(process, error)

    async def _load_resources(self, process: WorkerProcess, client: WorkerClient) -> None:
        """Load all that workers are to have, what is added meanwhile as well.

        A worker that lacks one would answer the requests that name it, but wrongly; so it does not
        start.
        """
        held = self.resources
        held.taken = client.takes_resources
        while not held.are(wanted := self.resources_wanted()):
            try:
                await self._race(process, held.become(client, wanted))
            except CallError as error:
                step = next_step(held.table, wanted)  # the one that failed
                assert step is not None
                raise WorkerStartError(
                    f"{step.method} of resource {step.id}: {error} (code {error.code:d})"
                ) from None
            except WorkerCallError as error:
                await _raise_reason(process, error)
        if wanted and not held.taken:
            log.info("no resources worker=%d reason=%s", self._number, _NO_RESOURCES)

    async def _serve(self, process: WorkerProcess, client: WorkerClient) -> str:
        """Be ready until the worker ends or `stop`; then end its calls, or let them finish."""
        hung = asyncio.ensure_future(self._hangs(client))
        granting = asyncio.ensure_future(
            self.resources.do_as_asked(client, partial(_is_dying, process))
        )
        ends: tuple[asyncio.Future[Any], ...] = (process.exited, client.calls.broken, hung)
        try:
            await first_of(*ends, self._leave.asked.wait(), granting)
            if granting.done():
                granting.result()  # a bug of ours
            if not any(end.done() for end in ends):
                self._on_event(Event.DRAIN)
                await first_of(*ends, self._leave.idle.wait(), limit_s=self._leave.drain_s)
            self.calls = self.sessions = None  # from here on nobody gives it a call
            if hung.done():
                return await self._end_hung(process, client, hung.result())
            if any(end.done() for end in ends):
                return await self._end_calls(process, client)
        finally:
            for task in (hung, granting):
                task.cancel()
            await asyncio.wait([hung, granting])
        self._tell_to_leave()
        client.fail_all("it did not finish within drainTimeout")
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
            last_sign = max(last_sign, client.calls.last_answer_at, client.sessions.last_answer_at)
            verdict = policy.verdict(
                silent_for_s=loop.time() - last_sign,
                longest_call_s=max(client.calls.longest_call_s(), client.sessions.longest_step_s()),
            )
            if verdict:
                return verdict

    async def _end_hung(self, process: WorkerProcess, client: WorkerClient, reason: str) -> str:
        """Answer the clients first, then have all threads' stacks dumped into the log."""
        self._cause = Cause.HANG
        self._calls_at_end = client.fail_all(reason)
        log.warning("worker hangs worker=%d pid=%d reason=%s", self._number, process.pid, reason)
        # By signal: a thread that holds the interpreter's lock answers no RPC. Workers that are
        # not ours end by it, which is what comes next anyhow.
        process.signal(DUMP_SIGNAL)
        await asyncio.sleep(DUMP_S)
        if process.is_stopped():  # by SIGSTOP: it will not hear SIGTERM either
            return reason
        process.signal(signal.SIGTERM)
        await first_of(process.exited, limit_s=TERM_GRACE_S)
        return reason

    async def _end_calls(self, process: WorkerProcess, client: WorkerClient) -> str:
        """The worker has gone, or hung up: say so to its clients; return why if it still runs."""
        reason = "" if await _is_dying(process) else client.calls.broken.result()
        self._calls_at_end = client.fail_all(reason or str(process.exited.result()))
        return reason

    async def _race(self, process: WorkerProcess, work: Awaitable[T]) -> T:
        """Await `work`, unless the process ends or `stop` comes before."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._leave.asked.wait())
        try:
            await asyncio.wait({task, stop, process.exited}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _StopAskedError if stop.done() else _ExitedError
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.wait({task, stop})

    def _tell_to_leave(self) -> None:
        self._was_told = True
        self._on_event(Event.STOP)

    def _death(self, reason: str, how: Exit | None = None, tail: tuple[str, ...] = ()) -> Death:
        """Say how the life ended: for `reason`, or if that is "" by itself."""
        return Death(
            cause=self._cause,
            reason=reason or str(how),
            status=how.status if how is not None else None,
            at=time.time(),
            by_signal=not reason and how is not None and how.by_signal,
            was_ready=self.ready_since is not None,
            calls=self._calls_at_end,
            tail=tail,
        )

    def _log_line(self, reader: LogReader, stream: Stream, line: bytes) -> None:
        read = reader.read(line)
        fields = {"stream": stream.value, **read.fields}
        self._log.log(read.level, "%s", read.message, extra={logs.FIELDS: fields})


async def _is_dying(process: WorkerProcess) -> bool:
    """Say whether a process whose connection broke, or whose output ended, ends in a moment."""
    await asyncio.wait([process.exited], timeout=DEATH_NOTICE_S)
    return process.exited.done()


async def _raise_reason(process: WorkerProcess, error: WorkerCallError | LinkError) -> NoReturn:
    """Raise why a worker did not start that could not be reached, or has not answered a call."""
    if await _is_dying(process):  # its exit is the reason
        raise _ExitedError from None
    raise WorkerStartError(str(error)) from None
