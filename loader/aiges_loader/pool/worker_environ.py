"""The environment that worker processes are started in."""

import asyncio
import logging
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiges_loader.pool.process import Stream, WorkerProcess

CHECK_LIMIT_S: Final = 10.0
"""How long an interpreter may take to say whether it has `aiges`: usually 20 ms."""

# A bare `python` somewhere in the command: it is looked up on PATH.
_BARE_PYTHON: Final = re.compile(r"(?:^|[\s;&|(])(python3?)(?=\s|$)")

_CHECK: Final = (
    "import sys; from importlib.util import find_spec; "
    "sys.exit(not (find_spec('aiges') and find_spec('grpc')))"
)

log = logging.getLogger(__name__)


async def worker_environ(command: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for `command`, in which its `python` can import `aiges`.

    An operator who starts us from a virtual environment that is not activated means that one: if
    the `python` that PATH finds is missing, or has no `aiges`, our interpreter's folder goes first.
    It is asked, for at most `CHECK_LIMIT_S`.

    Args:
        command: For `bash -c`.
        environ: Ours.
    """
    result = dict(environ)
    if found := _BARE_PYTHON.search(command):
        ours = Path(sys.executable).parent
        python = shutil.which(found[1], path=environ.get("PATH", os.defpath))
        if python is None or (
            Path(python).parent != ours and not await _has_aiges(python, environ)
        ):
            result["PATH"] = f"{ours}{os.pathsep}{environ.get('PATH', os.defpath)}"
            log.info("workers use the python in %s: %s", ours, _complaint(found[1], python))
    return result


async def _has_aiges(python: str, environ: Mapping[str, str]) -> bool:
    try:
        # Under a guard like a worker: nothing of it stays, and nobody else reaps it.
        process = WorkerProcess.spawn((python, "-c", _CHECK), environ, _ignore)
    except OSError:
        return False
    try:
        await asyncio.wait([process.exited], timeout=CHECK_LIMIT_S)
        return process.exited.done() and process.exited.result().status == 0
    finally:
        await process.end(grace_s=0.0)


def _ignore(_stream: Stream, _line: bytes) -> None:
    """Take no interest in what it writes: its exit status says all."""


def _complaint(name: str, python: str | None) -> str:
    return f"{python} cannot import aiges" if python else f"there is no {name} on PATH"
