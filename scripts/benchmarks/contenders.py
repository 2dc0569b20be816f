"""Who is measured: each contender is a value that says how it is started for a case."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import environments
from benchmarks.cases import Case
from benchmarks.environments import Environment, clean_environ
from benchmarks.server import Launch, free_port

SERVICES: Final = Path(__file__).with_name("services")
UPPER_IN_C: Final = environments.ROOT / "wrappers" / "c" / "upper"
HEADER: Final = environments.ROOT / "plugin_runtime" / "aiges" / "include"
BUILD_LIMIT_S: Final = 60.0
DECODES: Final = frozenset({"echo", "digest"})
"""Works that take no time of their own."""
ALL: Final = DECODES | {"burn", "sleep", "matmul"}
OURS_ALSO: Final = ALL | {"upper"}
NUMPY: Final = "numpy==2.4.6"
"""For the work matmul."""

MOST_BODY_BYTES: Final = 64 << 20
DEFAULT_LICENCES: Final = 64


@dataclass(frozen=True, slots=True)
class Contender:
    """One server.

    Attributes:
        note: What it is and how it is set up, for people.
        works: What it can be asked to do, by the names of services/work.py.
        environment: Makes its environment, which takes long the first time.
        launch: Says how to start it for a case, with a scratch folder.
    """

    name: str
    note: str
    works: frozenset[str]
    environment: Callable[[], Environment]
    launch: Callable[[Environment, Case, Path], Launch]


@dataclass(frozen=True, slots=True)
class Bare:
    """The work in a loop in as many processes as the case has workers, without any server."""

    name: str = "bare"
    note: str = "reference: the work in a loop, as many processes as workers, no server, no client"
    works: frozenset[str] = frozenset({"burn"})
    environment: Callable[[], Environment] = environments.of_checkout


def ours(name: str, environment: Callable[[], Environment], *, protocol: str = "auto") -> Contender:
    """Return aiges-loader.

    Args:
        name: Of the contender.
        environment: With some commit of aiges-loader.
        protocol: `[pool] protocol`. A commit that does not know the key has only version 1.
    """

    def launch(made: Environment, case: Case, folder: Path) -> Launch:
        port = free_port()
        config = folder / "aiges.toml"
        config.write_text(toml(_our_config(case, port, folder, made.python, protocol)), "utf-8")
        program = (made.python, "-m", "aiges_loader")
        command = (*program, "-m", "0", "-c", config, "-s", "svcName")
        return Launch(command, SERVICES, clean_environ(), port)

    version = "1, gRPC" if protocol == "1" else "2, the native data channel"
    return Contender(
        name, f"aiges-loader, worker protocol {version}", OURS_ALSO, environment, launch
    )


def in_c(name: str, environment: Callable[[], Environment]) -> Contender:
    """Return aiges-loader with the sample plugin in C that turns text to upper case."""

    def launch(made: Environment, case: Case, folder: Path) -> Launch:
        library = folder / "upper"
        shutil.copytree(UPPER_IN_C, library)
        subprocess.run(  # noqa: S603 - our own sample
            ["make", "--silent", "libwrapper.so", f"INCLUDE={HEADER}"],  # noqa: S607
            cwd=library,
            check=True,
            timeout=BUILD_LIMIT_S,
        )
        port = free_port()
        config = folder / "aiges.toml"
        config.write_text(toml(_our_config(case, port, folder, made.python, "auto")), "utf-8")
        program = (made.python, "-m", "aiges_loader")
        command = (*program, "-m", "0", "-c", config, "-s", "svcName")
        return Launch(command, library, clean_environ(AIGES_PLUGIN_MODE="c"), port)

    note = "aiges-loader, the sample wrappers/c/upper in C mode"
    return Contender(name, note, frozenset({"upper"}), environment, launch)


def _our_config(
    case: Case, port: int, folder: Path, python: Path, protocol: str
) -> Mapping[str, Mapping[str, object]]:
    return {
        "svcName": {"host": "127.0.0.1", "port": 0},
        "aiges": {"pythonPluginCmd": f"{python} -m aiges.serve"},
        "wrapper": {"http_listen": f"127.0.0.1:{port}", "work": case.work},
        "log": {"level": "none", "file": str(folder / "aiges.log")},
        "fc": {
            "able": 1,
            "router": "sessionManager",
            "max": max(DEFAULT_LICENCES, case.connections),
        },
        "pool": {
            "workers": case.workers,
            "concurrency": case.concurrency,
            "protocol": protocol,
        },
        "batch": {"maxSize": max(1, case.batch), "maxDelay": 0.005, "adaptive": True},
        "admin": {"listen": "127.0.0.1:0"},
    }


def toml(sections: Mapping[str, Mapping[str, object]]) -> str:
    """Write a configuration."""
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f'"{key}" = {json.dumps(v)}' for key, v in keys.items())]
    return "\n".join(lines) + "\n"


def _launch_mosec(made: Environment, case: Case, folder: Path) -> Launch:
    port = free_port()
    options = {
        "--address": "127.0.0.1",
        "--port": str(port),
        "--path": str(folder / "mosec"),
        "--timeout": "30000",
        "--capacity": "4096",
        "--log-level": "warning",
        "--max-request-size": str(MOST_BODY_BYTES),
    }
    # A mosec worker runs one call at a time, so what others do with threads it does with processes.
    workers = case.workers * max(1, case.concurrency)
    return Launch(
        [
            made.python,
            SERVICES / "mosec_service.py",
            *(w for pair in options.items() for w in pair),
        ],
        SERVICES,
        _environ_for(case, BENCH_WORKERS=str(workers)),
        port,
    )


def _environ_for(case: Case, **extra: str) -> Mapping[str, str]:
    return clean_environ(BENCH_WORK=case.work, BENCH_BATCH=str(case.batch), **extra)


def _launch_on_port(program: str) -> Callable[[Environment, Case, Path], Launch]:
    def launch(made: Environment, case: Case, folder: Path) -> Launch:
        port = free_port()
        environ = _environ_for(case, BENCH_WORKERS=str(case.workers), TMPDIR=str(folder))
        return Launch([made.python, SERVICES / program, str(port)], SERVICES, environ, port)

    return launch


def _of_packages(name: str, *requirements: str) -> Callable[[], Environment]:
    return lambda: environments.of_packages(name, requirements)


MOSEC: Final = Contender(
    "mosec",
    "mosec, its JSON codec, one call at a time in a worker, so 32 workers where 32 calls sleep",
    ALL,
    _of_packages("mosec", "mosec==0.9.8", NUMPY),
    _launch_mosec,
)
LITSERVE: Final = Contender(
    "litserve",
    "LitServe, fast_queue, one API server for each worker, coroutines where calls sleep",
    ALL,
    _of_packages("litserve", "litserve==0.2.19", NUMPY),
    _launch_on_port("litserve_service.py"),
)
AIOHTTP: Final = Contender(
    "aiohttp",
    "reference: aiohttp and uvloop in one process, no worker, decodes JSON and base64",
    DECODES,
    _of_packages(
        "aiohttp", "aiohttp==3.14.5", "uvloop==0.23.0", "orjson==3.13.0", "pybase64==1.5.1"
    ),
    _launch_on_port("aiohttp_service.py"),
)

Measured = Contender | Bare
BARE: Final = Bare()

OURS: Final = (
    ours("ours-v1", environments.of_checkout, protocol="1"),
    ours("ours-v2", environments.of_checkout),
)
SERVERS: Final = (*OURS, MOSEC, LITSERVE, AIOHTTP)
IN_C: Final = in_c("ours-c", environments.of_checkout)
CONTENDERS: Final[tuple[Measured, ...]] = (*SERVERS, IN_C, BARE)


def at_commit(commit: str) -> Contender:
    """Return aiges-loader as it was at a commit, to see what has changed since."""
    return ours(f"ours@{commit[:10]}", lambda: environments.of_commit(commit))
