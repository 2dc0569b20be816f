"""Which python workers get."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from aiges_loader.pool.worker_environ import worker_environ
from support.waiting import dies_within, until

COMMAND = "python -m aiges.serve"
OURS = str(Path(sys.executable).parent)
SYSTEM = "/usr/bin:/bin"


def fake_python(folder: Path, script: str) -> str:
    """Put a `python` that is this shell script into a new folder; return the folder."""
    folder.mkdir()
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    "command",
    [
        COMMAND,
        "/usr/bin/env python -m aiges.serve",
        "cd /x && python3 -m aiges.serve",
    ],
)
async def test_our_interpreter_helps_where_there_is_none(command: str, tmp_path: Path) -> None:
    path = (await worker_environ(command, {"PATH": str(tmp_path)}))["PATH"]
    assert path == f"{OURS}{os.pathsep}{tmp_path}"


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "printf '%070000d' 7; exit 1"])
async def test_a_python_without_aiges_is_passed_over(script: str, tmp_path: Path) -> None:
    theirs = fake_python(tmp_path / "bin", script)
    path = (await worker_environ(COMMAND, {"PATH": f"{theirs}:{SYSTEM}"}))["PATH"]
    assert path.startswith(f"{OURS}{os.pathsep}")


async def test_one_that_cannot_be_executed_is_passed_over(tmp_path: Path) -> None:
    theirs = fake_python(tmp_path / "bin", "")
    (tmp_path / "bin" / "python").write_text("#!/nonexistent/sh\n")
    path = (await worker_environ(COMMAND, {"PATH": f"{theirs}:{SYSTEM}"}))["PATH"]
    assert path.startswith(f"{OURS}{os.pathsep}")


async def test_a_python_that_has_it_is_left_first(tmp_path: Path) -> None:
    environ = {"PATH": f"{fake_python(tmp_path / 'bin', 'exit 0')}:{SYSTEM}"}
    assert await worker_environ(COMMAND, environ) == environ


async def test_the_real_question_is_answered(tmp_path: Path) -> None:
    """Our interpreter from another folder has what ours has; without its packages it has not."""
    ask = fake_python(tmp_path / "bin", f'exec {sys.executable} "$@"')
    environ = {**os.environ, "PATH": f"{ask}:{SYSTEM}"}
    assert (await worker_environ(COMMAND, environ))["PATH"] == environ["PATH"]
    without = fake_python(tmp_path / "without", f'exec {sys.executable} -I -S "$@"')
    environ = {**os.environ, "PATH": f"{without}:{SYSTEM}"}
    assert (await worker_environ(COMMAND, environ))["PATH"] != environ["PATH"]


async def test_others_have_their_turn_while_it_is_asked(tmp_path: Path) -> None:
    asked, go_on = tmp_path / "asked", tmp_path / "go-on"
    script = f"touch {asked}; while [ ! -e {go_on} ]; do sleep 0.01; done; exit 0"
    environ = {"PATH": f"{fake_python(tmp_path / 'bin', script)}:{SYSTEM}"}
    asking = asyncio.create_task(worker_environ(COMMAND, environ))
    await until(asked.exists, "the question")
    go_on.touch()  # while it waits for the answer
    assert await asking == environ


async def test_one_that_does_not_answer_is_passed_over_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiges_loader.pool.worker_environ.CHECK_LIMIT_S", 0.5)
    script = f"echo $$ > {tmp_path / 'pid'}; sleep 60 & wait"
    environ = {"PATH": f"{fake_python(tmp_path / 'bin', script)}:{SYSTEM}"}
    path = (await worker_environ(COMMAND, environ))["PATH"]
    assert path.startswith(f"{OURS}{os.pathsep}")
    assert dies_within(int((tmp_path / "pid").read_text()), 0.0)


async def test_one_that_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = f"echo $$ > {asked}.new; mv {asked}.new {asked}; sleep 60"
    environ = {"PATH": f"{fake_python(tmp_path / 'bin', script)}:{SYSTEM}"}
    asking = asyncio.create_task(worker_environ(COMMAND, environ))
    await until(asked.exists, "the question")
    asking.cancel()
    await asyncio.wait([asking])
    assert dies_within(int(asked.read_text()), 0.0)


@pytest.mark.parametrize("command", ["/opt/python -m x", "./serve", "mypython -m aiges.serve"])
async def test_a_command_that_names_its_program_is_left_alone(command: str, tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path)}
    assert await worker_environ(command, environ) == environ
