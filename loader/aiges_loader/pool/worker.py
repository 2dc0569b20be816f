"""One slot of the pool: an owner task that keeps one worker process running."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError
from aiges_loader.pool.admission import Load
from aiges_loader.pool.channel import Asked
from aiges_loader.pool.lifecycle import COMING, Event, State, advance
from aiges_loader.pool.pending import Resolve, into
from aiges_loader.pool.placement import Placement
from aiges_loader.pool.process import resident_bytes
from aiges_loader.pool.resources import Table
from aiges_loader.pool.restart import GiveUp, RestartPolicy
from aiges_loader.pool.session_channel import SessionEvents, SessionPort
from aiges_loader.pool.waiting import first_of
from aiges_loader.pool.worker_life import Leave, WorkerLife
from aiges_loader.pool.worker_spec import Cause, Death, WorkerSpec

SHORT_PAUSE_S: Final = 0.5
"""A restart delay up to this is worth waiting for: calls take it for part of the start."""

_OUTCOMES: Final = frozenset({State.READY, State.BACKOFF, State.STOPPED})

log = logging.getLogger(__name__)


class Worker:
    """A worker kept running until `stop`.

    `run` is the only writer of `state`; the other methods read it or leave `run` a request.

    Attributes:
        number: From 1; in logs and reports.
        running: Calls that the worker has, reserved ones included.
        sessions: Sessions that it has, not counted among the calls.
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
        self.running = 0
        self.sessions = 0
        self.served = 0
        self.restarts = 0
        self.death: Death | None = None
        self.since = time.monotonic()
        self.time_to_ready_s: float | None = None
        self.first_outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.on_change: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None
        self.on_restart: Callable[[Cause], None] = lambda _cause: None
        self.on_death: Callable[[Death], None] = lambda _death: None
        self.on_reported: Callable[[Mapping[str, int], Mapping[str, float]], None] = (
            lambda _used, _measured: None
        )
        self.listener_at: Callable[[str], int] = lambda _address: 0
        self.resources_wanted: Callable[[], Table] = dict
        self._spec = spec
        self._policy = policy
        self._keep_probing = keep_probing
        self._idle = asyncio.Event()
        self._idle.set()
        self._drain_s = spec.drain_timeout_s
        self._stop_asked = False
        self._has_successor = False
        self._restarts_asked: list[asyncio.Future[str]] = []
        self._restarting_for: list[asyncio.Future[str]] = []  # who waits for the current process
        self._leave = self._new_leave()
        self._life = self._new_life()
        self._restart_delay_s = 0.0
        self._started_at = self.since
        self._served_before = 0
        self._dice = 0.0

    # What others may ask:

    @property
    def pid(self) -> int | None:
        """Of the running process, None while there is none."""
        return self._life.pid

    @property
    def address(self) -> str:
        """Where that process listens, "" while that is unknown."""
        return self._life.address

    @property
    def address_taken_by(self) -> int:
        """Number of the worker that listens where the last process wanted to; 0 for none."""
        return self._life.address_taken_by

    @property
    def schema(self) -> str:
        """What the wrapper says of itself, "" before the process was asked."""
        return self._life.schema

    @property
    def takes_calls(self) -> bool:
        """Say whether a call may be given to this worker now."""
        if self._has_successor:
            return False
        calls = self._life.calls
        return self.state is State.READY and calls is not None and calls.listens

    @property
    def is_coming(self) -> bool:
        """Say whether this worker may soon take calls though it does not now."""
        if self._stop_asked or self.takes_calls:
            return False
        if self._restarts_asked:
            return True
        # READY but mute: it has just died, and what follows is decided in a moment.
        if self.state in COMING or self.state in (State.STOPPED, State.READY):
            return True
        return self.state is State.BACKOFF and self._restart_delay_s <= SHORT_PAUSE_S

    @property
    def batches(self) -> bool:
        """Say whether it takes batches now."""
        calls = self._life.calls
        return self.takes_calls and calls is not None and calls.batches

    @property
    def takes_resources(self) -> bool:
        """Say whether its wrapper loads resources, as far as is known."""
        return self._life.resources.taken

    def holds(self, wanted: Table) -> bool:
        """Say whether it has just these resources, or its wrapper takes none."""
        return self._life.resources.are(wanted)

    def hold(self, wanted: Table) -> "asyncio.Future[CallError | None]":
        """Ask `run`, while `takes_calls`, for it to have just these; see `HeldResources.ask`."""
        return self._life.resources.ask(wanted)

    def load(self) -> Load:
        """Return what the choice among workers needs."""
        # Calls that shall go together wait where they can still be joined by others.
        calls = self._life.calls
        ahead = calls.ahead if calls and not self._spec.batching else 0
        return Load(self.running, self._spec.concurrency, ahead)

    @property
    def placement(self) -> Placement:
        """What it gets of the machine."""
        return self._spec.placements.of(self.number)

    @property
    def is_leaving(self) -> bool:
        """Say whether this worker was asked to stop."""
        return self._stop_asked

    def wear(self) -> str:
        """Say why the running process should be replaced by a fresh one; "" if it should not."""
        pid, ready_since = self.pid, self._life.ready_since
        if not self.takes_calls or self.is_leaving or pid is None or ready_since is None:
            return ""
        policy = self._spec.wear
        return policy.verdict(
            served=self.served - self._served_before,
            rss_bytes=resident_bytes(pid) if policy.max_rss_bytes else 0,
            age_s=time.monotonic() - ready_since,
            dice=self._dice,
        )

    def reserve(self) -> None:
        """Count one more call; `once` or `release` follows."""
        self.running += 1
        self._idle.clear()

    def release(self) -> None:
        """Count one call less."""
        self.running -= 1
        self._note_idle()
        self.on_room()

    def _note_idle(self) -> None:
        if self.running == 0 and self.sessions == 0:
            self._idle.set()

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
        calls = self._life.calls
        if calls is None:
            raise AssertionError("asked for a call though it takes none")
        return partial(calls.abandon, calls.begin(call, resolve, self._call_done))

    def begin_together(self, batch: Sequence[Asked], on_done: Callable[[], None]) -> None:
        """Run a batch, for which one place was reserved, while `batches`.

        Args:
            batch: Calls, and what gets their outcomes.
            on_done: Called when the worker is done with all of them.
        """
        calls = self._life.calls
        if calls is None:
            raise AssertionError("asked for a batch though it takes none")
        left = len(batch)

        def one_done() -> None:
            nonlocal left
            left -= 1
            self.served += 1
            if not left:
                on_done()
                self.release()

        calls.begin_together(batch, one_done)

    def open_session(
        self, tag: str, params: Mapping[str, str], events: SessionEvents
    ) -> SessionPort:
        """Begin a session, while `takes_calls`.

        Args:
            tag: Its name.
            params: What the wrapper gets.
            events: Hears what becomes of it, never before this returns.

        Raises:
            CallError: The wrapper takes no sessions, or the worker takes no more for now.
        """
        channel = self._life.sessions
        if channel is None:
            raise AssertionError("asked for a session though it takes none")
        port = channel.open(tag, params, events, self._session_done)
        self.sessions += 1
        self._idle.clear()
        return port

    def stop(self, *, drain_s: float | None = None) -> None:
        """Ask `run` to drain and return. Safe to call twice, and before `run`.

        Args:
            drain_s: How long calls may take to finish; None is what the spec says.
        """
        if drain_s is not None:
            self._drain_s = self._leave.drain_s = drain_s
        self._stop_asked = True
        self._leave.asked.set()

    def give_way(self) -> None:
        """Stop, and take no further call from now on: another worker takes them."""
        self._has_successor = True
        self.stop()

    def restart(self) -> "asyncio.Future[str]":
        """Ask `run` to end the process once its calls are done, and to start another one then.

        It is started at once, whatever the policy says of earlier deaths. A process that is still
        being started is ended, too: so the last of several requests counts, for all who asked.

        Returns:
            Resolves with why the new process is not ready; "" if it is.
        """
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._restarts_asked.append(done)
        self._leave.asked.set()
        return done

    # The owner task:

    async def run(self) -> None:
        """Keep a process alive until `stop`; cancel to kill it."""
        exits: tuple[float, ...] = ()
        while not self._stop_asked:
            await self._live_once()
            if self.state is State.STOPPED:  # it was told to go, for good or to start afresh
                exits = ()
                continue
            assert self.death is not None
            ready_since = self._life.ready_since
            decision = self._policy.decide(
                exits,
                time.monotonic(),
                ready_for_s=time.monotonic() - ready_since if ready_since else 0.0,
                dice=random.random(),  # noqa: S311 - jitter, no secret
                did_not_start=not self.death.was_ready and not self.death.by_signal,
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
            await first_of(self._leave.asked.wait(), limit_s=delay_s)
            if self._restarts_asked:
                exits = ()
            elif not self._stop_asked:
                self.restarts += 1
                self.on_restart(self.death.cause)
                log.info("restarting worker=%d after=%.1fs", self.number, delay_s or 0.0)
        if self.state is not State.STOPPED:
            self._move(Event.STOP)
        elif not self.first_outcome.done():
            self.first_outcome.set_result(False)  # stopped before it ever ran
        self._restarting_for += self._restarts_asked
        self._tell_of_restart("it was stopped")

    async def _live_once(self) -> None:
        """Run one process from spawn to reap; leave the state at BACKOFF or STOPPED."""
        self._restarting_for += self._restarts_asked
        self._restarts_asked = []
        self._leave = self._new_leave()
        self._life = self._new_life()
        self._restart_delay_s = 0.0
        self._served_before = self.served
        self._dice = random.random()  # noqa: S311 - jitter, no secret
        self._move(Event.START)
        self._started_at = self.since
        death = await self._life.run()
        if death is not None:
            self.death = death
            self.on_death(death)
        self._move(Event.EXITED)

    def _new_leave(self) -> Leave:
        return Leave(asyncio.Event(), self._idle, self._drain_s)

    def _new_life(self) -> WorkerLife:
        life = WorkerLife(
            self.number,
            self._spec,
            self._leave,
            on_event=self._move,
            listener_at=self.listener_at,
        )
        life.on_reported = self.on_reported
        life.resources_wanted = self.resources_wanted
        return life

    def _session_done(self) -> None:
        self.served += 1
        self.sessions -= 1
        self._note_idle()

    def _call_done(self) -> None:
        self.served += 1
        self.release()

    def _move(self, event: Event) -> None:
        self.state = advance(self.state, event)
        self.since = time.monotonic()
        if event is Event.INITIALISED:
            self.time_to_ready_s = self.since - self._started_at
        is_to_start_afresh = self.state is State.STOPPED and not self._stop_asked
        if not self.first_outcome.done() and self.state in _OUTCOMES and not is_to_start_afresh:
            self.first_outcome.set_result(self.state is State.READY)
        if self.state is State.READY:
            self._tell_of_restart("")
        elif self.state is State.BACKOFF and self.death is not None:
            self._tell_of_restart(self.death.reason)
        self.on_change()

    def _tell_of_restart(self, problem: str) -> None:
        """Answer those who asked for the current process."""
        if self._restarting_for and not problem:
            self.on_restart(Cause.REQUEST)
        for waiting in self._restarting_for:
            if not waiting.done():  # whoever asked may have gone
                waiting.set_result(problem)
        self._restarting_for = []
