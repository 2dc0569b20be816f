"""Measure the service: `python scripts/bench.py start [--runs 7] [--json]`.

start: from the start of the process to its first answer, the memory of supervisor and worker once
it answered, and from SIGTERM to its end; with the echo sample, one worker. Medians of several runs.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parent.parent
LIMIT_S: Final = 30.0
MIB: Final = 1 << 20

CONFIG: Final = """\
[svcName]
host = "127.0.0.1"
port = 0
[wrapper]
http_listen = "127.0.0.1:{port}"
[log]
level = "none"
[fc]
able = 1
router = "sessionManager"
max = 64
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One life of a service.

    Attributes:
        first_answer_s: From the start of the process to the first 200.
        stop_s: From SIGTERM to the exit.
        supervisor_mib: Resident memory after the first answer.
        worker_mib: The same, of the process that runs user code.
    """

    first_answer_s: float
    stop_s: float
    supervisor_mib: float
    worker_mib: float


def measure_start(folder: Path) -> Start:
    """Start the echo sample, ask once, stop it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "aiges.toml"
    config.write_text(CONFIG.format(port=port))
    command = [sys.executable, "-m", "aiges_loader", "-m", "0", "-c", str(config)]
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command,
        cwd=ROOT / "wrappers" / "echo",
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
    )
    try:
        _first_answer(port, process, began + LIMIT_S)
        answered = time.perf_counter()
        supervisor = psutil.Process(process.pid)
        (worker,) = [
            child for child in supervisor.children(recursive=True) if "python" in child.name()
        ]
        memory = [supervisor.memory_info().rss / MIB, worker.memory_info().rss / MIB]
        process.terminate()
        told = time.perf_counter()
        process.wait(LIMIT_S)
    finally:
        process.kill()
        process.wait()
    return Start(answered - began, time.perf_counter() - told, *memory)


def _first_answer(port: int, process: subprocess.Popen[bytes], until: float) -> None:
    request = b""
    while time.perf_counter() < until and process.poll() is None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        try:
            if not request:
                client.request("GET", "/test.json")
                request = client.getresponse().read()
            client.request("POST", "/v1/svcName", request)
            if client.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.002)  # not listening yet
        finally:
            client.close()
    raise TimeoutError("no answer: run the service by hand to see why")


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["start"])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print for machines")
    options = parser.parse_args()
    starts = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(options.runs):
            starts.append(asdict(measure_start(Path(folder))))
            if sys.stderr.isatty():
                print(f"run {run + 1} of {options.runs}", end="\r", file=sys.stderr)
    medians = {name: statistics.median(start[name] for start in starts) for name in starts[0]}
    if options.json:
        print(json.dumps({"medians": medians, "runs": starts}))
        return
    print(f"medians of {options.runs} runs, echo sample, one worker")
    for name, unit in [("first_answer_s", "s"), ("stop_s", "s")]:
        print(f"  {name.removesuffix('_s'):<14} {medians[name]:.3f} {unit}")
    for name in ("supervisor_mib", "worker_mib"):
        print(f"  {name.removesuffix('_mib'):<14} {medians[name]:.1f} MiB")


if __name__ == "__main__":
    main()
