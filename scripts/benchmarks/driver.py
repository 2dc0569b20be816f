"""Run contenders against cases, round by round, and measure."""

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from benchmarks import wrk
from benchmarks.cases import Case
from benchmarks.contenders import SERVICES, Bare, Contender, Measured
from benchmarks.environments import Environment, clean_environ
from benchmarks.figures import Report, Result, Sample, percentile
from benchmarks.server import Server, ServerError

WARM_UP_S: Final = 1
BARE_GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        rounds: How often each contender is measured in each case.
        seconds: How long each time.
        base: Name of the contender that the others are compared with.
    """

    cases: Sequence[Case]
    contenders: Sequence[Measured]
    rounds: int
    seconds: int
    base: str

    def pairs(self) -> list[tuple[Case, Measured]]:
        """Return who is measured in what."""
        return [(case, who) for case in self.cases for who in self.contenders if _can(who, case)]


def _can(who: Measured, case: Case) -> bool:
    return case.work in who.works


def run(plan: Plan, environments: Mapping[str, Environment], step: Callable[[str], None]) -> Report:
    """Measure: in each round of a case the contenders run one after the other.

    Args:
        plan: What to run.
        environments: By the contenders' names.
        step: Told what comes next, `len(plan.pairs()) * plan.rounds` times.
    """
    date = now()
    machine = machine_facts()
    results: list[Result] = []
    for case in plan.cases:
        contenders = [who for who in plan.contenders if _can(who, case)]
        samples: dict[str, list[Sample]] = {who.name: [] for who in contenders}
        failures: dict[str, str] = {}
        for number in range(plan.rounds):
            for who in contenders:
                step(f"{case.name} {who.name} {number + 1}/{plan.rounds}")
                if who.name in failures:
                    continue
                try:
                    sample = measure(who, environments[who.name], case, number, plan.seconds)
                except (ServerError, wrk.WrkError) as error:
                    failures[who.name] = str(error)
                else:
                    samples[who.name].append(sample)
        results += [
            Result(case.name, name, found, failures.get(name)) for name, found in samples.items()
        ]
    return Report(
        date=date,
        machine={**machine, "load average after": _load_average()},
        settings={"rounds": plan.rounds, "seconds": plan.seconds, "client": wrk.version()},
        base=plan.base,
        versions={who.name: environments[who.name].versions() for who in plan.contenders},
        results=results,
    )


def measure(
    who: Measured, environment: Environment, case: Case, number: int, seconds: int
) -> Sample:
    """Measure one contender once, from its start to its end.

    Raises:
        ServerError: It does not start, answers wrongly, or loses a process.
        WrkError: The requests could not be sent.
    """
    match who:
        case Bare():
            return _measure_bare(environment, case, number, seconds)
        case Contender():
            return _measure_server(who, environment, case, number, seconds)


def _measure_server(
    who: Contender, environment: Environment, case: Case, number: int, seconds: int
) -> Sample:
    body = case.payload.body()
    with TemporaryDirectory(prefix="aiges-bench-") as name:
        folder = Path(name)
        posted = folder / "body.json"
        posted.write_bytes(body)
        launch = who.launch(environment, case, folder)
        with Server(launch, body, case.fault_of, folder / "output.log") as server:
            rss_mib = [0.0]

            def look() -> None:
                rss_mib.append(server.usage().rss_mib)

            def drive(seconds: int, meanwhile: Callable[[], None]) -> wrk.Load:
                return wrk.drive(
                    server.url,
                    posted,
                    connections=case.connections,
                    seconds=seconds,
                    meanwhile=meanwhile,
                )

            server.rest()
            drive(WARM_UP_S, server.check)
            server.rest()  # the warm-up left requests without a client
            before = server.usage()
            load = drive(seconds, look)
            after = server.usage()
    if load.answered == 0:
        raise ServerError("no request succeeded while it was measured")
    return Sample(
        round=number,
        requests_per_s=load.answered / load.seconds,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        cpu_s_per_1000=(after.cpu_s - before.cpu_s) * 1000 / load.answered,
        rss_mib=max(*rss_mib, after.rss_mib),
        errors={kind: count for kind, count in load.errors.items() if count},
    )


def _measure_bare(environment: Environment, case: Case, number: int, seconds: int) -> Sample:
    command: list[str | Path] = [environment.python, SERVICES / "bare.py", case.work, str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environ())  # noqa: S603
        for _ in range(case.workers)
    ]
    said: list[Any] = []
    try:
        for process in running:
            output, _ = process.communicate(timeout=seconds + BARE_GRACE_S)
            if process.returncode != 0:
                raise ServerError(f"bare.py ended with status {process.returncode}")
            said.append(json.loads(output))
    finally:
        for process in running:
            process.kill()
            process.wait()
    durations_ms = [1000 * duration for one in said for duration in one["durations_s"]]
    return Sample(
        round=number,
        requests_per_s=sum(len(one["durations_s"]) / one["seconds"] for one in said),
        p50_ms=percentile(durations_ms, 50),
        p99_ms=percentile(durations_ms, 99),
        cpu_s_per_1000=sum(one["cpu_s"] for one in said) * 1000 / len(durations_ms),
        rss_mib=sum(one["max_rss_kib"] for one in said) / 1024,
        errors={},
    )


def now() -> str:
    """Return the local time, ISO 8601, to the minute."""
    return datetime.datetime.now().astimezone().isoformat(timespec="minutes")


def machine_facts() -> dict[str, str]:
    """Say what this machine is, for readers of a report."""
    cpu_lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpu_lines if line.startswith("model name")]
    return {
        "cpus": str(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()),
        "cpu": models[0] if models else platform.machine(),
        "memory": f"{psutil.virtual_memory().total / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load average before": _load_average(),
    }


def _load_average() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())
