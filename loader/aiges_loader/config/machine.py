"""What the machine offers: CPUs, NUMA nodes, shared libraries. Reads /proc, /sys and /etc."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path, PurePosixPath

_LINKER_DIRECTORIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def usable_cpus(within: frozenset[int] | None = None, *, root: Path = Path("/")) -> int:
    """Count the CPUs this process may use: by affinity, cut by its cgroup's quota, at least 1.

    Args:
        within: CPUs that the process is going to be bound to; None: it is not.
        root: Where `proc` and `sys` are.
    """
    allowed = os.sched_getaffinity(0)
    count = len(allowed if within is None else allowed & within)
    for quota in _cgroup_quotas(root):
        count = min(count, ceil(quota))
    return max(1, count)


def numa_cpus(node: int, *, root: Path = Path("/")) -> frozenset[int] | None:
    """Return the CPUs of a NUMA node, for `os.sched_setaffinity`; None if there is no such node."""
    try:
        text = (root / f"sys/devices/system/node/node{node}/cpulist").read_text(encoding="ascii")
    except OSError:
        return None
    return frozenset(listed_cpus(text))


def library_exists(
    name: str, directories: Iterable[Path], *, cache: Path = Path("/etc/ld.so.cache")
) -> bool:
    """Say whether one of `directories` has the library, or the dynamic linker knows it.

    The linker's cache is searched as bytes: it holds every library's name and path, each ended by
    NUL. (`ctypes.util.find_library` would start a compiler, a linker and ldconfig to find out.)
    """
    folders = (*directories, *map(Path, _LINKER_DIRECTORIES))
    if any(os.path.exists(folder / name) for folder in folders):
        return True
    with suppress(OSError):
        return f"{name}\0".encode() in cache.read_bytes()
    return False


def _cgroup_quotas(root: Path) -> Iterator[float]:
    """Yield each limit, in CPUs, of this process's cgroup and the groups around it.

    Version 2 has "QUOTA PERIOD" in cpu.max, version 1 two files; "max" and -1 are no limit.
    """
    for mount, group in _cgroups(root):
        inside = PurePosixPath(group.lstrip("/"))
        for folder in (mount / inside, *(mount / parent for parent in inside.parents)):
            with suppress(OSError, ValueError):
                if (folder / "cpu.max").exists():
                    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
                else:
                    quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
                    period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
                if quota != "max" and int(quota) > 0:
                    yield int(quota) / int(period)


def _cgroups(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield where a hierarchy that can limit CPUs is mounted, and this process's group in it."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                yield root / "sys/fs/cgroup", group
            elif "cpu" in controllers.split(","):
                yield root / "sys/fs/cgroup/cpu", group


def listed_cpus(text: str) -> Iterator[int]:
    """Read a list like "0-3,8"."""
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)
