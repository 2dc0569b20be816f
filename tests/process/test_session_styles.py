"""Session wrappers as published ones are written run as they are, under both protocol versions."""

from pathlib import Path

import pytest

from aiges_loader.errors import SessionStepError
from aiges_loader.sessions.engine import Sessions
from aiges_wire.codes import Code, DataStatus
from support import session_styles
from support.served_sessions import LIMIT_S, next_text, opened, served, text
from support.waiting import until

BOTH = pytest.mark.parametrize("version", [1, 2])

STYLES = {
    **{f"create({name})": source for name, source in session_styles.CREATE_ROWS.items()},
    **{f"write({name})": source for name, source in session_styles.WRITE_ROWS.items()},
    **{f"read({name})": source for name, source in session_styles.READ_ROWS.items()},
    **{f"result({name})": source for name, source in session_styles.RESULT_ROWS.items()},
    **{f"destroy({name})": source for name, source in session_styles.DESTROY_ROWS.items()},
    **{f"pool({name})": source for name, source in session_styles.POOLED.items()},
    "worker": session_styles.WORKER,
}
BOUNDED = [name for name in STYLES if name.startswith(("pool", "worker"))]


async def converse(sessions: Sessions, handle: str) -> None:
    """Have one session of three inputs, and three results."""
    session = await opened(sessions, handle)
    for number, (data, status) in enumerate((("one", 0), ("two", 1), ("three", 2)), 1):
        await session.write(number, [text(data, status)])
        assert await next_text(session) == (data.upper(), status)


@BOTH
@pytest.mark.parametrize("name", STYLES)
async def test_a_wrapper_of_that_style_serves_session_after_session(
    version: int, name: str, tmp_path: Path
) -> None:
    async with served(STYLES[name], version, tmp_path) as (pool, sessions):
        for number in range(3):
            await converse(sessions, f"h{number}")
            # A pool of one takes the next session only after it has had this one back.
            await until(lambda: pool.calls == 0, "the licence")


@BOTH
@pytest.mark.parametrize("name", BOUNDED)
async def test_an_exhausted_pool_refuses_with_its_own_code_and_goes_on(
    version: int, name: str, tmp_path: Path
) -> None:
    code = 40001 if "another code" in name else -1
    async with served(STYLES[name], version, tmp_path) as (pool, sessions):
        first = await opened(sessions, "first")
        await first.write(1, [text("a", DataStatus.BEGIN)])
        assert (await next_text(first))[0] == "A"
        second = await opened(sessions, "second")
        with pytest.raises(SessionStepError, match="the pool is exhausted") as caught:
            await second.read(LIMIT_S)
        assert (caught.value.step, caught.value.code) == (Code.CREATE_FAILED, code)
        await first.write(2, [text("b", DataStatus.END)])
        assert await next_text(first) == ("B", DataStatus.END)
        await until(lambda: pool.calls == 0, "the licence")
        await converse(sessions, "third")


@BOTH
@pytest.mark.parametrize(
    ("returned", "code", "words"),
    [
        ("None", Code.EXEC_FAILED, "wrapperCreate returned None, expected a SessionCreateResponse"),
        ("-1", -1, "wrapper error -1"),
    ],
)
async def test_a_wrapper_create_without_a_handle_refuses_the_session(
    version: int, returned: str, code: int, words: str, tmp_path: Path
) -> None:
    async with served(session_styles.REFUSES[returned], version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        with pytest.raises(SessionStepError) as caught:
            await session.read(LIMIT_S)
        assert (caught.value.step, caught.value.code) == (Code.CREATE_FAILED, code)
        assert str(caught.value) == words
