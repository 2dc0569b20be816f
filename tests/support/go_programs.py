"""The Go programs of tests/conformance/go: built here, run here."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "conformance" / "go"
BUILT = ROOT / ".cache" / "go"
MOD_FILES = {"go-plugin-1.8.0": "go.mod", "go-plugin-1.4.5": "go-plugin-1.4.5.mod"}
# The largest dependency is not optimised: it then builds in half the time.
GO_BUILD = ("go", "build", "-ldflags=-s -w", "-gcflags=google.golang.org/...=-N -l")
LIMIT_S = 60.0


@dataclass(frozen=True)
class GoPrograms:
    """Programs built with one release of go-plugin."""

    release: str

    @property
    def plugin(self) -> Path:
        return BUILT / self.release / "plugin"

    def environment(self, **extra: str) -> dict[str, str]:
        """Return what the programs, and a worker of this checkout under them, run in."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PLUGIN_", "AIGES_"))}
        sources = os.pathsep.join(str(ROOT / tree) for tree in ("plugin_runtime", "proto"))
        return {
            **kept,
            "PYTHONPATH": sources,
            "CONFORMANCE_DESCRIPTORS": str(BUILT / "aiges.binpb"),
            **extra,
        }

    def host_command(
        self,
        folder: Path,
        *steps: str,
        mtls: bool = False,
        versions: str = "1",
        command: str = f"{sys.executable} -m aiges.serve",
    ) -> list[str]:
        options = [f"-mtls={str(mtls).lower()}", "-versions", versions, "-dir", str(folder)]
        program = BUILT / self.release / "host"
        return [str(program), *options, "-command", command, *steps]

    def reattach_command(self, address: str, pid: int, *steps: str) -> list[str]:
        """Attach to a worker that runs, instead of starting one."""
        program = BUILT / self.release / "host"
        return [str(program), "-reattach", f"unix:{address}", "-pid", str(pid), *steps]

    def host(self, command: Sequence[str], **env: str) -> dict[str, Any]:
        """Run the host to its end; return what it saw."""
        done = subprocess.run(
            command,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen


def releases() -> list[str]:
    return list(MOD_FILES)


def build() -> dict[str, GoPrograms]:
    """Build for every release; Go's own cache makes the second time quick."""
    BUILT.mkdir(parents=True, exist_ok=True)
    _describe_protocol()
    for release, mod_file in MOD_FILES.items():
        folder = BUILT / release
        folder.mkdir(exist_ok=True)
        subprocess.run(
            [*GO_BUILD, f"-modfile={mod_file}", "-o", f"{folder}/", "./host", "./plugin"],
            cwd=SOURCES,
            check=True,
        )
    return {release: GoPrograms(release) for release in MOD_FILES}


def _describe_protocol() -> None:
    """Compile our .proto for the programs, which read it instead of generated code."""
    from grpc_tools import protoc  # noqa: PLC0415

    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--descriptor_set_out={BUILT / 'aiges.binpb'}",
            "--include_imports",
            str(ROOT / "proto" / "aiges_wire" / "pb" / "aiges_inner.proto"),
        ]
    )
    assert status == 0
