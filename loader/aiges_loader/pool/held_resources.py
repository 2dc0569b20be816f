"""The resources that one worker process has, and how it comes to have others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn

from aiges_loader.errors import CallError, ResourceError
from aiges_loader.pool.client import WorkerCallError, WorkerClient
from aiges_loader.pool.resources import Load, Resource, Table, Unload, next_step
from aiges_wire.codes import Code


class _Wish(NamedTuple):
    """A wish that the worker have just some resources.

    Attributes:
        done: Resolves with why it has not; None: it has, or it leaves.
    """

    wanted: Table
    done: "asyncio.Future[CallError | None]"


class HeldResources:
    """What a worker has loaded; its life owns this, and runs what is asked for here.

    Attributes:
        taken: See `WorkerClient.takes_resources`; False before the worker was asked.
        table: What it has, as far as is known.
    """

    def __init__(self, timeout_s: float) -> None:
        """Have none yet.

        Args:
            timeout_s: For loading or unloading one.
        """
        self.taken = False
        self.table: dict[str, Resource] = {}
        self._timeout_s = timeout_s
        self._is_known = True  # whether the table is what the worker has
        self._wish: _Wish | None = None
        self._wished = asyncio.Event()

    def are(self, wanted: Table) -> bool:
        """Say whether the worker has just these resources, or its wrapper takes none."""
        return not self.taken or (self._is_known and self.table == wanted)

    def ask(self, wanted: Table) -> "asyncio.Future[CallError | None]":
        """Ask the worker, while it takes calls, to have just these resources.

        One such wish at a time.

        Returns:
            Resolves with why it has not: some of the steps may have been taken. None: it has, or it
            leaves.
        """
        assert self._wish is None
        done: asyncio.Future[CallError | None] = asyncio.get_running_loop().create_future()
        self._wish = _Wish(wanted, done)
        self._wished.set()
        return done

    def answer(self, problem: CallError | None) -> None:
        """Answer whoever has asked, if somebody has."""
        wish, self._wish = self._wish, None
        if wish is not None and not wish.done.done():
            wish.done.set_result(problem)

    async def do_as_asked(
        self, client: WorkerClient, is_dying: Callable[[], Awaitable[bool]]
    ) -> NoReturn:
        """Grant one wish after the other, until cancelled.

        Args:
            client: Reaches the worker.
            is_dying: Says whether the process ends; then what has been asked for is left to
                whoever sees it end.
        """
        while True:
            await self._wished.wait()
            self._wished.clear()
            assert self._wish is not None
            problem: CallError | None = None
            try:
                await self.become(client, self._wish.wanted)
            except CallError as error:
                problem = error
            except WorkerCallError as error:
                self._is_known = False
                if await is_dying():
                    continue
                problem = ResourceError(Code.LOAD_FAILED, Code.EXEC_FAILED, str(error))
            self.answer(problem)

    async def become(self, client: WorkerClient, wanted: Table) -> None:
        """Load and unload until the worker has just these resources.

        Raises:
            CallError: Something could not be loaded or unloaded in time.
            WorkerCallError: The worker did not answer.
        """
        if not self._is_known:
            text = "what the worker has loaded is not known"
            raise ResourceError(Code.LOAD_FAILED, Code.EXEC_FAILED, text)
        while step := next_step(self.table, wanted):
            await self._take(client, step)
            if isinstance(step, Load):
                self.table[step.id] = step.resource
            else:
                del self.table[step.id]

    async def _take(self, client: WorkerClient, step: Load | Unload) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.take_step(step)
        except TimeoutError:
            self._is_known = False  # user code goes on, and may succeed
            text = f"{step.method} took more than {self._timeout_s:g} s (resourceTimeout)"
            raise ResourceError(step.failure, Code.TIMEOUT, text) from None
