"""`aiges doctor`: what is wrong here, and what to do about it."""

import importlib.metadata
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiges
from aiges.authoring import addresses, project
from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say

OUR_PACKAGE: Final = "aiges-loader"
UPSTREAM: Final = "aiges"
"""The SDK of the original, a package of another name whose module has ours."""

OLDEST_PYTHON: Final = (3, 11)
ENOUGH_FILES: Final = 4096
IMPORT_LIMIT_S: Final = 120.0
_SHORT_LIMIT_S: Final = 20.0

_EXTRAS: Final = (
    ("c", "cffi", "libwrapper.so"),
    ("client", "aiohttp", "aiges call"),
    ("dev", "watchfiles", "aiges dev"),
    ("tls", "cryptography", "[pool] autoMtls"),
)
"""Name of an extra, the module that it brings, and what needs it."""

_IMPORT: Final = (
    "import sys; from aiges._runtime import loading; wrapper = loading.load();"
    " print(sys.modules[type(wrapper).__module__].__file__)"
)
_STUBS: Final = (
    "aiges_wire.pb.aiges_inner_pb2_grpc",
    "aiges_wire.pb.aiges_control_pb2_grpc",
    "aiges_wire.pb.grpc_controller_pb2_grpc",
)


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: What, in a word.
        level: How much it matters.
        text: What was found.
        advice: What to do about it, "" if nothing.
    """

    topic: str
    level: Level
    text: str
    advice: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Look at this interpreter, this machine and the project in `folder`; yield what is found."""
    for look in (_python, _packages, _stubs, _upstream, _extras, _ports, _files, _tools):
        yield from look()
    yield from _project(folder)


def _python() -> Iterator[Finding]:
    text = f"{sys.version.split()[0]} {sys.executable}"
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding("python", Level.OK, text)
    else:
        yield Finding("python", Level.ERROR, text, say("doctor.old_python"))


def _packages() -> Iterator[Finding]:
    for name in (OUR_PACKAGE, "grpcio", "grpcio-health-checking", "protobuf"):
        version = _version(name)
        if version is None:
            advice = say("doctor.install", package=name)
            yield Finding(name, Level.ERROR, say("doctor.missing"), advice)
        else:
            yield Finding(name, Level.OK, version)


def _stubs() -> Iterator[Finding]:
    """See whether the generated code of the protocol goes with the grpcio and protobuf here."""
    for name in _STUBS:
        try:
            importlib.import_module(name)
        except Exception as error:  # old runtimes refuse newer code in several ways
            text = f"{name}: {type(error).__name__}: {error}"
            yield Finding("protocol", Level.ERROR, text, say("doctor.stubs"))
            return
    yield Finding("protocol", Level.OK, say("doctor.stubs_fit"))


def _upstream() -> Iterator[Finding]:
    ours = Path(aiges.__file__ or "").resolve()
    version = _version(UPSTREAM)
    if version is not None:
        text = say("doctor.upstream", version=version)
        yield Finding("aiges", Level.ERROR, text, say("doctor.uninstall_upstream"))
    else:
        yield Finding("aiges", Level.OK, str(ours.parent))


def _extras() -> Iterator[Finding]:
    for extra, module, used_by in _EXTRAS:
        if importlib.util.find_spec(module) is not None:
            yield Finding(extra, Level.OK, say("doctor.extra", module=module, used_by=used_by))
        else:
            text = say("doctor.no_extra", module=module, used_by=used_by)
            yield Finding(extra, Level.WARN, text, f"pip install '{OUR_PACKAGE}[{extra}]'")


def _ports() -> Iterator[Finding]:
    for port in (addresses.HTTP_PORT, addresses.ADMIN_PORT):
        if addresses.is_free(addresses.LOOPBACK, port):
            yield Finding(f"port {port}", Level.OK, say("doctor.free"))
        else:
            yield Finding(f"port {port}", Level.WARN, say("doctor.busy"), say("doctor.other_port"))


def _files() -> Iterator[Finding]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= ENOUGH_FILES:
        shown = "unlimited" if most == resource.RLIM_INFINITY else most
        yield Finding("open files", Level.OK, str(shown))
    else:
        advice = say("doctor.raise_files", enough=ENOUGH_FILES)
        yield Finding("open files", Level.WARN, str(most), advice)


def _tools() -> Iterator[Finding]:
    bash = shutil.which("bash")
    if bash is None:  # workers are started by it
        yield Finding("bash", Level.ERROR, say("doctor.missing"), say("doctor.bash"))
    else:
        yield Finding("bash", Level.OK, bash)
    for name in ("docker", "systemctl"):
        yield Finding(name, Level.OK, shutil.which(name) or say("doctor.not_needed"))


def _project(folder: Path) -> Iterator[Finding]:
    try:
        found = project.find(folder)
    except AuthoringError as error:
        yield Finding("wrapper", Level.WARN, say("doctor.no_project"), str(error))
        return
    if found.wrapper is None:
        yield Finding("libwrapper.so", Level.OK, str(found.folder / project.LIBRARY))
        return
    yield from _shadows(found)
    yield _import(found)
    if found.config is not None:
        yield _config(found)


def _shadows(found: project.Project) -> Iterator[Finding]:
    """Find files of the project that take the place of the SDK's modules in a worker."""
    for folder in {found.folder, found.wrapper_folder()}:
        for name in ("aiges", "aiges.py", "aiges_wire", "grpc", "google"):
            if (folder / name).exists():
                text = say("doctor.shadows", path=folder / name)
                yield Finding("modules", Level.ERROR, text, say("doctor.rename"))


def _import(found: project.Project) -> Finding:
    """Load the wrapper as a worker does, in a process of its own."""
    try:
        done = _run(sys.executable, "-c", _IMPORT, folder=found.folder, limit_s=IMPORT_LIMIT_S)
    except subprocess.TimeoutExpired:
        text = say("doctor.import_slow", seconds=IMPORT_LIMIT_S)
        return Finding("wrapper", Level.WARN, text, say("doctor.import_at_top"))
    if done.returncode == 0:
        return Finding("wrapper", Level.OK, done.stdout.strip().rpartition("\n")[2])
    status = say("doctor.status", status=done.returncode)
    last = done.stderr.strip().rpartition("\n")[2] or status
    text = f"{found.wrapper}: {last}"
    return Finding("wrapper", Level.ERROR, text, say("doctor.import_by_hand"))


def _config(found: project.Project) -> Finding:
    """Have the supervisor check the configuration."""
    check = ("-P", "-m", "aiges_loader", "check", "-c", str(found.config))
    done = _run(sys.executable, *check, folder=found.folder, limit_s=_SHORT_LIMIT_S)
    if done.returncode == 0:
        return Finding("aiges.toml", Level.OK, str(found.config))
    text = (done.stdout + done.stderr).strip()
    advice = f"aiges-loader check -c {found.config}"
    return Finding("aiges.toml", Level.ERROR, text, advice)


def _run(*command: str, folder: Path, limit_s: float) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command lines
        command,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=limit_s,
        check=False,
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
