"""What docs/authors.md tells people to type works, in its order, and shows what it says."""

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.authoring import Serving, environment
from support.reader import blocks
from support.service import LIMIT_S, ROOT

ENGLISH = (ROOT / "docs" / "authors.md").read_text("utf-8")
CHINESE = (ROOT / "docs" / "authors.zh.md").read_text("utf-8")
SERVES = ("aiges dev", "aiges run")
SAVES = "sed -i "


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `aiges` is the one that is tested."""
    commands = tmp_path / "bin"
    commands.mkdir()
    program = commands / "aiges"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m aiges "$@"\n')
    program.chmod(0o755)
    return f"{commands}:{environment()['PATH']}"


def run(command: str, folder: Path, path: str) -> str:
    done = subprocess.run(
        ["sh", "-euc", command],
        cwd=folder,
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def comparable(text: str) -> str:
    """Return an output without what differs from one time to the next."""
    text = re.sub(r"\d+\.\d+ s$", "N s", text, flags=re.MULTILINE)
    return re.sub(r", \d+ bytes$", ", N bytes", text, flags=re.MULTILINE).rstrip("\n")


def test_who_follows_the_guide_sees_what_it_says(path: str, tmp_path: Path) -> None:
    folder, answer = tmp_path, ""
    serving: Serving | None = None
    typed = set()
    with ExitStack() as stack:
        for block in blocks(ENGLISH):
            if block.language == "text":
                assert comparable(answer) == comparable(block.text)
                continue
            assert block.language == "sh"
            typed |= set(re.findall(r"^aiges (\w+)", block.text, re.MULTILINE))
            if block.text in SERVES:
                stack.close()
                command = block.text.split()[1]
                serving = stack.enter_context(Serving(folder, command)).ready()
                continue
            text = block.text
            if text.startswith(SAVES):
                save, _, text = text.partition("\n")
                assert serving is not None
                seen = len(serving.log)
                run(save, folder, path)
                serving.wait_for("worker ready", after=seen)
            if serving is not None:
                text = text.replace(":1888", f":{serving.port}")
            answer = run(text, folder, path)
            if entered := re.search(r"^cd (\w+)$", text, re.MULTILINE):
                folder = folder / entered[1]
    assert typed == {"create", "test", "dev", "call", "run", "schema", "package", "doctor"}


def test_both_languages_show_the_same() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)
