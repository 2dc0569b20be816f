"""`[pool]` gpus, cpus, nice, env and rlimits: what the workers get of the machine."""

import os
import re
import resource
from collections.abc import Iterator, Mapping

from aiges_loader.config.machine import listed_cpus
from aiges_loader.config.settings import Settings, decimal_integer, shown
from aiges_loader.config.values import PlacementConfig
from aiges_wire import handshake, worker_env

UNLIMITED = "unlimited"
LIMITS: Mapping[str, int] = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}
"""The limits by the names that setrlimit's manual has, in lower case, without RLIMIT_."""
_CPU_LIST = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")


def placement(settings: Settings) -> PlacementConfig:
    """Read and check the five keys."""
    return PlacementConfig(
        gpus=_gpus(settings),
        cpus=tuple(_cpus(settings)),
        nice=settings.integer("pool", "nice"),
        environ=_environ(settings),
        limits=dict(_limits(settings)),
    )


def _gpus(settings: Settings) -> tuple[str, ...]:
    gpus = settings.items("pool", "gpus")
    for item in gpus:
        if not item.isprintable():
            _blame(settings, "gpus", f"expected names or numbers of GPUs, got {shown(item)}")
    return gpus


def _cpus(settings: Settings) -> Iterator[frozenset[int]]:
    allowed = os.sched_getaffinity(0)
    for item in settings.items("pool", "cpus"):
        cpus = frozenset(listed_cpus(item)) if _CPU_LIST.fullmatch(item) else frozenset()
        if not cpus:
            _blame(settings, "cpus", f'expected CPUs like 0 or "0-3,8", got {shown(item)}')
        elif not cpus & allowed:
            _blame(settings, "cpus", f"this process may use none of the CPUs {shown(item)}")
        else:
            yield cpus


def _environ(settings: Settings) -> Mapping[str, str]:
    environ = settings.table("pool", "env")
    for name, value in environ.items():
        if not name or "=" in name or "\0" in name + value:
            _blame(settings, "env", f"{shown(name)} cannot be a variable with that value")
        elif name.startswith(handshake.ENV_PREFIX):
            _blame(
                settings, "env", f"{name}: variables in {handshake.ENV_PREFIX}* are the handshake's"
            )
        elif name == worker_env.GPUS and settings.items("pool", "gpus"):
            _blame(settings, "env", f"{name} is what gpus sets: give one of the two")
    return environ


def _limits(settings: Settings) -> Iterator[tuple[int, int]]:
    for name, text in settings.table("pool", "rlimits").items():
        value = resource.RLIM_INFINITY if text == UNLIMITED else decimal_integer(text)
        if name not in LIMITS:
            _blame(settings, "rlimits", f"unknown limit {shown(name)}; there are {_names()}")
        elif value is None or (value < 0 and text != UNLIMITED):
            problem = f'expected a whole number from 0 or "{UNLIMITED}", got {shown(text)}'
            _blame(settings, "rlimits", f"{name}: {problem}")
        else:
            yield LIMITS[name], value


def _names() -> str:
    return ", ".join(sorted(LIMITS))


def _blame(settings: Settings, name: str, problem: str) -> None:
    settings.errors.append(settings.finding("pool", name, problem))
