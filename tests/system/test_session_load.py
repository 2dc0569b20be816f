"""The load on sessions measures a real service, and notices what is lost."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from aiges.client import Result
from aiges.client.data import Output
from benchmarks.session_load import Tally, read
from support.service import ROOT, SOURCES

RUN_LIMIT_S = 120.0


@pytest.mark.parametrize("transport", ["ws", "http", "grpc"])
def test_a_small_load_is_measured(transport: str) -> None:
    options = "--sessions 6 --at-once 3 --inputs 4 --pace 0.001 --flood 50 --idle 5 --json"
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "session_load.py"),
            *("--transport", transport),
            *options.split(),
        ],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["lost"], found["reordered"], found["failed"]) == (0, 0, {})
    for figure in ("sessions_per_s", "results_per_s", "first_p50_ms", "flood_results_per_s"):
        assert found[figure] > 0
    assert found["first_p99_ms"] >= found["first_p50_ms"]
    assert found["memory_idle"]["supervisor"] >= found["memory_before"]["supervisor"] > 10


@pytest.mark.parametrize(
    ("numbers", "lost", "reordered"),
    [([0, 1, 2, 3], 0, 0), ([0, 2, 1, 3], 0, 1), ([0, 3], 2, 0), ([], 4, 0)],
)
def test_what_is_lost_or_out_of_order_is_counted(
    numbers: list[int], lost: int, reordered: int
) -> None:
    async def results() -> AsyncIterator[Result]:
        for number in numbers:
            yield Result("s", {"result": Output("result", "text", b"%d 0" % number, 1, {})})

    tally = Tally()
    asyncio.run(read(results(), 4, tally))
    assert (tally.results, tally.lost, tally.reordered) == (len(numbers), lost, reordered)
