"""The environment that worker processes are started in."""

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CHECK_LIMIT_S: Final = 10.0

# A bare `python` somewhere in the command: it is looked up on PATH.
_BARE_PYTHON: Final = re.compile(r"(?:^|[\s;&|(])(python3?)(?=\s|$)")

log = logging.getLogger(__name__)


def worker_environ(command: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for `command`, in which its `python` can import `aiges`.

    An operator who starts us from a virtual environment that is not activated means that one: if
    the `python` that PATH finds is missing, or has no `aiges`, our interpreter's folder goes first.

    Args:
        command: For `bash -c`.
        environ: Ours.
    """
    result = dict(environ)
    if found := _BARE_PYTHON.search(command):
        ours = Path(sys.executable).parent
        python = shutil.which(found[1], path=environ.get("PATH", os.defpath))
        if python is None or (Path(python).parent != ours and not _has_aiges(python, environ)):
            result["PATH"] = f"{ours}{os.pathsep}{environ.get('PATH', os.defpath)}"
            log.info("workers use the python in %s: %s", ours, _complaint(found[1], python))
    return result


def _has_aiges(python: str, environ: Mapping[str, str]) -> bool:
    script = (
        "import sys; from importlib.util import find_spec; "
        "sys.exit(not (find_spec('aiges') and find_spec('grpc')))"
    )
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the worker would use
            [python, "-c", script],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=CHECK_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _complaint(name: str, python: str | None) -> str:
    return f"{python} cannot import aiges" if python else f"there is no {name} on PATH"
