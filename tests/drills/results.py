"""What every drill needs: a service with a wrapper that misbehaves, and a verdict."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.service import Service

HERE = Path(__file__).resolve().parent
MARK = "AIGES_DRILL"
"""Environment variable that everything started by a drill inherits, and by which it is found."""


@dataclass(frozen=True)
class Result:
    """What came of a drill: whether the promise was kept, and the figures it rests on."""

    kept: bool
    figures: str


@dataclass(frozen=True)
class Scale:
    """How long the drills are."""

    kills: int
    reloads: int
    stops: int
    clients: int
    half_open: int
    malformed: int


@contextmanager
def service(*, under: str = "", **sections: dict[str, object]) -> Iterator[Service]:
    """Run a service with the misbehaving wrapper in a folder of its own.

    Args:
        under: Shell commands that come first, in the same process.
        sections: Of its configuration.
    """
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        (folder / "wrapper.py").write_text((HERE / "wrapper.py").read_text())
        (folder / "log").mkdir()
        pool = {"concurrency": 4, **sections.pop("pool", {})}
        program = (*shell(under), sys.executable, "-m", "aiges_loader")
        with Service(
            folder, program=program, env={MARK: name}, pool=pool, **sections
        ).ready() as running:
            for number in range(int(pool.get("workers", 1))):
                running.wait_for(f"worker ready worker={number + 1}")
            yield running


def shell(commands: str) -> tuple[str, ...]:
    """Return the start of a command line that runs `commands` before the rest."""
    return ("sh", "-ec", f'{commands}; exec "$@"', "-") if commands else ()
