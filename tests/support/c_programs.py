"""C and C++ code of the tests and of the samples: built here, outside the checkout."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.service import ROOT

INCLUDE = ROOT / "plugin_runtime" / "aiges" / "include"
SAMPLES = ROOT / "wrappers" / "c"
LIMIT_S = 120.0


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Run a command; return what it wrote, fail with it if it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def made(sample: str, folder: Path, *, target: str = "all") -> Path:
    """Copy a sample into `folder`, make a target there; return the copy."""
    copy = folder / sample
    sources = shutil.ignore_patterns("*.so", "build", "log")
    shutil.copytree(SAMPLES / sample, copy, ignore=sources)
    run(["make", "--silent", target, f"INCLUDE={INCLUDE}"], copy)
    return copy
