"""`-mnist`: put the digits sample into the working directory."""

import shutil
import sys
from pathlib import Path
from typing import Final

from aiges_loader.exit_status import ExitStatus

MODES: Final = ("", "python")


def write_demo(mode: str, directory: Path = Path()) -> int:
    """Copy the sample, so that `aiges-loader -m 0` serves it here; return the exit status.

    Nothing that is there already is overwritten.

    Args:
        mode: AIGES_PLUGIN_MODE; the sample is written in Python.
        directory: Where to; the working directory unless a test says otherwise.
    """
    sys.stdout.write("Generating Mnist Demo Project...\n")
    if mode not in MODES:
        sys.stdout.write(f"Not support this mode. {mode} \n")
        sys.stdout.write("Please use `export AIGES_PLUGIN_MODE=python` \n")
        return ExitStatus.OK
    sample = _sample()
    files = [path for path in sorted(sample.rglob("*")) if path.is_file()]
    wanted = [path.relative_to(sample) for path in files if "__pycache__" not in path.parts]
    if taken := [str(path) for path in wanted if (directory / path).exists()]:
        sys.stderr.write(f"not overwritten, nothing written: {', '.join(taken)}\n")
        return ExitStatus.FAILED
    for path in wanted:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample / path, directory / path)
    sys.stdout.write("Serve it with: aiges-loader -m 0\n")
    return ExitStatus.OK


def _sample() -> Path:
    """Find the sample: in the installed package, else in the checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "shipped" / "digits"
    return shipped if shipped.exists() else package.parent.parent / "wrappers" / "digits"
