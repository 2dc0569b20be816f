"""Drills of C plugins: a crash in C costs the calls that were in it."""

import os
import signal
import tempfile
import time
from pathlib import Path

from drills.load import Load, Target, ask_once, our_code
from drills.results import MARK, Result, Scale
from support import faulty_plugin
from support.service import once_body

CONCURRENCY = 4
CRASHES = 4
WORK = "wrapperExec:sleep=10"
CRASH = "wrapperExec:segv"


def crash_under_load(scale: Scale) -> Result:
    """A plugin crashes four times under load, by itself and by kill -SEGV: others' calls go on."""
    del scale
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        library = faulty_plugin.build(folder)
        pool = {"concurrency": CONCURRENCY, "maxRestarts": 100, "backoffMax": 0.1}
        env = {MARK: name, "FAULTY_LOG": ""}
        with faulty_plugin.serve(folder / "c", library, env=env, pool=pool).ready() as running:
            target = Target(
                running.http_port, "/v1/svcName", lambda fault: once_body(fault=fault), our_code
            )
            crashing, again = [], 0.0
            with Load(target, 2 * CONCURRENCY, do=WORK) as load:
                for number in range(CRASHES):
                    load.wait_for(50)
                    before, began = len(running.log), time.monotonic()
                    if number % 2:
                        os.kill(running.worker_pid(), signal.SIGSEGV)
                    else:
                        crashing.append(ask_once(target, CRASH).code)
                    running.wait_for("worker died .*SIGSEGV", after=before)
                    running.wait_for("worker ready", after=before)
                    again = max(again, time.monotonic() - began)
                load.wait_for(50)
            shown = sum("libwrapper.so(wrapperExec+" in line for line in running.log)
    failed = [outcome.code for outcome in load.failed]
    kept = (
        set(failed) <= {10109}
        and len(failed) <= CRASHES * CONCURRENCY
        and crashing == [10109] * len(crashing)
        and shown >= len(crashing)
    )
    figures = f"{len(load.outcomes)} calls, {len(failed)} failed (10109) in {CRASHES} crashes; "
    return Result(kept, f"{figures}ready again in {again:.2f} s")
