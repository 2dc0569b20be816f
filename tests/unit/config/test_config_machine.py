"""CPUs, NUMA nodes and libraries, read from trees that look like a machine's."""

import os
from pathlib import Path

import pytest

from aiges_loader.config.machine import library_exists, numa_cpus, usable_cpus

ALLOWED = frozenset(os.sched_getaffinity(0))


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


V2 = {"proc/self/cgroup": "0::/app/worker\n"}
V1 = {"proc/self/cgroup": "5:memory:/x\n3:cpu,cpuacct:/docker/1\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"sys/fs/cgroup/app/worker/cpu.max": "max 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/app/worker/cpu.max": "100000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/app/worker/cpu.max": "30000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/app/worker/cpu.max": "110000 100000\n"}, 2),
        (V2 | {"sys/fs/cgroup/app/cpu.max": "50000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (V2 | {"sys/fs/cgroup/app/other/cpu.max": "50000 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/cpu.max": "nonsense\n"}, None),
        ({"proc/self/cgroup": "nonsense\n"}, None),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
    ],
)
def test_cpus_are_limited_by_every_cgroup_around_the_process(
    tmp_path: Path, files: dict[str, str], limit: int | None
) -> None:
    expected = len(ALLOWED) if limit is None else min(limit, len(ALLOWED))
    assert usable_cpus(root=tree(tmp_path, files)) == expected


def test_cpus_are_limited_by_what_the_process_will_be_bound_to(tmp_path: Path) -> None:
    assert usable_cpus(frozenset([min(ALLOWED), 100_000]), root=tmp_path) == 1
    assert usable_cpus(frozenset([100_000]), root=tmp_path) == 1
    assert usable_cpus(ALLOWED, root=tmp_path) == len(ALLOWED)


def test_a_numa_node_lists_its_cpus(tmp_path: Path) -> None:
    node = "sys/devices/system/node/node{}/cpulist"
    root = tree(tmp_path, {node.format(0): "0-2,8\n", node.format(1): "\n", node.format(2): "5"})
    assert numa_cpus(0, root=root) == frozenset({0, 1, 2, 8})
    assert numa_cpus(1, root=root) == frozenset()
    assert numa_cpus(2, root=root) == frozenset({5})
    assert numa_cpus(3, root=root) is None


def test_a_library_is_found_in_a_folder_or_in_the_linkers_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folders = (tmp_path / "missing", tmp_path)
    assert not library_exists("libengine.so", folders, cache=cache)
    cache.write_bytes(b"\0libengine.so.1\0/opt/libengine.so.1\0")
    assert not library_exists("libengine.so", folders, cache=cache)
    cache.write_bytes(b"\0libengine.so\0/opt/libengine.so\0")
    assert library_exists("libengine.so", folders, cache=cache)
    cache.unlink()
    (tmp_path / "libengine.so").touch()
    assert library_exists("libengine.so", folders, cache=cache)
