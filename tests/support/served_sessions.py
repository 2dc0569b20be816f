"""Sessions over a real worker that serves a given wrapper."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiges_loader.calls import Datum
from aiges_loader.pool.pool import Pool
from aiges_loader.sessions.engine import Sessions
from aiges_loader.sessions.session import Opening, Session
from aiges_wire.codes import DataStatus
from support.pools import pool_of, running
from support.service import SOURCES
from support.waiting import until

LIMIT_S = 10.0


@asynccontextmanager
async def served(
    wrapper: str,
    version: int,
    folder: Path,
    *,
    licences: int = 64,
    ttl_s: float = 60.0,
    results_at_once: bool = True,
    concurrency: int = 4,
) -> AsyncIterator[tuple[Pool, Sessions]]:
    """Have one worker serve `wrapper`; no licence and no session may be left."""
    (folder / "wrapper.py").write_text(wrapper)
    environ = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{SOURCES}"}
    command = (sys.executable, "-m", "aiges.serve")
    made = pool_of(command, environ, folder, newest_version=version, concurrency=concurrency)
    async with running(made) as pool:
        pool.licence_limit = licences
        await asyncio.wait_for(asyncio.shield(pool.described), 30.0)
        sessions = Sessions(pool, ttl_s=ttl_s, roll_s=0.05, results_at_once=results_at_once)
        expiring = asyncio.create_task(sessions.run())
        try:
            yield pool, sessions
            await until(lambda: pool.calls == 0, "all licences back")
            assert len(sessions) == 0
            assert [worker.sessions for worker in pool.workers] == [0]
        finally:
            expiring.cancel()


def text(data: str, status: int = DataStatus.CONTINUE, key: str = "text") -> Datum:
    """Return a piece of text input."""
    return Datum(key, data.encode(), 0, status)


async def opened(
    sessions: Sessions, handle: str = "h", params: Mapping[str, str] | None = None, base: int = 1
) -> Session:
    """Open a session called `handle`, whose sid is another word."""
    return await sessions.open(Opening(handle, {"sid": f"sid-{handle}", **(params or {})}, base))


async def next_text(session: Session) -> tuple[str, int]:
    """Return the text and the status of the next result's first output."""
    result = await session.read(LIMIT_S)
    assert result is not None, "no result in time"
    return bytes(result.outputs[0].data).decode(), result.outputs[0].status
