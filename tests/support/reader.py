"""A reader of a document who does what its fenced blocks say, and compares what they show.

What a block is for follows from its language, and from the comment in front of it, if there is one:

    <!-- not run: WHY -->        it is only looked at
    <!-- file: NAME -->          its text is that of a file
    <!-- beside: wrappers/X -->  the folder has the files of this sample, too
    <!-- served: wrappers/X -->  the same, and the sample is being served
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiges_loader.config import default_text, load_given
from support.service import LIMIT_S, ROOT, SOURCES

FENCED: Final = re.compile(
    r"(?:^<!-- (.+?) -->\n\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
VERBS: Final = ("not run", "file", "beside", "served")

SERVES: Final = re.compile(
    r"^(?:\w+=\S+ )*(?:sh scripts/run_sample\.sh|aiges-loader -m 0|aiges (?:run|dev))\b"
)
"""How the lines begin that go on until they are stopped."""

PORTS: Final[Mapping[str, str]] = {
    "http": r"(?<=:)1?1888\b",
    "grpc": r"(?<=[:=])1?5090\b",
    "admin": r"(?<=:)1?1889\b",
}
"""Ports that documents name, for which free ones are taken."""

ASKS_ADMIN: Final = re.compile(
    r"^aiges-loader (?:status|logs|reload|restart|drain)\b.*$", re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the comment in front of it.

    Attributes:
        verb: One of `VERBS`; "" without a comment that has one.
        what: What stands behind the verb.
    """

    language: str
    text: str
    verb: str = ""
    what: str = ""


def blocks(markdown: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    found = []
    for comment, language, text in FENCED.findall(markdown):
        verb, _, what = comment.partition(":")
        marked = (verb, what.strip()) if verb in VERBS else ("", "")
        found.append(Block(language, text.rstrip("\n"), *marked))
    return found


class Running:
    """A command of a document that serves until it is stopped."""

    def __init__(self, command: str, folder: Path, env: Mapping[str, str]) -> None:
        self.ports: dict[str, int] = {}
        self._log = folder / "output.txt"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                ["sh", "-c", f"exec env {command}"],
                cwd=ROOT if command.startswith("sh ") else folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ready(self) -> Self:
        """Wait until the command has said that it is ready, and on which ports."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            said = self._log.read_text("utf-8")
            if "ready routes=" in said:
                for name, port in re.findall(r" (http|grpc|admin)=\S*?:(\d+)", said):
                    self.ports[name] = int(port)
                return self
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        try:
            status = self.process.wait(LIMIT_S)
        finally:
            self.process.kill()
        assert error or status == 0, self._log.read_text("utf-8")


class Reader:
    """Somebody with a terminal, who carries out one block after the other."""

    def __init__(self, folder: Path) -> None:
        """Begin in `folder`, which is there and empty."""
        self.answer = ""
        self._root = folder
        self._env = environment(folder)
        self._running = ExitStack()
        self._ports: Mapping[str, int] = {}
        self.folder = folder / "work"
        self.folder.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, trace)

    def do(self, block: Block) -> None:
        """Carry out one block; an AssertionError says what is not as it is shown."""
        match block.verb, block.language:
            case "not run", language:
                assert block.what, f"no reason is given:\n{block.text}"
                if language == "python":
                    compile(block.text, "<document>", "exec")
            case "file", _:
                (self.folder / block.what).write_text(f"{block.text}\n", "utf-8")
            case "beside", _:
                self._copy(block.what)
                self._carry_out(block)
            case "served", _:
                self._copy(block.what)
                self._serve("aiges-loader -m 0")
                self._carry_out(block)
            case _:
                self._carry_out(block)

    def _copy(self, sample: str) -> None:
        """Put the sample's files into the folder."""
        for path in (ROOT / sample).iterdir():
            if path.is_file():
                shutil.copy(path, self.folder)

    def _carry_out(self, block: Block) -> None:
        match block.language:
            case "sh":
                self._type(block.text)
            case "python" if "class Wrapper" in block.text:
                (self.folder / "wrapper.py").write_text(f"{block.text}\n", "utf-8")
            case "toml":
                check_toml(block.text, self._root / "shown.toml")
            case "json":
                assert without_sid(self.answer) == without_sid(block.text)
            case "text":
                assert self.answer.rstrip("\n") == block.text
            case language:
                raise AssertionError(f"nothing carries out {language!r}:\n{block.text}")

    def _type(self, lines: str) -> None:
        """Run the lines up to one that serves, that one beside the others, then the others."""
        waiting: list[str] = []
        for line in lines.splitlines():
            if SERVES.match(line):
                self._run("\n".join(waiting))
                waiting = []
                self._serve(line)
            else:
                waiting.append(line)
        self._run("\n".join(waiting))

    def _serve(self, command: str) -> None:
        self._running.close()  # Ctrl-C in the other terminal
        for pattern in PORTS.values():
            command = re.sub(pattern, "0", command)
        running = Running(command, self.folder, self._env)
        self._ports = self._running.enter_context(running).ready().ports

    def _run(self, commands: str) -> None:
        if not commands:
            return
        for name, pattern in PORTS.items():
            if name in self._ports:
                commands = re.sub(pattern, str(self._ports[name]), commands)
        admin = f" --admin http://127.0.0.1:{self._ports.get('admin')}"
        commands = ASKS_ADMIN.sub(lambda found: found[0] + admin, commands)
        place = self._root / "place"
        self.answer = run(f"{commands}\npwd > {shlex.quote(str(place))}", self.folder, self._env)
        self.folder = Path(place.read_text("utf-8").rstrip("\n"))


def run(commands: str, folder: Path, env: Mapping[str, str]) -> str:
    """Return what shell commands print; raise AssertionError if one fails."""
    done = subprocess.run(
        ["sh", "-euc", commands],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """Return what a reader's shell has after the installation, but with free ports."""
    commands = folder / "bin"
    commands.mkdir()
    for name, module in (("aiges-loader", "aiges_loader"), ("aiges", "aiges")):
        program = commands / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        program.chmod(0o755)
    hidden = ("AIGES_", "PLUGIN_", "MAKE", "MFLAGS")
    kept = {name: v for name, v in os.environ.items() if not name.startswith(hidden)}
    folders = (str(commands), str(Path(sys.executable).parent), kept["PATH"])
    return {
        **kept,
        "PATH": os.pathsep.join(folders),
        "PYTHONPATH": SOURCES,
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
        "AIGES__WRAPPER__HTTP_LISTEN": "127.0.0.1:0",
        "AIGES__SVCNAME__HOST": "127.0.0.1",
        "AIGES__SVCNAME__PORT": "0",
        "AIGES__ADMIN__LISTEN": "127.0.0.1:0",
        "AIGES__LOG__LEVEL": "none",
    }


def check_toml(text: str, path: Path) -> None:
    """Load `text` as a part of a configuration file; raise if there is anything to say about it."""
    path.write_text(f"{text}\n", "utf-8")
    loaded = load_given(
        str(path), program=path, service="svcName", environ={}, inline_defaults=default_text()
    )
    assert loaded.warnings == ()


def without_sid(text: str) -> Any:
    """Return JSON without the name of the call, which is another one each time."""
    answer = json.loads(text)
    sid = answer["header"].pop("sid")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sid)
    return answer
