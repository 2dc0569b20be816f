"""The authors' command line as they call it: real processes, in English, with free ports."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.server import free_port
from support.service import LIMIT_S, SOURCES, Service

PROGRAM = (sys.executable, "-m", "aiges")


def environment(**env: str) -> dict[str, str]:
    """Return our environment without what would change what the commands say or do."""
    ignored = ("AIGES_", "PLUGIN_", "LC_", "LANG", "PYTEST_")
    kept = {name: v for name, v in os.environ.items() if not name.startswith(ignored)}
    return {**kept, "PYTHONPATH": SOURCES, "AIGES_LANG": "en", "NO_COLOR": "1", **env}


def aiges(
    *arguments: str | Path, folder: Path, status: int = 0, limit_s: float = LIMIT_S, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end in `folder`; it must end with `status`."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=folder,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def created(parent: Path, kind: str = "once", name: str = "demo") -> Path:
    """Make a project; return its folder."""
    aiges("create", "-n", name, "-p", parent, "--kind", kind, folder=parent)
    return parent / name


class Serving(Service):
    """A project served by `aiges run` or `aiges dev`, at a free port."""

    def __init__(
        self,
        folder: Path,
        command: str = "run",
        *more: str,
        program: Sequence[str] = PROGRAM,
        env: Mapping[str, str] | None = None,
    ) -> None:
        # Left to themselves these commands choose from 1888 on, where others run their tests.
        self.port = free_port()
        quiet = {"AIGES__ADMIN__LISTEN": "127.0.0.1:0"}
        super().__init__(
            folder,
            program=program,
            arguments=(command, "--port", str(self.port), *more),
            env=environment(**{**quiet, **(env or {})}),
            writes_config=False,
        )

    def example(self, route: str = "/v1/svcName", accept: str = "*/*") -> str:
        """Send the service its own example request; return the body of the answer."""
        body = self.ask("GET", "/test.json").body
        answer = self.ask("POST", route, body, headers={"Accept": accept})
        return answer.body.decode()

    def announced(self) -> list[str]:
        """Return what was printed up to the line that says how to make a call."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line.decode().rstrip("\n"))
            if "curl" in lines[-1]:
                return lines
        raise AssertionError(f"ended without saying how to call it: {lines}")
