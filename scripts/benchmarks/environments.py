"""Interpreters to run contenders with: this checkout's, one of PyPI packages, one of a commit.

Made on first use below `.cache/bench`, which is not committed; delete that folder to start over.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache" / "bench"
INSTALL_LIMIT_S: Final = 600.0
LIMIT_S: Final = 30.0

_TELL_VERSIONS: Final = """
import importlib.metadata, json, platform, sys
said = {"python": platform.python_version()}
said.update((name, importlib.metadata.version(name)) for name in sys.argv[1:])
print(json.dumps(said))
"""


class EnvironmentMakingError(Exception):
    """An environment could not be made; names it and gives the reason."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with what a contender needs.

    Attributes:
        python: The interpreter.
        telling: Packages whose versions belong in a report.
        commit: What is measured, if it is this project.
    """

    python: Path
    telling: tuple[str, ...]
    commit: str | None = None

    def versions(self) -> dict[str, str]:
        """Ask the interpreter for versions of itself and of its packages."""
        said: Any = json.loads(_output([self.python, "-c", _TELL_VERSIONS, *self.telling]))
        versions: dict[str, str] = said
        return versions if self.commit is None else {"commit": self.commit, **versions}


OURS: Final = ("aiges-loader", "aiohttp", "uvloop", "grpcio", "orjson")


def of_checkout() -> Environment:
    """Return the interpreter that runs this, which has this checkout installed."""
    head = _output(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"]).strip()
    changed = _output(["git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"])
    return Environment(Path(sys.executable), OURS, f"{head} with changes" if changed else head)


def of_packages(name: str, requirements: Sequence[str]) -> Environment:
    """Return an environment with these packages and what they need, making it on first use.

    Args:
        name: What it is for, in the folder's name.
        requirements: Each one NAME==VERSION.

    Raises:
        EnvironmentMakingError: It could not be made.
    """
    folder = CACHE / f"{name}-{_digest([sys.version, *requirements])}"
    telling = tuple(requirement.partition("==")[0] for requirement in requirements)
    return Environment(_made(folder, name, requirements), telling)


def of_commit(commit: str) -> Environment:
    """Return an environment with this project as it was at `commit`, making it on first use.

    Its dependencies have the versions that this checkout's have, so that only the code differs.

    Raises:
        EnvironmentMakingError: There is no such commit, or it cannot be installed.
    """
    try:
        sha = _output(["git", "-C", ROOT, "rev-parse", "--verify", f"{commit}^{{commit}}"]).strip()
    except subprocess.CalledProcessError as error:
        raise EnvironmentMakingError(f"{commit}: {error.stderr.strip()}") from None
    frozen = _output([sys.executable, "-m", "pip", "freeze", "--exclude-editable"])
    folder = CACHE / f"commit-{sha[:10]}-{_digest([sys.version, frozen])}"
    with tempfile.TemporaryDirectory(prefix="aiges-bench-") as scratch:
        constraints, source = Path(scratch, "constraints.txt"), Path(scratch, "source")
        constraints.write_text(frozen, "utf-8")
        archive = Path(scratch, "source.tar")
        _output(["git", "-C", ROOT, "archive", "--output", archive, sha])
        with tarfile.open(archive) as files:
            files.extractall(source, filter="data")
        python = _made(folder, f"commit {sha[:10]}", [str(source)], "--constraint", constraints)
    return Environment(python, OURS, sha[:10])


def _made(folder: Path, name: str, requirements: Sequence[str], *options: str | Path) -> Path:
    python = folder / "bin" / "python"
    if folder.exists():
        return python
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=CACHE))
    print(f"making the environment of {name} in {folder.relative_to(ROOT)}", file=sys.stderr)
    try:
        _output([sys.executable, "-m", "venv", "--without-pip", unfinished])
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            unfinished / "bin" / "python",
        ]
        quietly = ["--quiet", "--no-input", "--disable-pip-version-check"]
        _output([*pip, "install", *quietly, *options, *requirements], INSTALL_LIMIT_S)
        # Only bin/python is used, and that is a link to the interpreter: the folder may move.
        unfinished.rename(folder)
    except subprocess.CalledProcessError as error:
        raise EnvironmentMakingError(f"{name}: {error.stderr.strip()[-1000:]}") from None
    except subprocess.TimeoutExpired as error:
        raise EnvironmentMakingError(f"{name}: no end after {error.timeout:g} s") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return python


def clean_environ(**extra: str) -> Mapping[str, str]:
    """Return this process's environment without what would change a contender, plus `extra`."""
    ours = ("AIGES_", "PLUGIN_", "PYTHONPATH", "MOSEC_", "LITSERVE_", "LIT_SERVER_")
    return {name: v for name, v in os.environ.items() if not name.startswith(ours)} | extra


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _output(command: Sequence[str | Path], limit_s: float = LIMIT_S) -> str:
    done = subprocess.run(  # noqa: S603
        command,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=limit_s,
    )
    return done.stdout
