"""What workers get of the machine: CPUs, niceness, limits, GPUs."""

import asyncio
import json
import os
import resource
import sys

import pytest

from aiges_loader.pool import guarded
from aiges_loader.pool.placement import Placement, Placements
from aiges_loader.pool.process import WorkerProcess
from support.waiting import LIMIT_S, open_fds

ABOUT = """
import json, os, resource
print(json.dumps({
    "cpus": sorted(os.sched_getaffinity(0)), "nice": os.nice(0),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "as": resource.getrlimit(resource.RLIMIT_AS),
}))
"""
ALLOWED = sorted(os.sched_getaffinity(0))


async def about(placement: Placement, script: str = ABOUT) -> dict[str, object]:
    command = ["bash", "-c", f"true && exec {sys.executable} -I -S -c '{script}'"]
    process = WorkerProcess.spawn(command, dict(os.environ), lambda *_: None, placement)
    try:
        line = await asyncio.wait_for(process.first_line, LIMIT_S)
        return dict(json.loads(line))
    finally:
        await process.end(grace_s=0.0)


async def test_without_a_placement_a_process_has_what_the_supervisor_has() -> None:
    found = await about(Placement())
    assert (found["cpus"], found["nice"]) == (ALLOWED, os.nice(0))
    assert found["nofile"] == list(resource.getrlimit(resource.RLIMIT_NOFILE))


async def test_cpus_niceness_and_limits_hold_for_the_whole_command() -> None:
    limits = {resource.RLIMIT_NOFILE: 123, resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: -1}
    placement = Placement(cpus=frozenset(ALLOWED[-1:]), nice=3, limits=limits)
    found = await about(placement)
    assert (found["cpus"], found["nice"]) == (ALLOWED[-1:], os.nice(0) + 3)
    assert (found["nofile"], found["core"], found["as"]) == ([123, 123], [0, 0], [-1, -1])


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement(cpus=frozenset([4095])), r"\[pool\] cpus: Invalid argument"),
        (
            Placement(limits={resource.RLIMIT_NOFILE: 1 << 40}),
            r"\[pool\] rlimits, nofile: Operation not permitted",
        ),
    ],
)
async def test_what_cannot_be_had_is_named_and_leaves_nothing(
    placement: Placement, words: str
) -> None:
    before = None
    for _ in range(3):
        with pytest.raises(guarded.PlacementError, match=words):
            WorkerProcess.spawn(["true"], dict(os.environ), lambda *_: None, placement)
        before = before or open_fds()
    assert open_fds() == before


def test_lists_are_dealt_out_in_turn() -> None:
    placements = Placements(gpus=("0", "1,2"), cpus=tuple(map(frozenset, ([0], [1], [2, 3]))))
    dealt = [placements.of(number) for number in (1, 2, 3, 4)]
    assert [one.gpus for one in dealt] == ["0", "1,2", "0", "1,2"]
    assert [sorted(one.cpus) for one in dealt] == [[0], [1], [2, 3], [0]]
    assert Placements().of(7) == Placement()
