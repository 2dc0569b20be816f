"""Drive a server with wrk and read what it says; reading is pure."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCRIPT: Final = Path(__file__).with_name("post.lua")
MARK: Final = "wrk-result "
"""How the line begins that SCRIPT prints."""
REQUEST_LIMIT_S: Final = 10
"""A request that takes longer counts as a time-out."""
GRACE_S: Final = 30.0
"""How much longer than asked for wrk may take."""
LOOK_EVERY_S: Final = 0.25


class WrkError(Exception):
    """wrk is not there, or did not do what it should; says so."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        answered: Requests that succeeded: those with a status below 400.
        seconds: How long it ran.
        p50_ms: Half of all answers came within this, failed ones included.
        p99_ms: 99 of 100 came within this.
        errors: By kind: connect, read, write, status (400 and above), timeout.
    """

    answered: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: Mapping[str, int]


def require() -> Path:
    """Return where wrk is.

    Raises:
        WrkError: It is not on PATH.
    """
    found = shutil.which("wrk")
    if found is None:
        raise WrkError("wrk is not on PATH: it sends the requests (Debian: apt-get install wrk)")
    return Path(found)


def version() -> str:
    """Return wrk's version in its own words."""
    said = subprocess.run(  # noqa: S603
        [require(), "-v"], capture_output=True, text=True, check=False, timeout=GRACE_S
    )
    return said.stdout.partition("[")[0].strip()


def read(output: str) -> Load:
    """Read the line that SCRIPT prints at the end.

    Raises:
        WrkError: There is none.
    """
    for line in output.splitlines():
        if line.startswith(MARK):
            said: Any = json.loads(line.removeprefix(MARK))
            return Load(
                answered=said["requests"] - said["errors"]["status"],
                seconds=said["duration_us"] / 1e6,
                p50_ms=said["p50_us"] / 1e3,
                p99_ms=said["p99_us"] / 1e3,
                errors=said["errors"],
            )
    raise WrkError(f"wrk printed no result: {output.strip()[-500:]}")


def drive(
    url: str, body: Path, *, connections: int, seconds: int, meanwhile: Callable[[], None]
) -> Load:
    """POST the content of `body` over and over, each connection waiting for its answer first.

    Args:
        url: Where to.
        body: A file.
        connections: Kept open all the time.
        seconds: How long.
        meanwhile: Called now and then while wrk runs.

    Raises:
        WrkError: wrk is not there, failed, or took too long.
    """
    options = ("-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={REQUEST_LIMIT_S}s")
    with subprocess.Popen(  # noqa: S603 - wrk with our own arguments
        [require(), *options, "-s", SCRIPT, url, "--", body],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            until = time.monotonic() + seconds + GRACE_S
            while time.monotonic() < until:
                try:
                    output, _ = process.communicate(timeout=LOOK_EVERY_S)
                    return read(output)
                except subprocess.TimeoutExpired:
                    meanwhile()
        finally:
            process.kill()
    raise WrkError(f"wrk did not end within {seconds + GRACE_S:g} s")
