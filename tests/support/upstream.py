"""The upstream SDK's own workers: interpreters that have it, and the one port they listen on."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from support.service import ROOT

PORT: Final = 50055
"""Fixed in upstream's code, on all interfaces, shared by SO_REUSEPORT."""

PORT_LIMIT_S: Final = 10.0
TURN_LIMIT_S: Final = 240.0
INSTALL_LIMIT_S: Final = 180.0

CACHE: Final = ROOT / ".cache" / "upstream"

GRPC: Final = (
    "grpcio==1.62.3; python_version < '3.13'",
    "grpcio==1.66.2; python_version >= '3.13'",
    "grpcio-health-checking==1.62.3",
    "protobuf==4.25.9",
    "Jinja2==3.1.6",
    "MarkupSafe==3.0.4",
)

REQUIREMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "0.5.0": GRPC,
    "0.15.0": (
        *GRPC,
        "pydantic==1.10.2; python_version < '3.12'",
        "pydantic==1.10.24; python_version >= '3.12'",
        "typing_extensions==4.16.0",
        "flask-restx==1.3.2",
        "Flask==3.1.3",
        "Werkzeug==3.1.9",
        "blinker==1.9.0",
        "click==8.5.1",
        "itsdangerous==2.2.0",
        "aniso8601==10.0.1",
        "attrs==26.1.0",
        "importlib_resources==7.1.0",
        "jsonschema==4.26.0",
        "jsonschema-specifications==2025.9.1",
        "referencing==0.37.0",
        "rpds-py==2026.9.1",
        "jsonref==1.1.0",
    ),
}
"""By SDK version, what its server imports. What it declares on top of that is five times as big."""


class InstallError(Exception):
    """An environment could not be made; says for which SDK version and why."""


def worker_command(sdk_version: str) -> str:
    """Return `pythonPluginCmd` for workers of that SDK, installing it on first use.

    Our own PYTHONPATH is taken away: it leads to our `aiges`. The wrapper is found in the working
    directory.
    """
    return f"env -u PYTHONPATH {environment(sdk_version)}/bin/python -m aiges.serve"


def environment(sdk_version: str) -> Path:
    """Return the folder of a virtual environment with that SDK, making it on first use.

    Raises:
        InstallError: It could not be made.
    """
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    folder = CACHE / f"{sdk_version}-{python}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be making the same; it is bounded
        if not folder.exists():
            _make(folder, sdk_version)
    return folder


def _make(folder: Path, sdk_version: str) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=CACHE))
    try:
        _run(sdk_version, sys.executable, "-m", "venv", "--without-pip", unfinished)
        _run(
            sdk_version,
            *(sys.executable, "-m", "pip", "--python", unfinished / "bin" / "python"),
            *("install", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-deps", "--no-compile", "--only-binary", ":all:"),
            f"aiges=={sdk_version}",
            *REQUIREMENTS[sdk_version],
        )
        # Only bin/python is used, and that is a link to the interpreter: the folder may move.
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(sdk_version: str, *command: str | Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"aiges {sdk_version}: no end after {INSTALL_LIMIT_S:g} s") from None
    if done.returncode != 0:
        reason = "\n".join(done.stderr.strip().splitlines()[-3:])  # the last names the package
        raise InstallError(f"aiges {sdk_version} cannot be installed: {reason}")


@contextmanager
def the_port() -> Iterator[None]:
    """Be the only test run that starts upstream workers on this machine.

    The claim is an abstract socket: like the port it belongs to the network namespace, it leaves
    no file behind, and it ends with us.
    """
    with socket.socket(socket.AF_UNIX) as claim:
        ends_at = time.monotonic() + TURN_LIMIT_S
        while True:
            try:
                claim.bind(f"\0aiges-upstream-{PORT}")
                break
            except OSError:
                if time.monotonic() > ends_at:
                    raise AssertionError(
                        f"another test run has had port {PORT} for {TURN_LIMIT_S:g} s"
                    ) from None
                time.sleep(0.2)
        yield


def wait_until_port_is_free() -> None:
    """Return once nobody holds the port; fail with the holder's name if that takes too long."""
    ends_at = time.monotonic() + PORT_LIMIT_S
    while holders := port_holders():
        assert time.monotonic() < ends_at, (
            f"port {PORT}, which upstream workers need, is held by {', '.join(holders)}"
        )
        time.sleep(0.02)


def port_holders() -> list[str]:
    """Say who listens on the port, or talks from it: `pid N (command)`."""
    holding = (psutil.CONN_LISTEN, psutil.CONN_ESTABLISHED)
    return sorted(
        {
            _name(connection.pid)
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == PORT and connection.status in holding
        }
    )


def _name(pid: int | None) -> str:
    if pid is None:
        return "a process of somebody else"
    try:
        return f"pid {pid} ({' '.join(psutil.Process(pid).cmdline())})"
    except psutil.Error:
        return f"pid {pid}"
