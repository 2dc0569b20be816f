"""All sessions of the service, and its once calls: one set of licences for whatever comes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

from aiges_loader.calls import Call, Reply
from aiges_loader.errors import CallError, EndedHandleError, NoLicenceError
from aiges_loader.pool.session_channel import SessionEvents, SessionPort
from aiges_loader.sessions.session import Opening, Session
from aiges_loader.sessions.table import SessionTable
from aiges_wire.codes import Code

LEAVING_S: Final = 1.0
"""How long a session may be waited for that is over, and is being destroyed by its worker."""

log = logging.getLogger(__name__)


class Backend(Protocol):
    """What sessions need of the pool.

    Attributes:
        licence_limit: How many licences there are.
        calls: How many are taken.
    """

    licence_limit: int

    @property
    def calls(self) -> int:
        """How many licences are taken."""

    async def take_licence(self) -> None:
        """Take one; raise `NoLicenceError`."""

    def give_back_licence(self) -> None:
        """Return one."""

    async def open_session(
        self, tag: str, params: Mapping[str, str], events: SessionEvents
    ) -> SessionPort:
        """Begin a session at a worker; raise `CallError`."""

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""


class Sessions:
    """Opens sessions and finds them again.

    Attributes:
        ttl_s: How long nobody need ask for a session before it expires.
        results_at_once: Results may be read before the input is complete.
        ended: How many sessions have ended, by code: 0 for those that went well.
    """

    def __init__(
        self, backend: Backend, *, ttl_s: float, roll_s: float, results_at_once: bool
    ) -> None:
        """Make it.

        Args:
            backend: The pool.
            ttl_s: See above.
            roll_s: How often that is looked at.
            results_at_once: See above.
        """
        self.ttl_s = ttl_s
        self.roll_s = roll_s
        self.results_at_once = results_at_once
        self.ended: Counter[int] = Counter()
        self._backend = backend
        self._table: SessionTable[Session] = SessionTable()
        self._connected: set[Session] = set()  # those that end with their connection
        self._leaving: set[Session] = set()  # over, but their worker is not done with them
        self._licence_returned = asyncio.Event()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._table) + len(self._connected)

    @property
    def licences_taken(self) -> int:
        """By sessions and calls."""
        return self._backend.calls

    @property
    def licences_limit(self) -> int:
        """How many licences there are."""
        return self._backend.licence_limit

    def set_licences(self, limit: int) -> None:
        """Change how many licences there are; those that are taken stay so."""
        self._backend.licence_limit = limit

    async def once(self, call: Call) -> Reply:
        """Run one call; raise `CallError`."""
        return await self._backend.once(call)

    async def open(self, opening: Opening) -> Session:
        """Begin a session: take a licence, find a worker. Writing its first package follows.

        Raises:
            HandleTakenError: One of that handle lives.
            CallError: No licence, no worker, or a wrapper that takes no sessions.
        """
        session = Session(
            opening,
            results_at_once=self.results_at_once,
            give_back=self._give_back,
            on_over=self._over,
        )
        if opening.expires:
            self._table.add(opening.handle, session, time.monotonic())
        else:
            self._connected.add(session)
        self._none_left.clear()
        try:
            await self._take_licence()
            session.licence_held = True
            port = await self._backend.open_session(session.handle, opening.params, session)
        except BaseException as error:
            self._table.forget(session.handle, session)  # it never was
            session.end(error if isinstance(error, CallError) else None)
            raise
        session.attach(port)  # which closes it, if the session expired while it waited
        return session

    async def _take_licence(self) -> None:
        """Take a licence; if others are about to return theirs, a client need not come again."""
        until = time.monotonic() + LEAVING_S
        while True:
            try:
                return await self._backend.take_licence()
            except NoLicenceError:
                if not self._leaving or time.monotonic() > until:
                    raise
            self._licence_returned.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_S):
                    await self._licence_returned.wait()

    def find(self, handle: str) -> Session:
        """Return an open session, for which somebody has asked just now.

        Raises:
            EndedHandleError: It has ended.
            UnknownHandleError: There was none, or it has expired.
        """
        return self._table.find(handle, time.monotonic())

    def remember(self, handle: str) -> None:
        """Remember the handle of a once call as of something that has ended."""
        self._table.remember(handle)

    async def run(self) -> None:
        """Let sessions expire; ends when cancelled."""
        while True:
            await asyncio.sleep(self.roll_s)
            for session in self._table.take_expired(time.monotonic() - self.ttl_s):
                log.info("session expired handle=%s", session.handle)
                session.end(EndedHandleError("seq channel already closed"))

    async def drain(self, limit_s: float) -> None:
        """Wait until there is no session any more, at most so long."""
        try:
            async with asyncio.timeout(limit_s):
                await self._none_left.wait()
        except TimeoutError:
            log.warning("sessions are cut off count=%d", len(self))

    def _over(self, session: Session, error: CallError | None) -> None:
        self.ended[int(error.code) if error is not None else int(Code.OK)] += 1
        self._connected.discard(session)
        if session.licence_held:
            self._leaving.add(session)
        self._table.end(session.handle, session)
        if not len(self):
            self._none_left.set()

    def _give_back(self, session: Session) -> None:
        self._leaving.discard(session)
        self._backend.give_back_licence()
        self._licence_returned.set()
