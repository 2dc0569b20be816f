"""Which python workers get."""

import os
import sys
from pathlib import Path

import pytest

from aiges_loader.pool.worker_environ import worker_environ

OURS = str(Path(sys.executable).parent)
SYSTEM = "/usr/bin:/bin"


def fake_python(folder: Path, *, exit_status: int) -> str:
    folder.mkdir()
    python = folder / "python"
    python.write_text(f"#!/bin/sh\nexit {exit_status}\n")
    python.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    "command",
    [
        "python -m aiges.serve",
        "/usr/bin/env python -m aiges.serve",
        "cd /x && python3 -m aiges.serve",
    ],
)
def test_our_interpreter_helps_where_there_is_none(command: str, tmp_path: Path) -> None:
    path = worker_environ(command, {"PATH": str(tmp_path)})["PATH"]
    assert path == f"{OURS}{os.pathsep}{tmp_path}"


def test_a_python_without_aiges_is_passed_over(tmp_path: Path) -> None:
    theirs = fake_python(tmp_path / "bin", exit_status=1)
    path = worker_environ("python -m aiges.serve", {"PATH": f"{theirs}:{SYSTEM}"})["PATH"]
    assert path.startswith(f"{OURS}{os.pathsep}")


def test_a_python_that_has_it_is_left_first(tmp_path: Path) -> None:
    environ = {"PATH": f"{fake_python(tmp_path / 'bin', exit_status=0)}:{SYSTEM}"}
    assert worker_environ("python -m aiges.serve", environ) == environ


@pytest.mark.parametrize("command", ["/opt/python -m x", "./serve", "mypython -m aiges.serve"])
def test_a_command_that_names_its_program_is_left_alone(command: str, tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path)}
    assert worker_environ(command, environ) == environ
