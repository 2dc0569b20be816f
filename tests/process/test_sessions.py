"""Sessions over real workers, with each style of wrapper and both versions of the protocol."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from aiges_loader.errors import (
    CallError,
    EndedHandleError,
    HandleTakenError,
    NoLicenceError,
    SessionStepError,
    UnknownHandleError,
    WorkerDiedError,
)
from aiges_loader.sessions.engine import Sessions
from aiges_wire.codes import Code, DataStatus
from support.served_sessions import LIMIT_S, next_text, opened, served, text
from support.session_wrappers import CALLBACK, GENERATOR, LOOP, READ, STUBBORN
from support.waiting import until

BOTH = pytest.mark.parametrize("version", [1, 2])


@BOTH
async def test_results_come_as_they_are_pushed(version: int, tmp_path: Path) -> None:
    async with served(CALLBACK, version, tmp_path) as (pool, sessions):
        session = await opened(sessions)
        assert pool.calls == 1
        await session.write(1, [text("a", DataStatus.BEGIN)])
        assert await next_text(session) == ("a!", DataStatus.BEGIN)
        await session.write(2, [text("b")])
        assert await next_text(session) == ("b!", DataStatus.CONTINUE)
        await session.write(3, [text("c", DataStatus.END)])
        assert await next_text(session) == ("c!", DataStatus.END)
        with pytest.raises(EndedHandleError):
            sessions.find("h")


@BOTH
async def test_the_client_s_order_counts_and_late_packages_are_dropped(
    version: int, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions, base=7)
        for number, data in ((9, "c"), (8, "b"), (7, "a"), (7, "again"), (10, "d")):
            await session.write(number, [text(data, 2 if data == "d" else 1)])
        assert [(await next_text(session))[0] for _ in range(4)] == ["a!", "b!", "c!", "d!"]


@BOTH
@pytest.mark.parametrize(
    ("params", "step", "code", "words"),
    [
        ({"createCode": "77"}, Code.CREATE_FAILED, 77, "text of 77"),
        ({"createRaise": "1"}, Code.CREATE_FAILED, Code.EXEC_FAILED, "no such model"),
    ],
)
async def test_a_failed_create_says_why(  # noqa: PLR0917 - fixtures
    version: int, params: dict[str, str], step: Code, code: int, words: str, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions, params=params)
        with pytest.raises(SessionStepError, match=words) as caught:
            await session.read(LIMIT_S)
        assert (caught.value.step, caught.value.code) == (step, code)
        with pytest.raises(EndedHandleError):
            sessions.find("h")


@BOTH
@pytest.mark.parametrize(
    ("order", "step", "code", "words"),
    [
        ("code 5", Code.WRITE_FAILED, 5, "text of 5"),
        ("raise x", Code.WRITE_FAILED, Code.EXEC_FAILED, "wrapperWrite raised KeyError"),
        ("push-error 9", Code.RESULT_FAILED, 9, "text of 9"),
    ],
)
async def test_a_failed_step_says_why_after_the_results_before_it(  # noqa: PLR0917
    version: int, order: str, step: Code, code: int, words: str, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("a")])
        await session.write(2, [text(order)])
        assert (await next_text(session))[0] == "a!"
        with pytest.raises(SessionStepError, match=words) as caught:
            await session.read(LIMIT_S)
        assert (caught.value.step, caught.value.code) == (step, code)


@BOTH
async def test_a_worker_s_death_ends_its_sessions_at_once(version: int, tmp_path: Path) -> None:
    async with served(CALLBACK, version, tmp_path) as (pool, sessions):
        idle, killer = await opened(sessions, "idle"), await opened(sessions, "killer")
        await idle.write(1, [text("a")])
        assert (await next_text(idle))[0] == "a!"
        await killer.write(1, [text("exit")])
        for session in (idle, killer):
            with pytest.raises(WorkerDiedError):
                await session.read(LIMIT_S)
        await until(lambda: pool.ready_workers == 1, "the replacement")
        again = await opened(sessions, "again")
        await again.write(1, [text("b", DataStatus.ONCE)])
        assert (await next_text(again))[0] == "b!"


@BOTH
async def test_a_dropped_session_is_destroyed_and_its_licence_returned(
    version: int, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path, licences=1) as (pool, sessions):
        session = await opened(sessions)
        with pytest.raises(NoLicenceError):
            await opened(sessions, "other")
        with pytest.raises(UnknownHandleError):
            sessions.find("other")
        with pytest.raises(HandleTakenError, match="handle:h is already stored"):
            await opened(sessions)
        session.abort()
        with pytest.raises(EndedHandleError):
            await session.read(LIMIT_S)
        await until(lambda: pool.calls == 0, "the licence")
        (await opened(sessions)).abort()


@BOTH
async def test_a_session_that_nobody_asks_for_expires(version: int, tmp_path: Path) -> None:
    async with served(CALLBACK, version, tmp_path, ttl_s=0.2) as (pool, sessions):
        session = await opened(sessions)
        with pytest.raises(EndedHandleError, match="seq channel already closed"):
            await session.read(LIMIT_S)
        with pytest.raises(UnknownHandleError):
            sessions.find("h")
        await until(lambda: pool.calls == 0, "the licence")


@BOTH
async def test_thousands_of_results_arrive_in_order_though_the_client_is_slow(
    version: int, tmp_path: Path
) -> None:
    count = 5000 if version == 2 else 2000
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text(f"many {count}")])
        other = await opened(sessions, "other")
        await other.write(1, [text("x", DataStatus.ONCE)])
        assert (await next_text(other))[0] == "x!"  # though nobody reads the first
        got = [(await next_text(session))[0] for _ in range(count + 1)]
        assert got == [*map(str, range(count)), "end"]


@pytest.mark.parametrize("order", ["many", "many-here"])
async def test_a_slow_client_holds_up_its_own_session_alone(order: str, tmp_path: Path) -> None:
    """Whether its results come from a thread of the wrapper's own, or from wrapperWrite."""
    async with served(CALLBACK, 2, tmp_path, concurrency=1) as (_, sessions):
        flooded = await opened(sessions, "flooded")
        await flooded.write(1, [text(f"{order} 10000")])
        for number in range(20):
            other = await opened(sessions, f"other-{number}")
            await other.write(1, [text("x", DataStatus.ONCE)])
            assert (await next_text(other))[0] == "x!"
        assert len(flooded._results) < 2_000
        flooded.abort()


@BOTH
async def test_results_are_held_back_where_that_is_wanted(version: int, tmp_path: Path) -> None:
    async with served(CALLBACK, version, tmp_path, results_at_once=False) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("a")])
        assert await session.read(0.3) is None
        await session.write(2, [text("b", DataStatus.END)])
        assert [(await next_text(session))[0] for _ in range(2)] == ["a!", "b!"]


@BOTH
async def test_callbacks_by_sid_reach_their_session(version: int, tmp_path: Path) -> None:
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions, params={"bySid": "1"})
        await session.write(1, [text("a", DataStatus.ONCE)])
        assert (await next_text(session))[0] == "a!"


@BOTH
async def test_a_generator_yields_results_and_need_not_say_which_is_last(
    version: int, tmp_path: Path
) -> None:
    async with served(GENERATOR, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("one two", DataStatus.BEGIN)])
        assert await next_text(session) == ("one", DataStatus.BEGIN)
        assert await next_text(session) == ("two", DataStatus.CONTINUE)
        await session.write(2, [text("three", DataStatus.END)])
        assert await next_text(session) == ("three", DataStatus.CONTINUE)
        assert await next_text(session) == ("", DataStatus.END)


@BOTH
async def test_a_generator_that_raises_fails_its_session_alone(
    version: int, tmp_path: Path
) -> None:
    async with served(GENERATOR, version, tmp_path) as (_, sessions):
        session, other = await opened(sessions), await opened(sessions, "other")
        await session.write(1, [text("one boom")])
        assert (await next_text(session))[0] == "one"
        with pytest.raises(SessionStepError, match="boom"):
            await session.read(LIMIT_S)
        await other.write(1, [text("x", DataStatus.ONCE)])
        assert (await next_text(other))[0] == "x"
        assert (await next_text(other))[1] == DataStatus.END


@BOTH
async def test_a_generator_s_session_can_be_dropped(version: int, tmp_path: Path) -> None:
    async with served(GENERATOR, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("one")])
        assert (await next_text(session))[0] == "one"
        session.abort()


@BOTH
async def test_a_wrapper_that_is_asked_for_its_results(version: int, tmp_path: Path) -> None:
    async with served(READ, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        for number, (data, status) in enumerate((("a", 0), ("b", 1), ("c", 2)), 1):
            await session.write(number, [text(data, status)])
        assert [(await next_text(session))[0] for _ in range(3)] == ["A", "B", "C"]


async def test_a_generator_that_takes_nothing_holds_up_its_own_session_alone(
    tmp_path: Path,
) -> None:
    async with served(STUBBORN, 2, tmp_path, concurrency=1) as (_, sessions):
        stubborn = await opened(sessions, "stubborn", {"wait": "1"})
        packages = 64 + 32 + 10  # more than wait at the generator and on the way to it
        for number in range(1, packages + 1):
            await stubborn.write(number, [text("more", 2 if number == packages else 1)])
        await until(lambda: stubborn._port._steps[0][0] > 64, "its queue to be full")
        other = await opened(sessions, "other")
        await other.write(1, [text("one", 2)])
        assert await next_text(other) == ("1", 2)
        assert await next_text(stubborn) == (str(packages), 2)


@BOTH
async def test_what_comes_after_the_end_of_the_input_is_ignored(
    version: int, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("quiet", DataStatus.END)])
        await session.write(2, [text("code 5")])  # it would fail the session
        assert await session.read(0.2) is None
        session.abort()


@BOTH
async def test_a_thousand_sessions_at_once_lose_and_reorder_nothing(
    version: int, tmp_path: Path
) -> None:
    count = 1000 if version == 2 else 200

    async def one(sessions: Sessions, number: int) -> list[str]:
        session = await opened(sessions, f"h{number}")
        for step in range(3):
            await session.write(step + 1, [text(f"{number}.{step}", 2 if step == 2 else 1)])
        return [(await next_text(session))[0] for _ in range(3)]

    async with served(CALLBACK, version, tmp_path, licences=count) as (_, sessions):
        everything = await asyncio.gather(*(one(sessions, number) for number in range(count)))
        for number, got in enumerate(everything):
            assert got == [f"{number}.{step}!" for step in range(3)]


@BOTH
async def test_a_killed_worker_with_a_session_opening_fails_it(
    version: int, tmp_path: Path
) -> None:
    async with served(CALLBACK, version, tmp_path) as (pool, sessions):
        session = await opened(sessions)
        pid = pool.workers[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(CallError) as caught:
            await session.read(LIMIT_S)
        assert caught.value.code == Code.WORKER_DIED
        await until(lambda: pool.ready_workers == 1, "the replacement")


@BOTH
async def test_any_method_may_ask_for_what_is_known_of_the_session(
    version: int, tmp_path: Path
) -> None:
    wrapper = GENERATOR.replace(
        "def wrapperStream(self, params, inputs):",
        "def wrapperStream(self, params, inputs, usrTag, persId=0):\n        assert usrTag == 'h'",
    )
    async with served(wrapper, version, tmp_path) as (_, sessions):
        session = await opened(sessions)
        await session.write(1, [text("one", DataStatus.ONCE)])
        assert (await next_text(session))[0] == "one"
        assert (await next_text(session))[1] == DataStatus.END


async def test_an_event_loop_that_serves_all_sessions_never_waits_for_one(tmp_path: Path) -> None:
    async with served(LOOP, 2, tmp_path) as (_, sessions):
        slow = await opened(sessions, "slow")
        await slow.write(1, [text("20000")])
        for number in range(5):  # nobody reads the first one meanwhile
            other = await opened(sessions, f"other-{number}")
            await other.write(1, [text("1")])
            assert [(await next_text(other))[0] for _ in range(2)] == ["000000", "000001"]
        got = [(await next_text(slow))[0] for _ in range(20_001)]
        assert got == [f"{number:06}" for number in range(20_001)]


async def test_an_event_loop_s_session_that_nobody_reads_fails_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(LOOP, 2, tmp_path) as (pool, sessions):
        slow = await opened(sessions, "slow")
        await slow.write(1, [text("1000 65536")])
        await until(lambda: "does not read" in caplog.text, "the worker to give it up")
        other = await opened(sessions, "other")
        await other.write(1, [text("1")])
        assert [(await next_text(other))[0] for _ in range(2)] == ["000000", "000001"]
        count = 0
        with pytest.raises(SessionStepError, match="results are not read in time"):
            while await next_text(slow):
                count += 1
        assert 256 <= count < 1000
        assert pool.ready_workers == 1
